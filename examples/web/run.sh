#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing, builds into build/, starts the web example and prints its URL. Without
# E2B_API_KEY in the environment its sandboxes run on this machine.
#
#     examples/web/run.sh          E2B_WEB_LISTEN=127.0.0.1:8080 E2B_WEB_TOKEN=...
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. scripts/lib.sh

bash scripts/install-deps.sh
if ! command -v npm >/dev/null; then
  has_apt || die "npm is missing"
  apt_install build/install.log npm || die "installing npm failed"
fi
if [ ! -e build/web/node_modules/@xterm/xterm/lib/xterm.js ]; then
  note "installing xterm.js"
  mkdir -p build/web
  quietly build/web.log npm install --prefix build/web --no-audit --no-fund --no-package-lock \
    @xterm/xterm@6.0.0 @xterm/addon-fit@0.11.0 || die "installing xterm.js failed"
fi

say "building into build/"
choose_generator
quietly build/build.log cmake -S . -B build -DE2B_BUILD_EXAMPLES=ON -DE2B_BUILD_HOST=ON \
  -DE2B_BUILD_WEB=ON || die "configuring failed"
quietly build/build.log cmake --build build --parallel "$(nproc)" || die "building failed"
note "built"

if [ -z "${E2B_API_KEY:-}${E2B_API_URL:-}" ]; then
  bash scripts/python-env.sh build/python
  export E2B_HOST_PYTHON=${E2B_HOST_PYTHON:-$root/build/python}
fi

say "open this in a browser; Ctrl-C ends it"
exec build/examples/web examples/web/page build/web/node_modules/@xterm
