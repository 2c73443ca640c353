#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts what an operation costs: instructions and allocations, ours and the bare parts', with
callgrind, which is repeatable where a clock is not; and the memory of an idle stream. Fails when
ours takes more than its bound.

    tests/guard/guard.py BUILD [CASE...]       BUILD has bench/ built with optimisation
    tests/guard/guard.py --names               of the cases

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
    operations: int  # 0: as many as the program says it did
    instructions: float  # ours divided by the floor's, at most
    allocations: int  # of the library itself, for each operation, at most
    metadata: int = 0  # bytes of it in what get_info answers, beside what is there
    memory: float = 0  # of an idle stream, ours divided by the floor's, at most; 0: not looked at


CASES = [
    Case("get_info", "get_info", {}, 400, 1.26, 2),
    Case("run_command", "run_command", {}, 400, 1.2, 8),
    # Much to read: here a copy more of it shows, 60,000 bytes of an answer, 256 KB of output. An
    # answer comes in as many reads as it comes in: the floor takes 57,700 to 61,600 instructions.
    Case("get_info_large", "get_info", {}, 40, 5.7, 7, metadata=60000),
    Case("run_command_output", "run_command", {"output": 32768}, 40, 1.07, 19),
    # Events of streams, one a second each. The first 250 have large buffers, which shows in 900.
    Case("streams", "streams", {"streams": 200, "seconds": 4}, 0, 1.07, 0, memory=1.18),
    # Of a key's way the floor keeps nothing for a reconnect, and has one owner of it all.
    Case("terminal_echo", "terminal_echo", {}, 2000, 1.5, 0),
    # Frames of 32 KB; ours acknowledges each of them, the floor every second one.
    Case("terminal_flood", "terminal_flood", {"total": 16 << 20}, 512, 1.58, 0),
]


def result_of(output):
    """The line of JSON that a program prints."""
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


def stream_bytes(command, environment):
    """Resident memory of an idle stream, of as many as fit into the usual 1,024 descriptors."""
    done = subprocess.run([*command, "streams=900", "seconds=1"], env=environment, check=True,
                          stdout=subprocess.PIPE, text=True, timeout=300)
    return result_of(done.stdout)["stream_bytes"]


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
        if operations == 0:
            operations = result_of(done.stdout)["operations"]
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
    found, memory = {}, {}
    for who, folder in (("floor", "floor"), ("ours", "cases")):
        command = [f"{build}/bench/{folder}/{case.program}"]
        if case.memory:
            memory[who] = stream_bytes(command, environment)
        command += [f"{name}={value}" for name, value in arguments.items()]
        found[who] = count(command, environment, case.operations)
    ratio = found["ours"][0] / found["floor"][0]
    allocations = round(found["ours"][1], 2)
    ok = ratio <= case.instructions and allocations <= case.allocations
    print(f"{case.name:20} instructions {found['ours'][0]:,.0f}, floor {found['floor'][0]:,.0f}: "
          f"x{ratio:.3f} (at most {case.instructions}); allocations of the library {allocations} "
          f"(at most {case.allocations}): {'ok' if ok else 'PAST ITS BOUND'}", flush=True)
    if case.memory:
        ratio = memory["ours"] / memory["floor"]
        print(f"{case.name:20} bytes a stream {memory['ours']:,.0f}, floor {memory['floor']:,.0f}: "
              f"x{ratio:.3f} (at most {case.memory}): "
              f"{'ok' if ratio <= case.memory else 'PAST ITS BOUND'}", flush=True)
        ok = ok and ratio <= case.memory
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
    names = [case.name for case in CASES]
    if sys.argv[1:] == ["--names"]:
        print(*names)
        return True
    build, wanted = sys.argv[1], sys.argv[2:] or names
    if not set(wanted) <= set(names):
        raise SystemExit(f"no such case: {' '.join(sorted(set(wanted) - set(names)))}")
    ok = True
    for case in (case for case in CASES if case.name in wanted):
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
