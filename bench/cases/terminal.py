# SPDX-License-Identifier: MIT
from driver.case import CPU, P50, P99, PAYLOAD, STREAM_MEMORY, Case, Target

ORDER = 5.5
KEYS = 100000
# terminals: keys a second of all of them together, when paced
RATES = {1: 200, 100: 1000, 1000: 2000, 5000: 5000}


def echo(terminals, label, arguments, quick):
    targets = [Target(CPU, "floor", at_most=1.25), Target(P50, "floor", at_most=1.15),
               Target(CPU, "ws", at_most=1.0), Target(CPU, "go", at_most=1.0)]
    if terminals >= 1000:
        targets += [Target(STREAM_MEMORY, "floor", at_most=1.5),
                    Target(STREAM_MEMORY, "ws", at_most=1.0),
                    Target(STREAM_MEMORY, "go", at_most=1.0)]
    return Case(
        name="terminal_echo", program="terminal_echo", server="daemon", show=CPU,
        also=(P50, P99, STREAM_MEMORY), peers=("ws", "go"), targets=targets,
        variants={label: {"terminals": terminals} | arguments}, quick={"count": quick})


CASES = []
for size, rate in RATES.items():
    CASES += [echo(size, f"{size:,}", {"count": KEYS, "warm_up": max(size, 2000)}, KEYS // 4),
              echo(size, f"{size:,}, paced", {"rate": rate, "count": 4 * rate}, rate)]
CASES.append(
    Case(name="terminal_flood", program="terminal_flood", server="daemon", show=PAYLOAD,
         arguments={"total": 1 << 31}, quick={"total": 1 << 29}, peers=("ws", "go"),
         targets=[Target(PAYLOAD, "floor", at_least=0.6)]))
