// What a sandbox may not call, group by group, and why. Everything unnamed is refused as well; the rows here exist so
// that each refusal has a stated reason, an errno of its own, and a row in the probe table. Data only.
import type { Tier } from './allowed.ts';

export interface RefusedGroup {
  readonly comment: string;
  readonly names: readonly string[];
  /** ENOSYS where callers then fall back to something allowed, EPERM elsewhere; never a kill, which event loops do not survive. */
  readonly errno: 'EPERM' | 'ENOSYS';
  /** Only in this tier; absent: in both. */
  readonly tier?: Tier;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

export const REFUSED_GROUPS: readonly RefusedGroup[] = [
  {
    comment: 'Its flags are behind a pointer that a filter cannot read; every libc falls back to clone.',
    names: ['clone3'],
    errno: 'ENOSYS',
  },
  {
    comment: 'Namespaces and roots: the building blocks of an escape.',
    names: words('chroot pivot_root setns unshare'),
    errno: 'EPERM',
  },
  {
    comment: 'Mounting, by the old and the new interface, and looking at mounts.',
    names: words(`fsconfig fsmount fsopen fspick listmount listns mount mount_setattr move_mount open_tree
      open_tree_attr statmount umount2`),
    errno: 'EPERM',
  },
  {
    comment: 'io_uring: most kernel exploits of its years, and its operations pass no filter. libuv and tokio fall back.',
    names: words('io_uring_enter io_uring_register io_uring_setup'),
    errno: 'EPERM',
  },
  {
    comment: 'Programs inside the kernel, performance counters, page-fault handling: long histories of escalation.',
    names: words('bpf perf_event_open userfaultfd'),
    errno: 'EPERM',
  },
  {
    comment: 'Kernel keyrings are shared beyond the sandbox.',
    names: words('add_key keyctl request_key'),
    errno: 'EPERM',
  },
  {
    comment: 'Reading and steering other processes; gdb and strace need the debug profile.',
    names: words('process_vm_readv process_vm_writev ptrace'),
    errno: 'EPERM',
    tier: 'strict',
  },
  {
    comment: 'Reaching into other processes in ways that no tool of a sandbox needs.',
    names: words('kcmp migrate_pages move_pages pidfd_getfd process_madvise process_mrelease'),
    errno: 'EPERM',
  },
  {
    comment: "File handles walk past mounts; fanotify sees other sandboxes; quotas and project ids are the store's.",
    names: words(`fanotify_init fanotify_mark file_getattr file_setattr name_to_handle_at open_by_handle_at quotactl
      quotactl_fd`),
    errno: 'EPERM',
  },
  {
    comment: 'Modules, other kernels, power, swap, accounting, the kernel log.',
    names: words(`acct create_module delete_module finit_module get_kernel_syms init_module kexec_file_load kexec_load
      query_module reboot swapoff swapon syslog vhangup`),
    errno: 'EPERM',
  },
  {
    comment: 'The clock and the names of the host.',
    names: words('adjtimex clock_adjtime clock_settime setdomainname sethostname settimeofday'),
    errno: 'EPERM',
  },
  {
    comment: 'NUMA placement: unused surface; databases warn and go on.',
    names: words('get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
    errno: 'EPERM',
  },
  {
    comment: 'Memory tricks with an exploit history or a view of the page cache.',
    names: words('cachestat lookup_dcookie memfd_secret remap_file_pages vmsplice'),
    errno: 'EPERM',
  },
  {
    comment: 'Hardware and segment tables of x86.',
    names: words('get_thread_area ioperm iopl modify_ldt set_thread_area'),
    errno: 'EPERM',
  },
  {
    comment: 'Attributes of security modules.',
    names: words('lsm_get_self_attr lsm_list_modules lsm_set_self_attr'),
    errno: 'EPERM',
  },
  {
    comment: 'Obsolete or never implemented.',
    names: words(`_sysctl afs_syscall epoll_ctl_old epoll_wait_old getpmsg nfsservctl putpmsg security sysfs tuxcall
      uselib ustat vserver`),
    errno: 'EPERM',
  },
];
