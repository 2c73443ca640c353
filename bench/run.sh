#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds with optimisation, starts canned servers, and runs every case
# against its floor and its peers in turn. One line a case; results.json and results.svg beside it.
#
#     bench/run.sh [--quick] [--only NAME] [--no-peers]
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
. scripts/lib.sh

peers=yes
for option in "$@"; do
  if [ "$option" = --no-peers ]; then peers=no; fi
done
build=$root/build/bench
there=$root/build/bench-peers
mkdir -p "$build" "$there"

# ---- what the cases need ----

bash scripts/install-deps.sh || exit 1
say "servers"
missing=()
PATH=$PATH:/usr/sbin
command -v nginx >/dev/null || missing+=(nginx-light)
command -v openssl >/dev/null || missing+=(openssl)
if [ ${#missing[@]} -gt 0 ]; then
  has_apt || die "please install: ${missing[*]}"
  apt_install build/bench-install.log "${missing[@]}" || die "installing failed"
  hash -r
fi
note "all there"

# ---- peers: each is left out by name when it cannot be had ----

# Debian 12's Node.js is too old for the SDK; a newer one comes as an npm package.
node_version=22.22.3
npm_install() {
  (cd "$1" && npm install --no-fund --no-audit --no-update-notifier --loglevel=error "${@:2}")
}
imports_e2b() { (cd "$there/js" && "$1" -e 'import("e2b").catch(() => process.exit(1))'); }
install_js() {
  local arch
  command -v npm >/dev/null || { has_apt && apt_install build/bench-npm.log npm; } || return 1
  mkdir -p "$there/js" && cp bench/peers/js/* "$there/js/" && npm_install "$there/js" || return 1
  rm -f "$there/node"
  imports_e2b node && return
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) return 1 ;; esac
  mkdir -p "$there/newer" && npm_install "$there/newer" "node-linux-$arch@$node_version" &&
    ln -s "newer/node_modules/node-linux-$arch/bin/node" "$there/node" && imports_e2b "$there/node"
}
install_py() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || return 1
  rm -f "$there/py/ready"
  { [ -x "$there/py/bin/pip" ] || python3 -m venv "$there/py"; } &&
    "$there/py/bin/pip" install --quiet -r bench/peers/py/requirements.txt && touch "$there/py/ready"
}
# What Debian 12 calls cargo cannot read what reqwest needs today; its cargo-web can.
cargo_is_new() {
  [[ $(cargo --version 2>/dev/null) =~ ^cargo\ 1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 85))
}
install_rust() {
  if ! cargo_is_new && has_apt; then
    apt_install build/bench-cargo.log cargo-web || apt_install build/bench-cargo.log cargo
    hash -r
  fi
  command -v cargo >/dev/null || return 1
  mkdir -p "$there/rust" && cp -ru bench/peers/rust/* "$there/rust/" &&
    (cd "$there/rust" && cargo build --release --quiet --target-dir target)
}
install_ws() {
  command -v npm >/dev/null || { has_apt && apt_install build/bench-npm.log npm; } || return 1
  mkdir -p "$there/ws" && cp bench/peers/ws/* "$there/ws/" && npm_install "$there/ws"
}
install_go() {
  command -v go >/dev/null || { has_apt && apt_install build/bench-go.log golang-go; } || return 1
  mkdir -p "$there/go" && cp bench/peers/go/* "$there/go/" &&
    (cd "$there/go" && go build -o bench-peer .)
}
if [ $peers = yes ]; then
  say "peers"
  for peer in js py rust ws go; do
    if quietly "build/bench-peer-$peer.log" "install_$peer"; then
      note "$peer: there"
    else
      note "$peer: skipped, it cannot be installed here (an older cargo, Go or Python, or no registry)"
    fi
  done
fi

# ---- building and running ----

say "building (-O2)"
choose_generator
quietly build/bench.log cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release \
  "-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG" -DE2B_BUILD_BENCH=ON -DE2B_BUILD_HOST=ON \
  -DE2B_BUILD_EXAMPLES=OFF &&
  quietly build/bench.log cmake --build "$build" --parallel "$(nproc)" || exit 1

say "cases (figures of the client's process; xN is ours divided by theirs, the median of paired runs)"
cd bench && exec python3 -m driver "$build" "$there" "$@"
