# SPDX-License-Identifier: MIT
"""Runs the README's curl lines against a server and compares what they print with what the README
says they print: readme.py README URL TOKEN. In the README "…" stands for anything."""

import re
import subprocess
import sys

readme, url, token = sys.argv[1:]
text = open(readme, encoding="utf-8").read()
block = re.search(r"<!-- curl -->\n```sh\n(.*?)```", text, re.S)
if block is None:
    sys.exit("the README has no curl lines")

# Each command is followed by the lines, behind "# ", that it prints.
MARK = "\x1e"
commands, expected = [], []
for line in block.group(1).splitlines():
    if line.rstrip() == "#" and commands:
        expected[-1].append("")
    elif line.startswith("# ") and commands:
        expected[-1].append(line[2:])
    elif line.strip():
        commands.append(line)
        expected.append([])

script = f"URL={url}/api/compute TOKEN={token}\n"
for command in commands:
    if command.startswith(("URL=", "TOKEN=")):
        command = ":"
    script += f"{command}\nprintf '\\n{MARK}'\n"
run = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
outputs = [o.strip("\n") for o in run.stdout.split(MARK)]

failed = 0
for command, wanted, output in zip(commands, expected, outputs):
    if not wanted:
        continue
    pattern = ".*".join(re.escape(part) for part in "\n".join(wanted).split("…"))
    if re.fullmatch(pattern, output, re.S) is None:
        failed += 1
        print(f"{command}\n  printed  {output}\n  not      {chr(10).join(wanted)}", file=sys.stderr)
if run.returncode != 0 or run.stderr.strip():
    failed += 1
    print(run.stderr, file=sys.stderr)
sys.exit(failed != 0)
