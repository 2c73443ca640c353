# SPDX-License-Identifier: MIT
"""The cost of an operation must not rise with how many are under way."""

from driver import programs
from driver.case import CPU, Case

ORDER = 9
SIZES = (10, 100, 1000, 10000)
AT_MOST = 1.25
TIMEOUT_S = 60


def get_info(size, quick):
    return {"in_flight": size, "count": max(5000 if quick else 20000, 3 * size),
            "warm_up": max(2000, size)}


def streams(size, quick):
    """Of few streams, for longer: an event a second each."""
    if quick:
        return {"streams": size, "seconds": 2, "settle_ms": 500}
    return {"streams": size, "seconds": 10 if size < 1000 else 5}


def measure(context, case):
    sizes = SIZES[:3] if context.quick else SIZES
    for program, server, arguments in (("get_info", "api", get_info),
                                       ("streams", "daemon", streams)):
        runs = {size: [] for size in sizes}
        errors = {}
        for _ in range(1 if context.quick else 3):
            for size in sizes:
                result = context.run("ours", program, server, arguments(size, context.quick),
                                     TIMEOUT_S)
                if "error" in result:
                    errors["ours"] = f"{size:,}: {result['error']}"
                else:
                    runs[size].append(CPU.of(result))
        yield row(case, program, {size: programs.median(found) for size, found in runs.items()},
                  errors)


def row(case, program, medians, errors):
    known = [m for m in medians.values() if m is not None]
    last = list(medians.values())[-1]
    growth = last / min(known) if len(known) == len(medians) else None
    ok = growth is not None and growth <= AT_MOST
    text = ", ".join(f"{size:,}: {'-' if m is None else format(m, '.1f')}"
                     for size, m in medians.items())
    shown = "-" if growth is None else format(growth, ".2f")
    verdict = "ok" if ok else f"MISSED, wanted <= {AT_MOST} {errors.get('ours', '')}"
    return {"case": case.name, "variant": program, "errors": errors, "show": "CPU", "unit": "us",
            "figures": {"CPU": {}}, "ratios": {}, "ok": ok,
            "targets": [{"metric": "CPU, the most against the fewest", "unit": "", "against": None,
                         "bound": f"<= {AT_MOST}", "value": growth, "holds": ok}],
            "by_size": {str(size): m for size, m in medians.items()},
            "line": f"{case.name + ' [' + program + ']':34} | CPU us with {text} | x{shown} | "
                    f"{verdict}"}


CASES = [Case(name="growth", program="", server="", show=CPU, measure=measure)]
