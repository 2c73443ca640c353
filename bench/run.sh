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

install_js() {
  command -v npm >/dev/null || { has_apt && apt_install build/bench-npm.log npm; } || return 1
  mkdir -p "$there/js" && cp bench/peers/js/* "$there/js/" &&
    (cd "$there/js" && npm install --no-fund --no-audit --loglevel=error)
}
install_py() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || return 1
  rm -f "$there/py/ready"
  { [ -x "$there/py/bin/pip" ] || python3 -m venv "$there/py"; } &&
    "$there/py/bin/pip" install --quiet -r bench/peers/py/requirements.txt && touch "$there/py/ready"
}
install_rust() {
  command -v cargo >/dev/null || { has_apt && apt_install build/bench-cargo.log cargo; } || return 1
  mkdir -p "$there/rust" && cp -ru bench/peers/rust/* "$there/rust/" &&
    (cd "$there/rust" && cargo build --release --quiet --target-dir target)
}
install_ws() {
  command -v npm >/dev/null || { has_apt && apt_install build/bench-npm.log npm; } || return 1
  mkdir -p "$there/ws" && cp bench/peers/ws/* "$there/ws/" &&
    (cd "$there/ws" && npm install --no-fund --no-audit --loglevel=error)
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
  "-DCMAKE_C_FLAGS_RELEASE=-O2 -DNDEBUG" -DE2B_BUILD_BENCH=ON -DE2B_BUILD_HOST=ON -DE2B_BUILD_EXAMPLES=OFF &&
  quietly build/bench.log cmake --build "$build" --parallel "$(nproc)" || exit 1

say "cases (figures of the client's process; xN is ours divided by theirs, the median of paired runs)"
cd bench && exec python3 -m driver "$build" "$there" "$@"
