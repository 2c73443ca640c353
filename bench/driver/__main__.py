# SPDX-License-Identifier: MIT
"""Runs the cases: python3 -m driver BUILD PEERS [--quick] [--only NAME] [--no-peers]"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import picture, programs, report
from .servers import Servers

BENCH = Path(__file__).resolve().parent.parent


def load_cases():
    """CASES of every cases/*.py, in the order that ORDER gives them."""
    found = []
    for path in sorted((BENCH / "cases").glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"cases_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append((getattr(module, "ORDER", 99), path.stem, module.CASES))
    return [case for _, _, cases in sorted(found, key=lambda f: f[:2]) for case in cases]


def find_peers(folder):
    """Those that run.sh could install."""
    folder = Path(folder)
    newer = folder / "node"
    node = str(newer) if newer.exists() else "node"
    commands = {
        "js": [node, str(folder / "js" / "bench.mjs")],
        "py": [str(folder / "py" / "bin" / "python"), str(BENCH / "peers" / "py" / "bench.py")],
        "rust": [str(folder / "rust" / "target" / "release" / "bench-peer")],
        "ws": [node, str(folder / "ws" / "bench.mjs")],
        "go": [str(folder / "go" / "bench-peer")],
    }
    there = {"js": folder / "js" / "node_modules" / "e2b", "py": folder / "py" / "ready",
             "rust": folder / "rust" / "target" / "release" / "bench-peer",
             "ws": folder / "ws" / "node_modules" / "ws", "go": folder / "go" / "bench-peer"}
    return {name: command for name, command in commands.items() if there[name].exists()}


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh")
    parser.add_argument("build")
    parser.add_argument("peers")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--only", metavar="NAME", help="one case")
    parser.add_argument("--no-peers", action="store_true", help="the floor only")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers go with us
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cases = load_cases()
    if options.only is not None:
        cases = [case for case in cases if case.name == options.only]
        if not cases:
            raise SystemExit(f"no such case; there are: {' '.join(c.name for c in load_cases())}")
    rows = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        servers = Servers(scratch, options.build)
        try:
            context = programs.Context(options.build,
                                       {} if options.no_peers else find_peers(options.peers),
                                       servers, options.quick)
            for case in cases:
                for row in run_case(context, case):
                    rows.append(row)
                    if options.only is None:
                        save(rows, options.quick)
        finally:
            servers.stop()
    missed = sum(not row["ok"] for row in rows)
    took_s = time.monotonic() - began
    print(f"{len(rows) - missed} ok, {missed} MISSED, "
          f"in {took_s // 60:.0f} min {took_s % 60:.0f} s")


def save(rows, quick):
    """After every line: a run that is stopped has not been for nothing."""
    date = datetime.date.today().isoformat()
    results = {"machine": machine(), "date": date, "quick": quick, "rows": rows}
    (BENCH / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (BENCH / "results.svg").write_text(picture.draw(rows, machine(), date, quick))


def run_case(context, case):
    """The rows of a case, each printed when it is there. One that cannot be run has missed; the
    next one runs."""
    variants = [(None, None)] if case.measure is not None else case.variants.items()
    for label, arguments in variants:
        began = time.monotonic()
        try:
            rows = list(measured(context, case, label, arguments))
        except Exception as why:  # whatever it is, the others shall have their lines
            rows = [report.broken(case, label or "", f"{type(why).__name__}: {why}")]
        for row in rows:
            row["took_s"] = round((time.monotonic() - began) / len(rows), 1)
            print(row.pop("line"), flush=True)
            yield row


def measured(context, case, label, arguments):
    if case.measure is not None:
        yield from case.measure(context, case)
        return
    runs, errors = programs.in_turn(context, case, arguments)
    given = {who: programs.arguments_of(context, case, who, arguments) for who in runs}
    row = report.judge(case, label, runs, errors, given)
    yield row | {"line": report.line(case, row)}


if __name__ == "__main__":
    sys.exit(main())
