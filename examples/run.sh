#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds into build/, and runs the examples one after the other. Without
# E2B_API_KEY in the environment they run on this machine, in the local sandbox host; with it, in
# E2B's cloud, or at the server that E2B_API_URL names.
#
#     examples/run.sh [EXAMPLE...]         default: all but `first` and `shell`
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
. scripts/lib.sh

about() {
  case $1 in
  first) echo "the program in the README" ;;
  quickstart) echo "a sandbox from create to destroy: Python, Node.js, a command, files" ;;
  data_science) echo "a file goes in, Python makes statistics and a chart, results come back" ;;
  machine_learning) echo "a model is trained in the sandbox; output is shown while it comes" ;;
  fan_out) echo "200 pieces of code over 20 sandboxes, from one thread" ;;
  service) echo "20 sandboxes that sleep until they are wanted; Ctrl-C leaves none behind" ;;
  embed) echo "an application's own loop: a TCP server that runs what it is sent" ;;
  terminal) echo "an interactive Python session on a pseudo-terminal" ;;
  shell) echo "your own terminal at a shell in a sandbox; ~. leaves" ;;
  terminals) echo "1,000 terminals at once, from one thread" ;;
  *) die "there is no example called $1" ;;
  esac
}

examples=("$@")
[ $# -gt 0 ] || examples=(quickstart data_science machine_learning fan_out service embed terminal terminals)
for example in "${examples[@]}"; do about "$example" >/dev/null; done

bash scripts/install-deps.sh

say "building into build/"
choose_generator
quietly build/build.log cmake -S . -B build -DE2B_BUILD_EXAMPLES=ON -DE2B_BUILD_HOST=ON || die "configuring failed"
quietly build/build.log cmake --build build --parallel "$(nproc)" || die "building failed"
note "built"

if [ -n "${E2B_API_KEY:-}${E2B_API_URL:-}" ]; then
  say "the server is ${E2B_API_URL:-the cloud of ${E2B_DOMAIN:-e2b.app}}"
else
  bash scripts/python-env.sh build/python
  export E2B_HOST_PYTHON=${E2B_HOST_PYTHON:-$root/build/python}
fi

failed=()
for example in "${examples[@]}"; do
  say "$example: $(about "$example")"
  status=0
  "build/examples/$example" || status=$?
  [ "$status" -ne 130 ] || exit 130
  [ "$status" -eq 0 ] || failed+=("$example (status $status)")
done

if [ ${#failed[@]} -gt 0 ]; then
  say "failed: ${failed[*]}"
  exit 1
fi
say "all of it worked; the sources are in examples/"
