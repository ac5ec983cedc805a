#!/bin/sh
# Installs the system packages that are missing. Does nothing, and needs no root, when none is.
set -eu
here=$(dirname "$0")
want=$(sed 's/#.*//' "$here/packages.txt")
missing=
for p in $want; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
if [ -z "$missing" ]; then
  echo "setup: all system packages are here"
  exit 0
fi
echo "setup: installing$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null 2>&1; then as_root=sudo
  else
    echo "setup: not root and no sudo. Run as root: apt-get install$missing" >&2
    exit 1
  fi
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -5 "$log" >&2
  echo "setup: apt-get failed (full log: $log). Check the network, then run again." >&2
  exit 1
fi
rm -f "$log"
echo "setup: done"
