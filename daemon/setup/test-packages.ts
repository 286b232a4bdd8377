// Debian packages that only the tests use, each with its reason.

export const TEST_PACKAGES: Readonly<Record<string, string>> = {
  'btrfs-progs': 'the workspace store is tested on a real pool',
  chromium: 'the console and previews of ports are looked at in a real browser',
  bubblewrap: 'the benchmark compares with it',
  'openssh-server': 'git is cloned over ssh through the proxy, from a real server',
  'python3-requests': 'and python fetches through the proxy with it',
  socat: 'tunnels are measured beside it',
  runsc: 'sandboxes are run under gVisor, too',
  crun: 'and shown not to be handed out under crun, which loosens mounts',
  gdb: 'people debug in sandboxes',
  strace: 'and trace',
  tmux: 'and use terminals',
  vim: 'and editors',
  sqlite3: 'and databases',
  ripgrep: 'searches of files are measured beside it',
  valgrind: 'cloister-init is run under it to find reads of freed or unset memory',
  'redis-server': 'members of a fleet agree through a real one',
  prometheus: 'promtool checks the alert rules and what /metrics says',
  'docker-compose': 'docker-compose.yml is brought up with it',
};
