// What a tenant does to take all there is of one thing, again and again until it is killed. Each says `up` once it is at it.
// For the test of what becomes of a neighbour, and for the benchmark of how fast that one still is.

const MIB = 1024 ** 2;
export const ATTACKER_LIMITS = { memoryBytes: 192 * MIB, pids: 64, diskBytes: 64 * MIB, tmpBytes: 16 * MIB };

const FORK_BOMB = `import os
for n in range(10**9):
    try:
        if os.fork() == 0: os.setsid()
    except OSError:
        if n % 1000 == 0: os.write(1, b'up\\n')`;
const MEMORY = `import os, subprocess, sys
if len(sys.argv) > 1:
    x = []
    while True: x.append(bytearray(1 << 20))
print('up', flush=True)
while True: subprocess.run([sys.executable, __file__, 'eat'])`;
const fill = (path: string, size: number): string => `import os
block = bytes(1 << 20)
print('up', flush=True)
while True:
    f = os.open('${path}', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for n in range(${size}): os.write(f, block)
        os.fsync(f)
    except OSError: pass
    os.close(f)
    os.unlink('${path}')`;
const INOTIFY = `import ctypes, os
libc = ctypes.CDLL(None)
os.makedirs('/tmp/w', exist_ok=True)
for n in range(500): open('/tmp/w/%d' % n, 'w').close()
print('up', flush=True)
while True:
    held = []
    for n in range(200):
        f = libc.inotify_init()
        if f < 0: break
        held.append(f)
        for m in range(500): libc.inotify_add_watch(f, b'/tmp/w/%d' % m, 0xfff)
    for n in range(500): os.utime('/tmp/w/%d' % n)
    for f in held: os.close(f)`;
const DESCRIPTORS = `import os
for n in range(8):
    if os.fork() == 0: break
held = []
os.write(1, b'up\\n')
while True:
    try:
        while True: held.append(os.dup(0))
    except OSError: pass
    while held: os.close(held.pop())`;
const CPU = `import os
for n in range(16):
    if os.fork() == 0: break
os.write(1, b'up\\n')
while True: pass`;
const OUTPUT = `import os
os.write(1, b'up\\n')
while True: os.write(1, b'x' * 65536)`;

/** Name -> a Python program. */
export const RESOURCE_ATTACKS: Readonly<Record<string, string>> = {
  'a fork bomb': FORK_BOMB,
  'memory taken until it is killed': MEMORY,
  'a full /tmp': fill('/tmp/fill', 32),
  'a full workspace': fill('/workspace/fill', 96),
  'an output flood': OUTPUT,
  'inotify watches without end': INOTIFY,
  'descriptors without end': DESCRIPTORS,
  'processor time': CPU,
};

/** From a file, since a fork bomb in plain sight is refused before it starts. */
export const ATTACK_FILE = 'attack.py';
export const ATTACK_COMMAND = ['python3', '-u', ATTACK_FILE] as const;
