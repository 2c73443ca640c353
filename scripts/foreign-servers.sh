#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Servers of other making, for the tests of WebSockets: Python's `websockets` and node's `ws` as
# packages of the system; nginx and tinyproxy, where they are not installed, unpacked into DIR, so
# that no service starts on this machine. What cannot be had is named, and its tests skip it.
#
#     scripts/foreign-servers.sh DIR
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"
dir=${1:?usage: scripts/foreign-servers.sh DIR}

python_echo() { /usr/bin/python3 -c 'import websockets' 2>/dev/null; }
node_echo() {
  NODE_PATH=/usr/share/nodejs:/usr/lib/node_modules /usr/bin/node -e "require('ws')" 2>/dev/null
}
program() { [ -x "/usr/sbin/$1" ] || [ -x "/usr/bin/$1" ] || [ -x "$dir/usr/sbin/$1" ] ||
  [ -x "$dir/usr/bin/$1" ]; }

# unpack PACKAGE: without installing it.
unpack() {
  local packed
  packed=$(mktemp -d) || return
  (cd "$packed" && apt-get -q download "$1" && dpkg-deb -x ./*.deb "$dir") || {
    rm -rf "$packed"
    return 1
  }
  rm -rf "$packed"
}

say "servers of other making"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
log=$root/build/foreign.log
if has_apt; then
  python_echo || apt_install "$log" python3-websockets || true
  node_echo || apt_install "$log" node-ws || true
  { program nginx && program tinyproxy; } || quietly "$log" apt_get update || true
  program nginx || quietly "$log" unpack nginx || true
  program tinyproxy || quietly "$log" unpack tinyproxy-bin || true
fi
python_echo || note "going on without python3-websockets: its tests are skipped"
node_echo || note "going on without node-ws: its tests are skipped"
for name in nginx tinyproxy; do
  program $name || note "going on without $name: its tests are skipped"
done
note "done"
