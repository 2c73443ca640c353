# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The web example as people meet it: its page in a real browser, and the README's curl lines.
# tests/run.sh reads this and calls run_web. The browser is Debian's Chromium; what drives it comes
# from npm, to build/web. Without them the tests are skipped, and said so.

web=$root/build/web
web_pid=''

have_page() {
  [ ! -e "$web/node_modules/@xterm/xterm/lib/xterm.js" ] || return 0
  command -v npm >/dev/null || { has_apt && apt_install build/install.log npm; } || return
  mkdir -p "$web"
  npm_install "$web" @xterm/xterm@6.0.0 @xterm/addon-fit@0.11.0
}

have_browser() {
  command -v chromium >/dev/null || { has_apt && apt_install build/install.log chromium; } || return
  [ -e "$web/node_modules/puppeteer-core" ] || npm_install "$web" puppeteer-core@24.43.1
}

# Starts the example of build/$1; its address is $web_url then.
web_token=0123456789abcdef
web_up() {
  "${alone[@]}" E2B_WEB_LISTEN=127.0.0.1:0 E2B_WEB_TOKEN=$web_token \
    "build/$1/examples/web" examples/web/page "$web/node_modules/@xterm" \
    >"$scratch/web.url" 2>"$web/server.log" &
  web_pid=$!
  for _ in $(seq 200); do
    web_url=$(sed -n 's/#token=.*//p' "$scratch/web.url")
    web_url=${web_url%/}
    [ -z "$web_url" ] || return 0
    kill -0 $web_pid 2>/dev/null || break
    sleep 0.1
  done
  sed 's/^/   | /' "$web/server.log"
  return 1
}

# Ctrl-C ends it, and nothing may be left: under the sanitizers that is looked at.
web_down() {
  local status=0
  kill -INT "$web_pid"
  wait "$web_pid" || status=$?
  web_pid=''
  [ "$status" -eq 130 ] && return
  note "the server ended with status $status"
  sed 's/^/   | /' "$web/server.log"
  return 1
}

browse() {
  cp tests/web/browser.test.mjs "$web/"
  rm -rf "$web/shots"
  E2B_WEB_URL=$web_url E2B_WEB_TOKEN=$web_token E2B_WEB_OUT=$web/shots \
    E2B_WEB_BROWSER=$(command -v chromium) HOME=$scratch timeout 600 "$node" --test \
    --test-reporter=tap "$web/browser.test.mjs" >"$web/browser.log" 2>&1
  local status=$? good bad
  good=$(sed -n 's/^# pass //p' "$web/browser.log")
  bad=$(sed -n 's/^# fail //p' "$web/browser.log")
  sed -n 's/^\(not \)\{0,1\}ok [0-9]* - /   \1/p' "$web/browser.log"
  if [ $status -ne 0 ] || [ "${bad:-1}" -ne 0 ] || [ "${good:-0}" -eq 0 ]; then
    tail -n 60 "$web/browser.log" | sed 's/^/   | /'
    return 1
  fi
  passed=$((passed + good - 1))
}

run_web() {
  if ! have_page; then
    skip "the web example: xterm.js cannot be installed"
    return
  fi
  if ! check "the web example starts" web_up asan; then return; fi
  check "the README's curl lines" /usr/bin/python3 tests/web/readme.py README.md "$web_url" $web_token
  if have_browser; then
    check "the page in a browser" browse
  else
    skip "the page in a browser: Chromium or puppeteer-core cannot be installed"
  fi
  check "the web example ends and leaves nothing" web_down
}
