# SPDX-License-Identifier: MIT
"""The cost of an operation must not rise with how many are under way."""

from driver import programs
from driver.case import CPU, Case

ORDER = 9
SIZES = (10, 100, 1000, 10000)
AT_MOST = 1.25


def measure(context, case):
    for program, server, of in (("get_info", "api", get_info), ("streams", "daemon", streams)):
        sizes = SIZES[:3] if context.quick else SIZES
        runs = {size: [] for size in sizes}
        for _ in range(2 if context.quick else 3):
            for size in sizes:
                result = context.run("ours", program, server, of(size), 180)
                if "error" not in result:
                    runs[size].append(CPU.of(result))
        medians = {size: programs.median(found) for size, found in runs.items()}
        known = [m for m in medians.values() if m is not None]
        growth = medians[sizes[-1]] / min(known) if len(known) == len(sizes) else None
        ok = growth is not None and growth <= AT_MOST
        text = ", ".join(f"{size:,}: {'-' if m is None else format(m, '.1f')}"
                         for size, m in medians.items())
        shown = "-" if growth is None else format(growth, ".2f")
        yield {"case": case.name, "variant": program, "errors": {}, "show": "CPU", "unit": "us",
               "figures": {"CPU": {}}, "ratios": {}, "targets": [],
               "sizes": {str(size): m for size, m in medians.items()}, "ok": ok,
               "line": f"{case.name + ' [' + program + ']':34} | CPU us at {text} | growth x{shown} | "
                       f"{'ok' if ok else f'MISSED, wanted <= {AT_MOST}'}"}


def get_info(size):
    return {"in_flight": size, "count": max(20000, 3 * size), "warm_up": max(2000, size)}


def streams(size):
    return {"streams": size, "seconds": 10 if size < 1000 else 5}


CASES = [Case(name="growth", program="", server="", show=CPU, measure=measure)]
