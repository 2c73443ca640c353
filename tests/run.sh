#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds in several ways, and runs every test. The last line is
# "N passed, N failed".
#
#     tests/run.sh [--tidy]                --tidy: also clang-tidy (slow)
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
. scripts/lib.sh

tidy=no
[ "${1:-}" != --tidy ] || tidy=yes
jobs=$(nproc)
passed=0 failed=0
failures=() skipped=()
scratch=$(mktemp -d)
host_pid='' url='' isolation=''
finish() {
  stop_heartbeat
  foreign_down
  [ -z "$host_pid" ] || kill "$host_pid" 2>/dev/null
  [ -z "${web_pid:-}" ] || kill "$web_pid" 2>/dev/null
  rm -rf "$scratch"
}
trap finish EXIT
. tests/sdk/sdk.sh
. tests/examples/examples.sh

# check NAME COMMAND...: one test of our own.
check() {
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    note "passed: $name"
    return 0
  fi
  failed=$((failed + 1))
  failures+=("$name")
  note "FAILED: $name"
  return 1
}

# build NAME CMAKE-OPTION...: configures and builds build/NAME.
build() {
  local name=$1
  shift
  quietly "build/$name.log" cmake -S . -B "build/$name" -DE2B_WERROR=ON "$@" &&
    quietly "build/$name.log" cmake --build "build/$name" --parallel "$jobs"
}

# ---- preparing ----

bash scripts/install-deps.sh --tests || exit 1
bash scripts/python-env.sh build/python || exit 1
bash scripts/foreign-servers.sh build/foreign || exit 1
export E2B_TEST_FOREIGN=$root/build/foreign
export E2B_HOST_PYTHON=$root/build/python E2B_TEST_PYTHON=$root/build/python
choose_generator

# ---- sources ----

say "sources and headers"

folders=()
for folder in lib include tests examples bench; do [ ! -d $folder ] || folders+=("$folder"); done

sources() {
  find "${folders[@]}" scripts cmake CMakeLists.txt .ci -type f \
    \( -name '*.[ch]' -o -name '*.cc' -o -name '*.sh' -o -name '*.py' -o -name '*.js' \
    -o -name '*.mjs' -o -name CMakeLists.txt -o -name '*.cmake.in' -o -path '.ci/*' \) \
    -not -path '*/node_modules/*'
}

have_licence() {
  local file bad=0
  while read -r file; do
    head -n 3 "$file" | grep -q "SPDX-License-Identifier: MIT" || { note "$file" && bad=1; }
  done < <(sources)
  return $bad
}

name_no_machine() {
  ! sources | xargs grep -nE '(^|[^A-Za-z0-9_.])(/home/[a-tv-z]|/Users/[a-z]|/mnt/[a-z])'
}

readme_is_true() {
  sed -n '/^```c$/,/^```$/p' README.md | sed '1d;/^```$/,$d' | diff - examples/first.c
}

header_alone() { # COMPILER STANDARD LANGUAGE
  local header bad=0
  for header in include/e2b/*.h; do
    printf '#include <e2b/%s>\n' "$(basename "$header")" |
      "$1" -x "$3" "-std=$2" -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only - || bad=1
  done
  return $bad
}

formatted() { find "${folders[@]}" -name '*.[ch]' -exec clang-format --dry-run -Werror {} +; }

check "every source names its licence" have_licence
check "no source names a place on somebody's machine" name_no_machine
check "the README's program is examples/first.c" readme_is_true
check "each public header alone as C99" header_alone gcc c99 c
check "each public header alone as C++11" header_alone g++ c++11 c++
check "each public header alone as C++17" header_alone g++ c++17 c++
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
  check "sources are formatted" formatted
fi

# ---- the sanitizers' build and all tests in it ----

say "everything under AddressSanitizer and UndefinedBehaviorSanitizer (gcc, build/asan)"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# run_ctest NAME [OPTION...]: counts what ctest counts.
run_ctest() {
  local name=$1 log=build/ctest-$1.log total bad
  shift
  ctest --test-dir "build/$name" --output-on-failure --no-tests=error --parallel 2 --timeout 300 \
    "$@" 2>&1 | tee "$log" | grep -vE '^ +Start |^Internal ctest|^Test project|^$' | sed 's/^/   /'
  bad=$(sed -n 's/.* tests passed, \([0-9]*\) tests failed out of .*/\1/p' "$log")
  total=$(sed -n 's/.* tests passed, .* tests failed out of \([0-9]*\).*/\1/p' "$log")
  if [ -z "$total" ]; then
    check "ctest in build/$name" false
    return
  fi
  passed=$((passed + total - bad))
  failed=$((failed + bad))
  [ "$bad" -eq 0 ] || failures+=("$bad of ctest's $total in build/$name, see $log")
}

# host_up NAME [OPTION...]: starts build/NAME/e2b-host; its address is $url then.
key=e2b_0123456789abcdef
host_up() {
  local program=build/$1/e2b-host
  shift
  "$program" --listen 127.0.0.1:0 --api-key $key "$@" >"$scratch/url" 2>"$scratch/host.log" &
  host_pid=$!
  for _ in $(seq 100); do
    url=$(head -n 1 "$scratch/url")
    [ -z "$url" ] || return 0
    kill -0 $host_pid 2>/dev/null || break
    sleep 0.1
  done
  host_down
  sed 's/^/   | /' "$scratch/host.log"
  return 1
}
host_down() {
  kill "$host_pid" 2>/dev/null
  wait "$host_pid" 2>/dev/null
  host_pid=
}

alone=(env -u E2B_API_KEY -u E2B_API_URL -u E2B_SANDBOX_URL -u E2B_DOMAIN -u E2B_DEBUG)

# What an ordinary user's sandboxes are made of differs from root's, so root runs the tests of
# isolation once more as nobody. The programs are copied to where nobody may read them.
ordinary_user() {
  local status=0
  cp "build/asan/tests/host_$1" "$scratch/nobody/" &&
    (cd / && "${alone[@]}" -u E2B_TEST_PYTHON -u E2B_HOST_PYTHON HOME=/nonexistent \
      timeout 300 setpriv --reuid 65534 --regid 65534 --clear-groups \
      "$scratch/nobody/host_$1" >"$scratch/nobody.log" 2>&1) || status=$?
  grep -E 'SKIPPED|skipped' "$scratch/nobody.log" | sort -u | sed 's/^/   /'
  [ $status -ne 0 ] || return 0
  tail -n 40 "$scratch/nobody.log" | sed 's/^/   | /'
  return 1
}

run_example() {
  "${alone[@]}" timeout 180 "build/asan/examples/$1" >"build/$1.log" 2>&1 && return
  tail -n 40 "build/$1.log" | sed 's/^/   | /'
  return 1
}

if check "builds with gcc and the sanitizers" build asan -DCMAKE_C_COMPILER=gcc \
  -DCMAKE_BUILD_TYPE=Debug -DE2B_SANITIZE=ON -DE2B_BUILD_TESTS=ON; then
  if host_up asan; then
    host_down
  else
    note "NOTE: no isolation on this machine: the tests that need it are skipped, the others run without"
    isolation=--no-isolation
    export E2B_TEST_NO_ISOLATION=1
  fi
  if [ ! -x build/foreign/jupyter/bin/jupyter-server ]; then
    skip "the tests with a Jupyter server: pip could not install it"
  elif check "a Jupyter server starts" jupyter_up; then
    export E2B_TEST_JUPYTER_URL=$jupyter_url
  fi
  run_ctest asan
  if [ "$(id -u)" -ne 0 ]; then
    note "skipped: isolation as another user (this is an ordinary user)"
  elif ! setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
    note "skipped: isolation as an ordinary user (setpriv does not work here)"
  else
    chmod 711 "$scratch"
    mkdir -p -m 755 "$scratch/nobody"
    for name in escape limits way_out; do
      check "isolation as an ordinary user: $name" ordinary_user $name
    done
  fi
  for example in quickstart data_science machine_learning fan_out service embed; do
    check "example $example under the sanitizers" run_example "$example"
  done
  run_terminal_examples
fi

# ---- the official SDKs ----

say "the official SDKs against e2b-host"
if [ ! -x build/asan/e2b-host ]; then
  skip "the tests with the official SDKs: there is no e2b-host"
elif [ -n "$isolation" ]; then
  skip "the tests with the official SDKs: they need sandboxes with a root of their own"
else
  run_sdks
fi

# ---- the web example ----

say "the web example"
. tests/web/web.sh
if [ ! -x build/asan/examples/web ]; then
  skip "the web example: it was not built"
elif [ -n "$isolation" ]; then
  skip "the web example: it needs sandboxes with a root of their own"
else
  run_web
fi

# ---- other builds ----

say "clang (build/clang)"
with=ON
fuzzers=(-DE2B_SANITIZE=ON -DE2B_BUILD_FUZZERS=ON)
printf 'int LLVMFuzzerTestOneInput(void);\nint LLVMFuzzerTestOneInput(void) { return 0; }\n' |
  clang -fsanitize=fuzzer,address -x c -o /dev/null - 2>/dev/null || {
  with=OFF
  fuzzers=()
}
if check "builds with clang, fuzz targets $with" build clang \
  -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug -DE2B_BUILD_TESTS=ON \
  ${fuzzers[@]+"${fuzzers[@]}"}; then
  run_ctest clang -R '^unit/'
fi

# ---- release, the README's program against the host's program, the installed package ----

say "release (gcc, build/release)"
released=no
check "builds with gcc for release" build release -DCMAKE_C_COMPILER=gcc \
  -DCMAKE_BUILD_TYPE=Release -DE2B_BUILD_BENCH=ON \
  "-DCMAKE_INSTALL_PREFIX=$scratch/installed" &&
  released=yes

first_program() {
  local said
  host_up release ${isolation:+"$isolation"} || return 1
  said=$("${alone[@]}" E2B_API_KEY=$key E2B_API_URL="$url" E2B_SANDBOX_URL="$url" \
    timeout 60 build/release/examples/first 2>&1)
  host_down
  [ "$said" = 42 ] || { note "it said: $said" && return 1; }
}

many_sandboxes() {
  local said=build/churn.log
  if E2B_TEST_HOST_PROGRAM=$root/build/release/e2b-host E2B_TEST_CHURN=500 \
    timeout 300 build/asan/tests/host_churn >$said 2>&1; then
    grep -E '^(round|from) ' $said | sed 's/^/   /'
    return 0
  fi
  sed 's/^/   | /' $said
  return 1
}

cat >"$scratch/use.c" <<'END'
/* SPDX-License-Identifier: MIT */
#include <e2b/e2b.h>
#include <stdio.h>
#include <uv.h>
int main(void) {
  e2b_client_t *client = e2b_client_new(uv_default_loop(), NULL);
  e2b_client_close(client, NULL, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  printf("%s\n", e2b_version());
  return uv_loop_close(uv_default_loop());
}
END
cat >"$scratch/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.18)
project(use C)
find_package(e2b 0.1 CONFIG REQUIRED)
foreach(kind e2b e2b_static)
  add_executable(use_${kind} use.c)
  target_link_libraries(use_${kind} PRIVATE e2b::${kind})
endforeach()
END
version=$(sed -n 's/^#define E2B_VERSION  *"\(.*\)"/\1/p' include/e2b/base.h)

uses_cmake_package() {
  quietly build/package.log cmake -S "$scratch" -B "$scratch/use" \
    "-DCMAKE_PREFIX_PATH=$scratch/installed" &&
    quietly build/package.log cmake --build "$scratch/use" &&
    [ "$("$scratch/use/use_$1")" = "$version" ]
}
uses_pkg_config() {
  export PKG_CONFIG_PATH=$libdir/pkgconfig
  # shellcheck disable=SC2046
  gcc -o "$scratch/use_pc" "$scratch/use.c" $(pkg-config --cflags --libs e2b) &&
    [ "$(LD_LIBRARY_PATH=$libdir "$scratch/use_pc")" = "$version" ]
}
if [ $released = yes ]; then
  check "the README's program against e2b-host" first_program
  check "500 sandboxes come and go, three times over" many_sandboxes
  if check "installs" quietly build/package.log cmake --install build/release; then
    libdir=$(dirname "$(find "$scratch/installed" -name libe2b.so -print -quit)")
    check "find_package(e2b), shared" uses_cmake_package e2b
    check "find_package(e2b), static" uses_cmake_package e2b_static
    check "pkg-config" uses_pkg_config
  fi
fi

# ---- what an operation costs ----

if [ $released = yes ]; then
  say "instructions and allocations of an operation, against the bare parts"
  if command -v valgrind >/dev/null || { has_apt && apt_install build/install.log valgrind; }; then
    guard() { python3 tests/guard/guard.py build/release "$1" | sed 's/^/   /'; }
    for case in $(python3 tests/guard/guard.py --names); do
      check "the cost of $case" guard "$case"
    done
  else
    note "skipped: the guard of costs (valgrind cannot be installed)"
  fi
fi

# ---- by request ----

if [ "$tidy" = yes ]; then
  say "clang-tidy"
  run_tidy() {
    cmake -S . -B build/clang -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null &&
      find lib examples -name '*.c' -print0 |
      xargs -0 -n 4 -P "$jobs" clang-tidy -p build/clang --quiet
  }
  check "clang-tidy" quietly build/tidy.log run_tidy
fi

# ---- the sum ----

say "done in $((SECONDS / 60)) min $((SECONDS % 60)) s"
for name in ${skipped[@]+"${skipped[@]}"}; do note "SKIPPED: $name"; done
for failure in ${failures[@]+"${failures[@]}"}; do note "FAILED: $failure"; done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
