#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what building and running need and this machine has not: on Debian and Ubuntu with
# apt-get (through sudo when not root); elsewhere it names what is missing. When nothing is missing,
# it needs neither root nor network.
#
#     scripts/install-deps.sh [--tests]        --tests: also what only the tests need
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"

tests=no
[ "${1:-}" != --tests ] || tests=yes

# ---- is it there? ----

tool() { command -v "$1" >/dev/null; }
library() { tool pkg-config && pkg-config --exists "$1"; }
header() { printf '#include <%s>\n' "$1" | gcc -E -o /dev/null - 2>/dev/null; }
c_compiler() { printf 'int main(void) { return 0; }\n' | gcc -x c -o /dev/null - 2>/dev/null; }
cxx_compiler() {
  printf '#include <string>\nint main() { return 0; }\n' | g++ -x c++ -o /dev/null - 2>/dev/null
}
builder() { tool ninja || tool make; }
# Elsewhere the C library's static form will do.
static_compiler() {
  tool musl-gcc || { ! has_apt &&
    printf 'int main(void) { return 0; }\n' | gcc -static -x c -o /dev/null - 2>/dev/null; }
}
# As sandboxes see it; Debian calls it vi by a link that they do not have.
editor() {
  local name
  for name in vim.tiny vim.basic nvi nano; do [ ! -x "/usr/bin/$name" ] || return 0; done
  return 1
}
certificates() { [ -s /etc/ssl/certs/ca-certificates.crt ] || ! has_apt; }
# Without it sandboxes run, and have no way out.
way_out() { tool slirp4netns || ! has_apt; }
# Sandboxes see of the machine's programs those under /usr only.
system_python() { /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; }
sandbox_programs() {
  local program
  for program in curl git pgrep tput; do [ -x "/usr/bin/$program" ] || return; done
}
system_node() {
  local node
  node=$(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin command -v node) || return
  case $(readlink -f "$node") in /usr/* | /bin/*) return 0 ;; *) return 1 ;; esac
}

# need "PACKAGES" "WHAT" PROBE...: notes the Debian packages and the thing when the probe fails.
packages=() things=()
need() {
  local list=$1 what=$2
  shift 2
  if "$@"; then return; fi
  # shellcheck disable=SC2206
  packages+=($list)
  things+=("$what")
}

look() {
  packages=() things=()
  need "gcc libc6-dev" "gcc" c_compiler
  need "cmake" "cmake 3.18 or later" tool cmake
  need "ninja-build" "ninja or make" builder
  need "pkg-config" "pkg-config" tool pkg-config
  need "libuv1-dev" "libuv 1.44 or later (headers)" library "libuv >= 1.44"
  need "libcurl4-openssl-dev" "libcurl 7.88 or later (headers)" library "libcurl >= 7.88"
  need "libcjson-dev" "cJSON (headers)" library libcjson
  need "libmicrohttpd-dev" "libmicrohttpd (headers)" library libmicrohttpd
  need "zlib1g-dev" "zlib (headers)" library zlib
  need "libwslay-dev" "wslay (headers)" header wslay/wslay.h
  need "musl-tools" "musl-gcc (for the terminal agent)" static_compiler
  need "libmbedtls-dev" "mbedTLS (headers)" header mbedtls/ssl.h
  need "bubblewrap" "bubblewrap (bwrap)" tool bwrap
  # Sandboxes have the machine's programs: what clients expect to find there.
  need "curl git procps ncurses-bin" "curl, git, pgrep and tput (for sandboxes)" sandbox_programs
  need "slirp4netns" "slirp4netns" way_out
  need "python3 python3-venv" "/usr/bin/python3 with venv" system_python
  need "nodejs" "Node.js under /usr" system_node
  need "ca-certificates" "CA certificates" certificates
  if [ "$tests" = yes ]; then
    need "clang" "clang" tool clang
    need "g++" "g++" cxx_compiler
    need "libcmocka-dev" "cmocka (headers)" library cmocka
    need "libnghttp2-dev" "nghttp2 (headers)" library libnghttp2
    need "git" "git" tool git
    need "tmux" "tmux" tool tmux
    need "procps" "top" tool top
    need "vim-tiny" "an editor (vim, nvi or nano)" editor
  fi
}

fuzzer() {
  printf '%s\n' 'int LLVMFuzzerTestOneInput(const char *data, long size);' \
    'int LLVMFuzzerTestOneInput(const char *data, long size) { return data == 0 && size != 0; }' |
    clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null
}

# ---- then it is installed ----

say "looking for compilers, libraries and interpreters"
look
if [ ${#things[@]} -gt 0 ]; then
  note "missing: $(printf '%s, ' "${things[@]}" | sed 's/, $//')"
  has_apt || die "please install these with your system's package manager, and try again"
  apt_install "$root/build/install.log" "${packages[@]}" ||
    die "installing failed; please install these packages, and try again"
  hash -r
  look
  [ ${#things[@]} -eq 0 ] ||
    die "still missing, or too old on this system: $(printf '%s, ' "${things[@]}" | sed 's/, $//')"
fi
# clang's runtime is packaged by version; only the fuzz targets need it.
if [ "$tests" = yes ] && has_apt && ! fuzzer; then
  apt_install "$root/build/install.log" "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" ||
    note "going on without clang's runtime: the fuzz targets will not be built"
fi
# Node.js before 22.13 leaves the types of TypeScript in; the interpreter's cells then need the package.
typescript() {
  /usr/bin/node -e 'if (require("module").stripTypeScriptTypes === undefined)
    require("module").createRequire("/usr/share/nodejs/")("./typescript")' 2>/dev/null
}
if has_apt && ! typescript; then
  apt_install "$root/build/install.log" node-typescript ||
    note "going on without node-typescript: sandboxes will not run TypeScript"
fi
if [ "$tests" = yes ] && has_apt && ! tool npm; then
  apt_install "$root/build/install.log" npm ||
    note "going on without npm: the tests with the official JavaScript SDK will be skipped"
fi
note "all there"
