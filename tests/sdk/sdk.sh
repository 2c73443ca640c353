# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The official SDKs, as they are published, against e2b-host. tests/run.sh reads this and calls
# run_sdks; the packages are kept in build/sdk. Without a registry to get them from, what needs them
# is skipped, and said so.

sdk=$root/build/sdk
node=node
# The SDK wants a newer Node.js than Debian 12 has; this is one as an npm package.
node_version=22.22.3

skip() {
  skipped+=("$1")
  note "SKIPPED: $1"
}

npm_install() { # DIRECTORY PACKAGE...
  quietly "$sdk/npm.log" npm install --prefix "$1" --no-audit --no-fund --no-package-lock \
    --no-update-notifier --fetch-retries 1 "${@:2}"
}

imports() { (cd "$sdk" && "$1" -e 'import("e2b").catch(() => process.exit(1))' >/dev/null 2>&1); }

have_javascript() {
  local arch
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) arch= ;; esac
  mkdir -p "$sdk/newer"
  if ! cmp -s tests/sdk/package.json "$sdk/ready.json"; then
    note "npm installs what tests/sdk/package.json names"
    rm -rf "$sdk/node_modules" "$sdk/ready.json"
    cp tests/sdk/package.json "$sdk/package.json"
    npm_install "$sdk" || return
    cp tests/sdk/package.json "$sdk/ready.json"
  fi
  rm -rf "$sdk/js"
  cp -R tests/sdk/js "$sdk/js"
  imports "$node" && return
  local old=$node
  node=$sdk/newer/node_modules/node-linux-$arch/bin/node
  if ! imports "$node"; then
    note "npm installs Node.js $node_version: $("$old" --version) is too old for the SDK"
    npm_install "$sdk/newer" "node-linux-$arch@$node_version" || return
  fi
  imports "$node"
}

have_python() {
  cmp -s tests/sdk/requirements.txt "$sdk/ready.txt" && return
  note "pip installs what tests/sdk/requirements.txt names"
  rm -rf "$sdk/python" "$sdk/ready.txt"
  quietly "$sdk/pip.log" /usr/bin/python3 -m venv "$sdk/python" &&
    quietly "$sdk/pip.log" "$sdk/python/bin/python" -m pip install --only-binary=:all: --retries 2 \
      --disable-pip-version-check -r tests/sdk/requirements.txt &&
    cp tests/sdk/requirements.txt "$sdk/ready.txt"
}

# Runs a test program with nothing of E2B in its environment but `point`.
point=()
run_sdk() { # LOG COMMAND...
  local log=$sdk/$1.log status=0
  "${alone[@]}" NO_PROXY='*' no_proxy='*' "${point[@]}" timeout 120 "${@:2}" >"$log" 2>&1 || status=$?
  grep -E '# SKIP|\.\.\. skipped' "$log" | sed 's/^/   | /'
  [ $status -eq 0 ] ||
    { grep -A 20 '^not ok' "$log" || tail -n 60 "$log"; } | head -n 80 | sed 's/^/   | /'
  return $status
}

run_javascript() { # PACKAGE NAME
  E2B_SDK=$1 run_sdk "$1-$2" "$node" --require "$sdk/js/localhost.cjs" --test --test-reporter=tap \
    "$sdk/js/$2.test.mjs"
}

run_python() { # NAME
  run_sdk "python-$1" "$sdk/python/bin/python" -B -m unittest discover -v -s tests/sdk/py \
    -p "test_$1.py"
}

version_of() { node -p 'require(process.argv[1]).version' "$sdk/node_modules/$1/package.json"; }

run_all() { # JAVASCRIPT-NAMES PYTHON-NAMES
  local package name
  if [ "$javascript" = yes ]; then
    for package in e2b e2b-older; do
      for name in $1; do
        # Its package brings the newer one.
        [ "$package $name" != "e2b-older interpreter" ] || continue
        check "JavaScript SDK $(version_of $package): $name" run_javascript $package "$name"
      done
    done
  fi
  if [ "$python" = yes ]; then
    for name in $2; do
      check "Python SDK $(sed -n 's/^e2b==//p' tests/sdk/requirements.txt): $name" run_python "$name"
    done
  fi
}

# The sanitizers have their say when it ends.
host_ends_well() {
  local status=0
  kill "$host_pid"
  wait "$host_pid" || status=$?
  host_pid=
  [ $status -eq 0 ] || tail -n 40 "$scratch/host.log" | sed 's/^/   | /'
  return $status
}

run_sdks() {
  local javascript=yes python=yes
  have_javascript || {
    javascript=no
    skip "the tests with the official JavaScript SDK: npm could not install it"
  }
  have_python || {
    python=no
    skip "the tests with the official Python SDK: pip could not install it"
  }
  [ $javascript$python != nono ] || return

  check "the host starts for the SDKs" host_up asan --python "$root/build/python" || return
  point=(E2B_API_URL="$url" E2B_SANDBOX_URL="$url" E2B_API_KEY=$key)
  run_all "sandboxes lifecycle commands pty files network git interpreter" \
    "sandboxes commands files async interpreter"
  check "the host that they used ends well" host_ends_well

  check "the host starts with TLS" host_up asan --tls --ca-dir "$scratch/ca" || return
  mapfile -t point < <(sed 1d "$scratch/url")
  run_all domain domain
  check "the host with TLS ends well" host_ends_well
}
