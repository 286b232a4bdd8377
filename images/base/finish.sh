#!/bin/sh
# Runs as root inside the new root file system, after the packages and Node are in it. Both recipes run exactly this.
set -eu

# Nothing in a sandbox may gain rights by executing a file.
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
find / -xdev -type d -perm -2000 -exec chmod g-s {} +

# Facts about the machine that built the image, and secrets that must not be shared between containers.
rm -f /etc/machine-id /var/lib/dbus/machine-id /etc/ssh/ssh_host_* /etc/.pwd.lock
rm -f /etc/apt/sources.list /etc/apt/apt.conf.d/99mmdebstrap
rm -rf /etc/apt/sources.list.d && mkdir /etc/apt/sources.list.d
: > /etc/hostname
: > /etc/resolv.conf 2>/dev/null || true
printf '127.0.0.1 localhost\n::1 localhost\n' > /etc/hosts 2>/dev/null || true

# No account has a password, and none can be logged into.
sed -i 's/^\([^:]*\):[^:]*:/\1:*:/' /etc/shadow
rm -f /etc/shadow- /etc/passwd- /etc/group- /etc/gshadow-

# A sandbox is its own environment: the root file system is read-only and pip installs below HOME.
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED

# What no command needs at run time.
find /usr/share/doc -type f ! -name copyright -delete
find /usr/share/doc -type l -delete
find /usr/share/doc -type d -empty -delete
rm -rf /usr/share/man /usr/share/info /usr/share/lintian /usr/share/bug /usr/share/locale /usr/share/gitweb
rm -rf /usr/local/lib/node_modules/npm/man /usr/local/lib/node_modules/npm/docs
rm -f /usr/bin/*lto-dump* /usr/lib/gcc/*/*/libasan.a /usr/lib/gcc/*/*/libtsan.a /usr/lib/gcc/*/*/liblsan.a /usr/lib/gcc/*/*/libhwasan.a /usr/lib/gcc/*/*/libubsan.a
rm -rf /var/lib/apt/lists /var/cache/apt /var/cache/debconf/*-old /var/cache/ldconfig /var/log /var/lib/dpkg/*-old
mkdir -p /usr/share/man /usr/share/locale /var/lib/apt/lists/partial /var/cache/apt/archives/partial /var/log
rm -rf /root/.npm /root/.cache

# Mount point of every workspace; HOME of a sandbox is on its tmpfs.
mkdir -p /workspace
chmod 0755 /workspace
chmod 0700 /root
chmod 1777 /tmp /var/tmp
