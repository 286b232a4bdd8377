// Attack rows against the network and the limits of a sandbox. Those that name addresses are for a sandbox without network.

import type { AttackRow } from './row.ts';

function connects(family: 'AF_INET' | 'AF_INET6', address: string, port: number): string {
  return `python3 -c 'import socket;s=socket.socket(socket.${family},socket.SOCK_STREAM);s.settimeout(2);s.connect(("${address}",${port}));s.send(b"x");print("CONNECTED")' 2>&1 | tail -1`;
}

export const NETWORK_ROWS: readonly AttackRow[] = [
  {
    id: 'E65',
    area: 'network',
    claim: 'the metadata address cannot be reached',
    controls: ['network'],
    command: connects('AF_INET', '169.254.169.254', 80),
    expected: /unreachable|refused|timed out/m,
  },
  {
    id: 'E66',
    area: 'network',
    claim: 'the gateway of the host cannot be reached',
    controls: ['network'],
    command: connects('AF_INET', '172.17.0.1', 2375),
    expected: /unreachable|refused|timed out/m,
  },
  {
    id: 'E68',
    area: 'network',
    claim: 'the IPv6 metadata address cannot be reached',
    controls: ['network'],
    command: connects('AF_INET6', 'fd00:ec2::254', 80),
    expected: /unreachable|refused|Cannot assign|not supported/m,
  },
  {
    id: 'E70',
    area: 'network',
    claim: 'no name of a host helper resolves',
    controls: ['etcFiles'],
    command:
      'for h in host.docker.internal gateway.docker.internal kubernetes.default.svc metadata.google.internal; do getent hosts $h; done | wc -l',
    expected: /^0\b/m,
  },
  {
    id: 'E71',
    area: 'network',
    claim: 'no abstract socket of the host is visible',
    controls: ['network'],
    command: "awk 'NR>1 && $NF ~ /^@/' /proc/net/unix | wc -l",
    expected: /^0\b/m,
  },
  {
    id: 'E72',
    area: 'network',
    claim: 'neither resolver nor hosts file of the host leaks',
    controls: ['etcFiles'],
    command: "grep -E '^(nameserver|search)' /etc/resolv.conf | grep -vc '127.0.0.1'; grep -vcE 'localhost|ip6-|^#|^$' /etc/hosts",
    expected: /(?<![\s\S])0\s+[01]/m,
  },
  {
    id: 'C26',
    area: 'network',
    claim: 'no route leads anywhere',
    controls: ['network'],
    command: "tail -n +2 /proc/net/route | wc -l; grep -cv ' lo$' /proc/net/if_inet6",
    expected: /(?<![\s\S])0\s+(?:0|[^\n]*No such file[^\n]*)\s*(?![\s\S])/m,
  },
];

export const LIMIT_ROWS: readonly AttackRow[] = [
  {
    id: 'E73',
    area: 'limits',
    claim: 'the number of processes is limited',
    controls: ['processes'],
    command: 'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null',
    expected: /^\d+$/m,
  },
  {
    id: 'C14',
    area: 'limits',
    claim: 'a fork bomb ends at that number',
    controls: ['processes'],
    command: `python3 -c 'import os,signal,time
pids=[]
try:
  for n in range(400):
    pid=os.fork()
    if pid==0: time.sleep(60); os._exit(0)
    pids.append(pid)
  print("NO LIMIT")
except OSError as e: print(e.strerror)
for pid in pids: os.kill(pid,9); os.waitpid(pid,0)'`,
    expected: /Resource temporarily unavailable/m,
    isLimited: true,
  },
  {
    id: 'C11',
    area: 'limits',
    claim: 'memory beyond the limit is not had',
    controls: ['memory'],
    command: `python3 -c 'x=bytearray(400<<20)'; echo rc=$?`,
    expected: /rc=(?:137|1)\b/m,
    isLimited: true,
  },
  {
    id: 'C13',
    area: 'limits',
    claim: 'processor time is limited',
    controls: ['cpu'],
    command: 'cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null',
    expected: /^[1-9]\d*/m,
  },
  {
    id: 'E77',
    area: 'limits',
    claim: 'there are no core files; descriptors and sizes of files are limited',
    controls: ['ulimits'],
    command: 'ulimit -c; ulimit -n; ulimit -f',
    expected: /(?<![\s\S])0\s+\d{1,5}\s+\d+\s*(?![\s\S])/m,
  },
  {
    id: 'C17',
    area: 'limits',
    claim: 'a sparse giant is refused',
    controls: ['ulimits'],
    command: 'truncate -s 1T /workspace/giant 2>&1; rm -f /workspace/giant',
    expected: /File (?:too large|size limit exceeded)/m,
  },
  {
    id: 'E78',
    area: 'limits',
    claim: 'the OOM score cannot be lowered',
    controls: ['oomScore'],
    command: 'echo -1000 > /proc/self/oom_score_adj; cat /proc/self/oom_score_adj',
    expected: /denied[\s\S]*\d{2,}|\b[1-9]\d{2,}$/m,
  },
  {
    id: 'E82',
    area: 'limits',
    claim: '/tmp is limited',
    controls: ['tmpSize'],
    command: "dd if=/dev/zero of=/tmp/f bs=1M count=64 2>&1 | grep -c 'No space'; rm -f /tmp/f",
    expected: /^1\b/m,
    isLimited: true,
  },
  {
    id: 'C08',
    area: 'limits',
    claim: '/dev/shm is its own, and limited',
    controls: ['ipcNamespace'],
    command: `awk '$5=="/dev/shm"{print $6, $NF}' /proc/self/mountinfo`,
    expected: /^(?=.*nosuid)(?=.*nodev)(?=.*noexec)(?=.*size=\d)/m,
  },
  {
    id: 'C12',
    area: 'limits',
    claim: 'what is written to /dev/shm ends at its size',
    controls: ['shmSize'],
    command: "dd if=/dev/zero of=/dev/shm/f bs=1M count=80 2>&1 | grep -c 'No space'; rm -f /dev/shm/f",
    expected: /^1\b/m,
    isLimited: true,
  },
  {
    id: 'E84',
    area: 'limits',
    claim: 'the workspace is limited',
    controls: ['diskQuota', 'ulimits'],
    command: 'dd if=/dev/zero of=/workspace/big bs=1M count=128; rm -f /workspace/big',
    expected: /No space|quota|File (?:too large|size limit exceeded)/m,
    isLimited: true,
  },
];
