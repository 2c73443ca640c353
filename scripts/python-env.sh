#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prepares the Python environment of the template code-interpreter-v1: the machine's /usr/bin/python3
# with numpy, pandas, matplotlib, scikit-learn, joblib and IPython. The host shows the directory inside
# sandboxes as /opt/e2b/python, so nothing in it may name the place where it was made.
#
#     scripts/python-env.sh DIR
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$root/scripts/lib.sh"

[ $# -eq 1 ] || die "usage: scripts/python-env.sh DIR"
dir=$(realpath -m "$1")
python=/usr/bin/python3
inside=/opt/e2b/python
wanted=("numpy>=1.24" "pandas>=1.5" "matplotlib>=3.6" "scikit-learn>=1.2" "joblib>=1.2" "ipython>=8.5")
debian=(python3-numpy python3-pandas python3-matplotlib python3-sklearn python3-joblib python3-ipython)
modules="numpy, pandas, matplotlib.pyplot, sklearn.linear_model, joblib, IPython.core.interactiveshell"
# Reads the data of a figure for the interpreter's `chart`; without it results have none.
charts="e2b-charts"

say "the sandboxes' Python environment, in $dir"
# What only this user has is not there in a sandbox.
export PYTHONNOUSERSITE=1
unset PYTHONPATH PYTHONHOME

stamp="$("$python" --version) ${wanted[*]} $charts"
if [ "$(cat "$dir/.ready" 2>/dev/null)" = "$stamp" ]; then
  note "is there"
  exit 0
fi
if [ -e "$dir" ] && [ ! -e "$dir/pyvenv.cfg" ] && [ -n "$(ls -A "$dir")" ]; then
  die "$dir exists and is no Python environment"
fi

complete() { "$dir/bin/python3" -c "import $modules"; }

by_pip() {
  quietly "$dir.log" "$dir/bin/python3" -m pip install --only-binary=:all: --retries 2 \
    --disable-pip-version-check "$@"
}

by_apt() {
  note "pip could not; trying the system's packages"
  has_apt && apt_install "$dir.log" "${debian[@]}"
}

# Debian's matplotlib keeps a part of itself in /etc, which sandboxes do not have.
keep_matplotlibrc() {
  local packages
  packages=$(echo "$dir"/lib/python3*/site-packages)
  if [ -e "$packages/matplotlib" ] || [ ! -e /etc/matplotlibrc ]; then return; fi
  mkdir -p "$dir/etc"
  cp /etc/matplotlibrc "$dir/etc/"
  printf 'import os, sys; os.environ.setdefault("MATPLOTLIBRC", sys.prefix + "%s")\n' \
    /etc/matplotlibrc >"$packages/matplotlibrc.pth"
}

rm -rf "$dir"
"$python" -m venv --system-site-packages "$dir"
note "pip installs ${wanted[*]} (some 150 MB to fetch)"
by_pip "${wanted[@]}" || by_apt || die "no way to get ${wanted[*]}"
by_pip "$charts" || note "without $charts: results have no charts"
keep_matplotlibrc
complete || die "the environment does not work; what was said is in $dir.log"

# Programs of the environment find their interpreter beside themselves, wherever that is.
for file in "$dir"/bin/*; do
  [ -f "$file" ] && [ ! -L "$file" ] || continue
  if head -n 1 "$file" | grep -q "^#!.*python"; then
    {
      printf '%s\n' '#!/bin/sh' \
        "'''exec' \"\$(dirname -- \"\$(realpath -- \"\$0\")\")/python3\" \"\$0\" \"\$@\"" "' '''"
      tail -n +2 "$file"
    } >"$file.new"
    chmod 755 "$file.new"
    mv "$file.new" "$file"
  else
    sed -i "s|$dir|$inside|g" "$file"
  fi
done
printf '%s\n' "$stamp" >"$dir/.ready.new"
mv "$dir/.ready.new" "$dir/.ready"
note "ready"
