#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what an operation costs: instructions and allocations, ours and the bare parts', with
callgrind, which is repeatable where a clock is not. Fails when ours takes more than its bound.

    tests/guard/guard.py BUILD [CASE...]       BUILD has bench/ built with optimisation

The programs are the benchmark's, one operation after the other, against its canned daemon in a
process of its own. Only what lies between their warm-up and their end is counted.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# All memory of the library comes through these two of lib/base/alloc.c.
ALLOCATORS = {"libc_malloc", "libc_realloc"}


@dataclass(frozen=True)
class Case:
    name: str
    program: str  # bench/cases/PROGRAM and bench/floor/PROGRAM
    arguments: dict
    operations: int
    instructions: float  # ours divided by the floor's, at most
    allocations: int  # of the library itself, for each operation, at most
    metadata: int = 0  # bytes of it in what get_info answers, beside what is there


CASES = [
    Case("get_info", "get_info", {}, 400, 1.32, 3),
    Case("run_command", "run_command", {}, 400, 1.22, 8),
    # Much to read: here a copy more of it shows, 60,000 bytes of an answer, 256 KB of output.
    Case("get_info_large", "get_info", {}, 40, 7.7, 7, metadata=60000),
    Case("run_command_output", "run_command", {"output": 32768}, 40, 1.09, 19),
    # Of a key's way the floor keeps nothing for a reconnect, and has one owner of it all.
    Case("terminal_echo", "terminal_echo", {}, 2000, 1.52, 0),
    # Frames of 32 KB; ours acknowledges each of them, the floor every second one.
    Case("terminal_flood", "terminal_flood", {"total": 16 << 20}, 512, 1.58, 0),
]


def count(command, environment, operations):
    """Instructions and allocations of one operation."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no",
             "--compress-pos=no", "--zero-before=bench_start", "--dump-before=bench_finish",
             *command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=300)
        dump = Path(f"{out}.1")
        if done.returncode != 0 or not dump.exists():
            raise SystemExit(f"{' '.join(command)}:\n{done.stdout}")
        instructions = allocations = 0
        inside = False
        with open(dump) as lines:
            for line in lines:
                if line.startswith("fn="):
                    inside = line[3:].strip() in ALLOCATORS
                elif inside and line.startswith("calls="):
                    allocations += int(line[6:].split()[0])
                elif line.startswith(("summary:", "totals:")):
                    instructions = max(instructions, int(line.split()[1]))
    return instructions / operations, allocations / operations


def check(case, build, environment):
    arguments = {"in_flight": 1, "at_once": 1, "warm_up": 50, "count": case.operations}
    arguments |= case.arguments
    found = {}
    for who, folder in (("floor", "floor"), ("ours", "cases")):
        command = [f"{build}/bench/{folder}/{case.program}"]
        command += [f"{name}={value}" for name, value in arguments.items()]
        found[who] = count(command, environment, case.operations)
    ratio = found["ours"][0] / found["floor"][0]
    allocations = round(found["ours"][1], 2)
    ok = ratio <= case.instructions and allocations <= case.allocations
    print(f"{case.name:20} instructions {found['ours'][0]:,.0f}, floor {found['floor'][0]:,.0f}: "
          f"x{ratio:.3f} (at most {case.instructions}); allocations of the library {allocations} "
          f"(at most {case.allocations}): {'ok' if ok else 'PAST ITS BOUND'}", flush=True)
    return ok


def start_daemon(build, metadata, scratch):
    """The canned daemon and its URL."""
    servers = ROOT / "bench" / "servers"
    info = json.loads((servers / "info.json").read_text())
    info["metadata"]["purpose"] += "x" * metadata
    path = Path(scratch) / f"info-{metadata}.json"
    path.write_text(json.dumps(info))
    daemon = subprocess.Popen([f"{build}/bench/daemon", servers / "created.json", path],
                              stdout=subprocess.PIPE, text=True)
    return daemon, f"http://127.0.0.1:{int(daemon.stdout.readline())}"


def main():
    build, wanted = sys.argv[1], sys.argv[2:]
    ok = True
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            daemon, url = start_daemon(build, case.metadata, scratch)
            environment = {k: v for k, v in os.environ.items() if not k.startswith("E2B_")}
            environment |= {"E2B_API_URL": url, "E2B_SANDBOX_URL": url,
                            "E2B_API_KEY": "e2b_0123456789abcdef0123456789abcdef01234567"}
            try:
                ok = check(case, build, environment) and ok
            finally:
                daemon.terminate()
                daemon.wait()
    return ok


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
