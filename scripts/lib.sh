# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the scripts share: saying what happens, running things quietly, installing packages.

say() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: runs the command with its output in LOG. Says every 20 seconds that it is
# still at it, and shows the end of LOG when the command fails.
quietly() {
  local log=$1 began=$SECONDS status=0
  shift
  mkdir -p "$(dirname "$log")"
  while sleep 20 >/dev/null 2>&1; do note "... $((SECONDS - began)) s"; done &
  heartbeat=$!
  "$@" >"$log" 2>&1 || status=$?
  stop_heartbeat
  if [ "$status" -ne 0 ]; then
    note "failed (status $status): $*"
    note "the end of $log:"
    tail -n 40 "$log" | sed 's/^/   | /'
  fi
  return "$status"
}

heartbeat=
stop_heartbeat() {
  [ -n "$heartbeat" ] || return 0
  kill "$heartbeat" 2>/dev/null || true
  wait "$heartbeat" 2>/dev/null || true
  heartbeat=
}
trap stop_heartbeat EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# For build directories that are made from now on; those that exist keep theirs.
choose_generator() {
  if command -v ninja >/dev/null; then export CMAKE_GENERATOR=${CMAKE_GENERATOR:-Ninja}; fi
}

has_apt() { [ -e /etc/debian_version ] && command -v apt-get >/dev/null; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -q -y \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# apt_install LOG PACKAGE...: 0 when they are installed.
apt_install() {
  local log=$1
  shift
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    note "root is needed for: apt-get install --no-install-recommends $*"
    return 1
  fi
  note "installing: $*"
  quietly "$log" apt_get update || note "going on with the package lists that are there"
  quietly "$log" apt_get install --no-install-recommends "$@"
}
