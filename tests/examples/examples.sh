# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The examples of terminals, against what they are for: a sandbox, a Jupyter server, a ttyd, and a
# terminal to sit at (tmux). tests/run.sh reads this. scripts/foreign-servers.sh has put the servers
# into build/foreign; what is not there is skipped, and said so.

jupyter_pid='' jupyter_url='' ttyd_pid='' ttyd_url=''
# What a script starts in the background ignores Ctrl-C, and so would all that runs in its terminals.
heeding=(env --default-signal=INT,QUIT)
sandbox_python=$root/build/python

# Starts a Jupyter server; its address is $jupyter_url then, and its token in the environment.
jupyter_up() {
  local log=build/jupyter.log home=$scratch/jupyter
  mkdir -p "$home"
  E2B_TEST_JUPYTER_TOKEN=$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
  export E2B_TEST_JUPYTER_TOKEN
  HOME=$home JUPYTER_CONFIG_DIR=$home JUPYTER_DATA_DIR=$home JUPYTER_RUNTIME_DIR=$home \
    JUPYTER_TOKEN=$E2B_TEST_JUPYTER_TOKEN PATH=$sandbox_python/bin:$PATH \
    "${heeding[@]}" build/foreign/jupyter/bin/python -m jupyter_server --ip 127.0.0.1 --port 0 --no-browser \
    --allow-root --ServerApp.root_dir="$home" >"$log" 2>&1 &
  jupyter_pid=$!
  address_in jupyter_url "$log" $jupyter_pid
}

# A ttyd chooses the program, so it is given Python.
ttyd_up() {
  local log=build/ttyd.log
  TTYD_CREDENTIAL=somebody:$(od -An -tx1 -N16 /dev/urandom | tr -d ' \n')
  "${heeding[@]}" build/foreign/usr/bin/ttyd -W -i 127.0.0.1 -p 0 -c "$TTYD_CREDENTIAL" \
    "$sandbox_python/bin/python3" >"$log" 2>&1 &
  ttyd_pid=$!
  address_in ttyd_url "$log" $ttyd_pid
}

# address_in VARIABLE LOG PID: waits for the server's port in its log.
address_in() {
  local port
  for _ in $(seq 300); do
    port=$(sed -nE 's/.*(http:\/\/127\.0\.0\.1:|Listening on port: )([0-9]+).*/\2/p' "$2" | head -n 1)
    if [ -n "$port" ]; then
      printf -v "$1" 'http://127.0.0.1:%s' "$port"
      return 0
    fi
    kill -0 "$3" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$2" | sed 's/^/   | /'
  return 1
}

foreign_down() {
  local pid
  for pid in $jupyter_pid $ttyd_pid; do
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  jupyter_pid='' ttyd_pid=''
}

talks_to_python() { # TRANSPORT[=URL]
  local log=build/terminal-${1%%=*}.log
  if "${alone[@]}" JUPYTER_TOKEN="${E2B_TEST_JUPYTER_TOKEN:-}" TTYD_CREDENTIAL="${TTYD_CREDENTIAL:-}" \
    timeout 180 build/asan/examples/terminal "$1" >"$log" 2>&1 &&
    grep -q '^Libraries loaded!' "$log" && grep -q '^Mean: 3\.0' "$log"; then
    return 0
  fi
  tail -n 40 "$log" | sed 's/^/   | /'
  return 1
}

at_the_shell() {
  local log=build/shell.log good
  host_up asan || return 1
  "${alone[@]}" NO_PROXY='*' no_proxy='*' E2B_API_URL="$url" E2B_SANDBOX_URL="$url" E2B_API_KEY=$key \
    E2B_TEST_SHELL="$root/build/asan/examples/shell" \
    timeout 300 /usr/bin/python3 -B -m unittest discover -v -s tests/examples >"$log" 2>&1
  local status=$?
  host_down
  sed -nE 's/^(test_[a-z0-9_]+) .* \.\.\. (.*)/   \2 \1/p' "$log" | tr _ ' '
  if [ $status -ne 0 ]; then
    tail -n 80 "$log" | sed 's/^/   | /'
    return 1
  fi
  good=$(sed -nE 's/^Ran ([0-9]+) tests.*/\1/p' "$log")
  passed=$((passed + ${good:-1} - 1))
}

run_terminal_examples() {
  check "example terminal over agent" talks_to_python agent
  check "example terminal over envd" talks_to_python envd
  if [ -n "$jupyter_url" ]; then
    check "example terminal over jupyter" talks_to_python "jupyter=$jupyter_url"
  else
    skip "example terminal over jupyter: there is no Jupyter server"
  fi
  if [ ! -x build/foreign/usr/bin/ttyd ]; then
    skip "example terminal over ttyd: there is no ttyd"
  elif check "ttyd starts" ttyd_up; then
    check "example terminal over ttyd" talks_to_python "ttyd=$ttyd_url"
  fi
  check "example terminals under the sanitizers" run_example terminals
  if [ -n "$isolation" ]; then
    skip "example shell inside tmux: it needs sandboxes with a root of their own"
  else
    check "example shell inside tmux" at_the_shell
  fi
}
