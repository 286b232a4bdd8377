// Debian packages that only the tests use, each with its reason.

export const TEST_PACKAGES: Readonly<Record<string, string>> = {
  'btrfs-progs': 'the workspace store is tested on a real pool',
  bubblewrap: 'the benchmark compares with it',
  'openssh-server': 'git is cloned over ssh through the proxy, from a real server',
  socat: 'tunnels are measured beside it',
  runsc: 'sandboxes are run under gVisor, too',
  valgrind: 'cloister-init is run under it to find reads of freed or unset memory',
};
