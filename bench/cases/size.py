# SPDX-License-Identifier: MIT
"""The stripped shared library, without the agent's program that lies in it."""

import subprocess
import tempfile
from pathlib import Path

from driver.case import Case, Metric

ORDER = 7
LIMIT_KB = 400


def agent_bytes(build):
    symbols = subprocess.run(["nm", "-S", f"{build}/libe2b.so"], check=True, capture_output=True,
                             text=True).stdout
    sizes = [line.split()[1] for line in symbols.splitlines() if line.endswith(" e2b__agent_image")]
    return sum(int(size, 16) for size in sizes)


def measure(context, case):
    with tempfile.TemporaryDirectory() as scratch:
        stripped = Path(scratch) / "libe2b.so"
        subprocess.run(["strip", "-o", stripped, f"{context.build}/libe2b.so"], check=True)
        kb = (stripped.stat().st_size - agent_bytes(context.build)) / 1024
    ok = kb <= LIMIT_KB
    yield {"case": case.name, "variant": "", "errors": {}, "show": case.show.name,
           "unit": case.show.unit, "figures": {case.show.name: {"ours": {"median": kb}}},
           "targets": [], "ratios": {}, "ok": ok,
           "line": f"{case.name:34} | {kb:.0f} KB | {'ok' if ok else 'MISSED'}, wanted <= {LIMIT_KB}"}


CASES = [Case(name="size", program="", server="", show=Metric("size", "KB", None), measure=measure)]
