#!/bin/sh
# Packs what images/daemon/Dockerfile needs into a directory, built and with the packages of production alone, so that the image
# can be built without the network. Run in a checkout that npm run setup was run in: sh images/daemon/pack-context.sh DIR
set -eu
target=${1:?Usage: sh images/daemon/pack-context.sh DIR}
cd "$(dirname "$0")/../.."
test -f dist/daemon/main.js || { echo "Cannot pack: run npm run bootstrap first" >&2; exit 1; }
mkdir -p "$target/images"
cp -R package.json package-lock.json LICENSE dist seccomp "$target/"
cp -R images/base images/init images/daemon "$target/images/"
rm -rf "$target/images/init/dist"
# Paths below node_modules of everything that production needs, whatever lies nested where.
npm ls --all --omit=dev --omit=optional --parseable 2>/dev/null | sed -n "s|^$PWD/||p" | grep '^node_modules/' | sort -u |
  while read -r path; do
    mkdir -p "$target/$(dirname "$path")"
    test -e "$target/$path" || cp -R "$path" "$target/$path"
  done
