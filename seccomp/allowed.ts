// What a sandbox may call, group by group, and who needs it. Data only: profile.ts turns it into JSON.
import { allBut, anythingBut, equals, lowWord, masked, type Condition } from './conditions.ts';

/** `debug` is `strict` plus the groups marked `debug`. */
export type Tier = 'strict' | 'debug';

export interface AllowedGroup {
  /** Who needs these calls, and why the limits on them. */
  readonly comment: string;
  readonly names: readonly string[];
  /** Absent: allowed whatever the arguments. Present: each inner list is one alternative. */
  readonly anyOf?: readonly (readonly Condition[])[];
  /** Only in this tier; absent: in both. */
  readonly tier?: Tier;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);
const eachAlone = (conditions: readonly Condition[]): Condition[][] => conditions.map((condition) => [condition]);

const AF_UNIX = 1;
const AF_NETLINK = 16;
const INTERNET_FAMILIES = [2, 10];
const [STREAM, DATAGRAM, TCP, UDP] = [1, 2, 6, 17];
/** Every bit of the type argument but SOCK_NONBLOCK and SOCK_CLOEXEC. */
const SOCKET_TYPE_MASK = 0xfff7f7ff;
const internetSockets = INTERNET_FAMILIES.flatMap((family) =>
  [
    [STREAM, 0],
    [STREAM, TCP],
    [DATAGRAM, 0],
    [DATAGRAM, UDP],
  ].map(([type = 0, protocol = 0]) => [equals(0, family), masked(1, { mask: SOCKET_TYPE_MASK, value: type }), equals(2, protocol)]),
);

/** The mount, cgroup, UTS, IPC, user, PID and network namespace bits of clone(2). */
const NAMESPACE_FLAGS = 0x7e020000;

/** An ioctl number is direction and size (31-16), type (15-8), number (7-0): the type decides first. */
const IOCTL_BIT_ORDER = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
const REFUSED_IOCTLS = [
  { mask: 0xffff, value: 0x5412 }, // TIOCSTI types into somebody else's terminal
  { mask: 0xffff, value: 0x541c }, // TIOCLINUX pastes into the console
  { mask: 0xffff, value: 0x541d }, // TIOCCONS takes over the console's output
  { mask: 0xffff, value: 0x5423 }, // TIOCSETD loads line disciplines
  { mask: 0xffff, value: 0x5820 }, // FS_IOC_FSSETXATTR moves a file to another project's quota
  { mask: 0xff00, value: 0x9400 }, // every btrfs ioctl: subvolumes escape the quota, SYNC stalls the pool
];
/** FICLONE, FICLONERANGE, FIDEDUPERANGE: the reflinks of cp, inside the refused btrfs type. */
const REFLINK_IOCTLS = [0x40049409, 0x4020940d, 0xc0189436];

const PR_SCHED_CORE = 62;
const PID_ONE = 1;

export const ALLOWED_GROUPS: readonly AllowedGroup[] = [
  {
    comment: 'File contents: every program. The mounts decide what can be opened.',
    names: words(`close close_range copy_file_range creat dup dup2 dup3 fadvise64 fallocate fcntl fdatasync flock fsync
      ftruncate lseek open openat openat2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile
      splice sync sync_file_range syncfs tee truncate write writev`),
  },
  {
    comment: 'File names and metadata: every program. mknod makes FIFOs and sockets; device nodes need a capability.',
    names: words(`access chdir chmod chown faccessat faccessat2 fchdir fchmod fchmodat fchmodat2 fchown fchownat fstat
      fstatfs futimesat getcwd getdents getdents64 lchown link linkat lstat mkdir mkdirat mknod mknodat newfstatat
      readlink readlinkat rename renameat renameat2 rmdir stat statfs statx symlink symlinkat umask unlink unlinkat
      utime utimensat utimes`),
  },
  {
    comment: 'Extended attributes: tar, cp -a, rsync, git on some file systems.',
    names: words(`fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
      llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`),
  },
  {
    comment: 'Memory: every program; memfd_create for runtimes with a JIT, pkey_* and mseal for hardening ones.',
    names: words(`brk madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect
      mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect`),
  },
  {
    comment: 'Processes: shells, build tools, process supervisors.',
    names: words(`execve execveat exit exit_group fork getpgid getpgrp getpid getppid getrlimit getrusage getsid gettid
      pidfd_open setpgid setrlimit setsid times vfork wait4 waitid`),
  },
  {
    comment: 'Threads and processes without a new namespace: every libc. User namespaces open most local escalations.',
    names: ['clone'],
    anyOf: [[masked(0, { mask: NAMESPACE_FLAGS, value: 0 })]],
  },
  {
    comment: 'Thread primitives: every libc.',
    names: words(`arch_prctl futex futex_requeue futex_wait futex_waitv futex_wake get_robust_list getcpu rseq
      sched_yield set_robust_list set_tid_address`),
  },
  {
    comment: 'Process attributes: every libc. All operations but PR_SCHED_CORE, which idles the sibling of a shared core.',
    names: ['prctl'],
    anyOf: eachAlone(anythingBut(0, PR_SCHED_CORE)),
  },
  {
    comment: 'Identity: su, ssh, sudo probes and daemons that drop what they do not have. Without capabilities nothing is gained.',
    names: words(`capget capset getegid geteuid getgid getgroups getresgid getresuid getuid setfsgid setfsuid setgid
      setgroups setregid setresgid setresuid setreuid setuid`),
  },
  {
    comment: 'Signals: every program. PID 1 ignores what comes from inside.',
    names: words(`kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend
      rt_sigtimedwait sigaltstack signalfd signalfd4 tgkill tkill`),
  },
  {
    comment: 'Queued signals (sigqueue, POSIX aio): the sender writes its own si_pid here, so never to PID 1.',
    names: ['rt_sigqueueinfo', 'rt_tgsigqueueinfo'],
    anyOf: eachAlone(anythingBut(0, PID_ONE)),
  },
  {
    comment: 'Signals by descriptor: python, systemd-style supervisors. Without siginfo, which could forge si_pid.',
    names: ['pidfd_send_signal'],
    anyOf: [[equals(2, 0)]],
  },
  {
    comment: 'Scheduling, read only: node, java, go size their thread pools by it.',
    names: words(`getpriority ioprio_get sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
      sched_getparam sched_getscheduler sched_rr_get_interval`),
  },
  {
    comment: 'Scheduling and limits of the caller itself (ulimit, taskset, chrt). With another pid they starve or kill PID 1.',
    names: words('prlimit64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler'),
    anyOf: [[equals(0, 0)]],
  },
  {
    comment: 'Limits of another process, read only (new limit NULL): prlimit(1).',
    names: ['prlimit64'],
    anyOf: [[equals(2, 0)]],
  },
  {
    comment: 'nice: PRIO_PROCESS on the caller only. PRIO_USER with 0 would reach PID 1, which shares the uid.',
    names: ['setpriority'],
    anyOf: [[equals(0, 0), equals(1, 0)]],
  },
  {
    comment: 'ionice: IOPRIO_WHO_PROCESS on the caller only, for the same reason.',
    names: ['ioprio_set'],
    anyOf: [[equals(0, 1), equals(1, 0)]],
  },
  {
    comment: 'Clocks and timers, read or own: every runtime.',
    names: words(`alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
      timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime
      timerfd_settime`),
  },
  {
    comment: 'Waiting: event loops of node, python, nginx; inotify for file watchers.',
    names: words(`epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2
      inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pipe pipe2 poll ppoll pselect6 select`),
  },
  {
    comment: 'Use of a socket one has: every program with a socket. Which kinds exist is decided by socket.',
    names: words(`accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
      sendmmsg sendmsg sendto setsockopt shutdown`),
  },
  {
    comment: 'Unix sockets: X11, tmux, language servers, node child processes.',
    names: ['socket'],
    anyOf: [[equals(0, AF_UNIX)]],
  },
  {
    comment: 'TCP and UDP: servers on loopback and the egress proxy. No raw, SCTP, DCCP, MPTCP, ICMP: protocols load modules.',
    names: ['socket'],
    anyOf: internetSockets,
  },
  {
    comment: 'NETLINK_ROUTE: getifaddrs in node, go, java. No other netlink protocol (netfilter, xfrm, generic).',
    names: ['socket'],
    anyOf: [[equals(0, AF_NETLINK), equals(2, 0)]],
  },
  {
    comment: 'Connected pairs of unix sockets: node child processes, python multiprocessing.',
    names: ['socketpair'],
    anyOf: [[equals(0, AF_UNIX)]],
  },
  {
    comment: 'Device control by the low 32 bits: terminals, FIONREAD, file flags. A complement tree of the refused ones.',
    names: ['ioctl'],
    anyOf: eachAlone(allBut(1, REFUSED_IOCTLS, IOCTL_BIT_ORDER)),
  },
  {
    comment: 'Reflinks (cp, git, undo on btrfs), inside the otherwise refused btrfs type.',
    names: ['ioctl'],
    anyOf: REFLINK_IOCTLS.map((request) => [lowWord(1, request)]),
  },
  {
    comment: 'System V and POSIX IPC, private to the sandbox by its namespace: postgres, python multiprocessing.',
    names: words(`mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd
      semctl semget semop semtimedop shmat shmctl shmdt shmget`),
  },
  {
    comment: 'Asynchronous file I/O of databases (the old interface, not io_uring).',
    names: words('io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit'),
  },
  {
    comment: 'Self-confinement: browsers, nested sandboxes. Both can only take rights away.',
    names: words('landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp'),
  },
  {
    comment: 'Facts about the system: uname, free, every cryptographic library.',
    names: words('getrandom sysinfo uname'),
  },
  {
    comment: 'Execution domain: setarch and its query; Linux, 32-bit Linux, and the UNAME26 form of both.',
    names: ['personality'],
    anyOf: [0, 8, 0x20000, 0x20008, 0xffffffff].map((persona) => [lowWord(0, persona)]),
  },
  {
    comment: 'gdb, strace, LeakSanitizer. PID 1 is not dumpable, so it cannot be traced.',
    names: words('process_vm_readv process_vm_writev ptrace'),
    tier: 'debug',
  },
  {
    comment: 'gdb starts its program without address randomization.',
    names: ['personality'],
    anyOf: [0x40000, 0x40008].map((persona) => [lowWord(0, persona)]),
    tier: 'debug',
  },
];
