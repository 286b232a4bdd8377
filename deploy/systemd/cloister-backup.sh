#!/bin/sh
# Backs up and restores the daemon's state directory.
#   cloister-backup.sh save STATE_DIR FILE.tar      with the daemon stopped, or running: writes to workspaces stand still meanwhile
#   cloister-backup.sh restore FILE.tar STATE_DIR   into a directory that does not exist yet
# In it: keys, records, the audit log, kept workspaces with their snapshots. Not in it: sandboxes that live, output of their commands.
# The file holds the keys that sign tokens: whoever has it can make tokens. Two daemons on the same engine must not have the same state.
set -eu
umask 077
fail() {
  echo "Cannot $1" >&2
  exit 1
}

save() {
  state=${1%/} file=$2 stage=$1/backup.$$ isFrozen=
  test -d "$state/keys" || fail "back up $state: it is no state directory"
  test ! -e "$file" || fail "back up to $file: it is there already"
  mkdir "$stage"
  trap 'test -z "$isFrozen" || fsfreeze --unfreeze "$state/pool"; rm -rf "$stage" "$file.part"' EXIT
  trap 'exit 1' HUP INT TERM
  # The log grows behind its signed head: with the head copied first, the copy of the log is never short of it.
  test ! -e "$state/audit.jsonl.head" || cp -p "$state/audit.jsonl.head" "$stage/"
  for each in instance-id keys workspaces checkpoints secrets; do test ! -e "$state/$each" || cp -Rp "$state/$each" "$stage/"; done
  for each in "$state"/audit*.jsonl; do test ! -e "$each" || cp -p "$each" "$stage/"; done
  if test -e "$state/pool.btrfs"; then
    if mountpoint -q "$state/pool"; then
      fsfreeze --freeze "$state/pool"
      isFrozen=yes
    fi
    cp --sparse=always --reflink=auto -p "$state/pool.btrfs" "$stage/"
    test -z "$isFrozen" || fsfreeze --unfreeze "$state/pool"
    isFrozen=
  fi
  for each in ws ws-snap; do test ! -d "$state/$each" || cp -Rp "$state/$each" "$stage/"; done
  tar --create --sparse --numeric-owner --xattrs --acls --file "$file.part" --directory "$stage" .
  mv "$file.part" "$file"
}

restore() {
  file=$1 state=${2%/}
  test -f "$file" || fail "restore $file: there is no such file"
  test ! -e "$state" || fail "restore to $state: it is there already"
  mkdir -p "$state.part"
  trap 'rm -rf "$state.part"' EXIT
  trap 'exit 1' HUP INT TERM
  tar --extract --sparse --numeric-owner --same-permissions --xattrs --acls --file "$file" --directory "$state.part"
  test -d "$state.part/keys" || fail "restore $file: it is no backup of a state directory"
  mv "$state.part" "$state"
}

case ${1:-} in
  save) save "${2:?STATE_DIR is missing}" "${3:?FILE.tar is missing}" ;;
  restore) restore "${2:?FILE.tar is missing}" "${3:?STATE_DIR is missing}" ;;
  *) fail "do '${1:-}': say save or restore" ;;
esac
