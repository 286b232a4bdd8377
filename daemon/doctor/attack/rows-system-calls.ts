// Attack rows against the system call filter: each makes one call that leads out of sandboxes, or used to.

import type { AttackRow, ControlName, KernelPart } from './row.ts';

const REFUSED = /Operation not permitted|Function not impl[e]mented|Permission denied|Address family not supported/m;
/** Numbers of a call on x86-64 and arm64. */
type Numbers = readonly [number, number];
/** `b` is a buffer of 256 zeros. */
type Argument = number | 'b';

function call([x64, arm64]: Numbers, ...args: readonly Argument[]): string {
  const passed = args.map((arg) => (arg === 'b' ? 'b' : `ctypes.c_long(${arg})`)).join(',');
  return (
    "python3 -c 'import ctypes,os;l=ctypes.CDLL(None,use_errno=True);b=ctypes.create_string_buffer(256);" +
    `n={"x86_64":${x64},"aarch64":${arm64}}[os.uname().machine];r=l.syscall(ctypes.c_long(n),${passed});` +
    `print("ALLOWED" if r>=0 else os.strerror(ctypes.get_errno()))'`
  );
}

function refused(
  id: string,
  what: string,
  command: string,
  more: { readonly controls?: readonly ControlName[]; readonly needs?: KernelPart } = {},
): AttackRow {
  return { id, area: 'system calls', claim: `${what} is refused`, controls: ['seccomp'], command, expected: REFUSED, ...more };
}

const SOCKET: Numbers = [41, 198];
const part = (name: string, symbol: string, module: string | null = null): { readonly needs: KernelPart } => ({
  needs: { name, symbol, module },
});
/** Refused to whoever is not privileged by the kernel itself, too. */
const ALSO_PRIVILEGED = { controls: ['seccomp', 'capabilities', 'identity'] } as const;

export const SYSTEM_CALL_ROWS: readonly AttackRow[] = [
  refused('E38', 'io_uring_setup', call([425, 425], 1, 'b'), part('io_uring', 'io_uring_setup')),
  refused('E39', 'bpf', call([321, 280], 0, 'b', 72), { ...ALSO_PRIVILEGED, ...part('bpf', 'bpf_check') }),
  refused('E41', 'perf_event_open', call([298, 241], 'b', 0, -1, -1, 0), {
    ...ALSO_PRIVILEGED,
    ...part('perf events', 'perf_event_alloc'),
  }),
  refused('E44', 'process_vm_readv', call([310, 270], 1, 0, 0, 0, 0, 0)),
  refused('E45', 'open_by_handle_at', call([304, 265], -100, 'b', 0), ALSO_PRIVILEGED),
  refused('E46', 'mount', call([165, 40], 0, 0, 0, 0, 0), ALSO_PRIVILEGED),
  refused('E47', 'fsopen', call([430, 430], 'b', 0), ALSO_PRIVILEGED),
  refused('E48', 'open_tree', call([428, 428], -100, 'b', 0)),
  refused('E49', 'kexec_load', call([246, 104], 0, 0, 0, 0), { ...ALSO_PRIVILEGED, ...part('kexec', 'kimage_alloc_init') }),
  refused(
    'E54',
    'an AF_VSOCK socket, whatever the upper half of the argument,',
    call(SOCKET, 4294967336, 1, 0),
    part('AF_VSOCK', 'vsock_create', 'vsock'),
  ),
  refused('E55', 'an AF_ALG socket', call(SOCKET, 38, 5, 0), part('AF_ALG', 'alg_create', 'af_alg')),
  refused('E56', 'an AF_PACKET socket', call(SOCKET, 17, 3, 0), { ...ALSO_PRIVILEGED, ...part('AF_PACKET', 'packet_create', 'af_packet') }),
  refused('E57', 'a netfilter netlink socket', call(SOCKET, 16, 3, 12), part('nfnetlink', 'nfnetlink_rcv', 'nfnetlink')),
  refused('E58', 'an xfrm netlink socket', call(SOCKET, 16, 3, 6), part('xfrm netlink', 'xfrm_netlink_rcv', 'xfrm_user')),
  refused('E59', 'a raw socket', call(SOCKET, 2, 3, 1), ALSO_PRIVILEGED),
  refused('E60', 'an AF_TIPC socket', call(SOCKET, 30, 1, 0), part('AF_TIPC', 'tipc_sk_create', 'tipc')),
  refused(
    'E61',
    'input pushed into a terminal (TIOCSTI)',
    `python3 -c 'import fcntl;fcntl.ioctl(open("/dev/null"),0x5412,b"x")' 2>&1 | tail -1`,
  ),
  {
    id: 'E62',
    area: 'system calls',
    claim: 'the 32-bit system call entry is closed',
    controls: ['seccomp'],
    command: `python3 -c 'import mmap,ctypes;m=mmap.mmap(-1,4096,prot=7);m.write(bytes.fromhex("b814000000cd80c3"));a=ctypes.addressof(ctypes.c_char.from_buffer(m));print(ctypes.CFUNCTYPE(ctypes.c_int)(a)())'; echo rc=$?`,
    expected: /rc=(159|132|139)|Bad system call/m,
    needs: { name: 'the 32-bit entry', symbol: 'do_int80_emulation', module: null },
    machine: 'x86_64',
  },
  refused('C18', 'a user namespace', 'unshare --user true'),
  refused('C19', 'tracing', call([101, 117], 0, 0, 0, 0)),
  refused('C20', 'the key ring', call([250, 219], 0, -3, 1)),
  refused('C22', 'a limit set on PID 1', call([302, 261], 1, 7, 'b', 0)),
  refused(
    'C23',
    'a btrfs subvolume, which would escape the quota,',
    `python3 -c 'import fcntl,os;fcntl.ioctl(os.open("/workspace",0),0x5000940e,bytearray(4096))' 2>&1 | tail -1`,
  ),
];
