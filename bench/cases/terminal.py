# SPDX-License-Identifier: MIT
from driver.case import CPU, P50, P99, PAYLOAD, STREAM_MEMORY, Case, Target

ORDER = 5.5
KEYS = 100000
# The official SDK's terminals are real ones of e2b-host; only its own cost is looked at, and only at
# these sizes, because each is a bash.
JS = {1: {"count": 3000, "warm_up": 500}, 100: {"count": 5000, "warm_up": 1000}}
# terminals: keys a second of all of them together, when paced
RATES = {1: 200, 100: 1000, 1000: 2000, 5000: 5000}


def echo(terminals, label, arguments, quick):
    targets = [Target(CPU, "floor", at_most=1.25), Target(P50, "floor", at_most=1.15),
               Target(CPU, "ws", at_most=1.0), Target(CPU, "go", at_most=1.0)]
    if terminals >= 1000:
        targets += [Target(STREAM_MEMORY, "floor", at_most=1.5),
                    Target(STREAM_MEMORY, "ws", at_most=1.0),
                    Target(STREAM_MEMORY, "go", at_most=1.0)]
    js = terminals in JS and "rate" not in arguments
    if js:
        targets.append(Target(CPU, "js", at_most=1 / 20))
    return Case(
        name="terminal_echo", program="terminal_echo", server="daemon", show=CPU,
        also=(P50, P99, STREAM_MEMORY), peers=("ws", "go", "js") if js else ("ws", "go"),
        servers={"js": "host"}, peer_arguments={"js": JS.get(terminals, {})}, targets=targets,
        variants={label: {"terminals": terminals} | arguments}, quick={"count": quick},
        quick_rounds=1)


def keystroke(label, server, targets):
    return Case(
        name="terminal_keystroke", program="terminal_keystroke", server=server, show=P50,
        also=(P99, CPU), servers={"floor": "daemon", "js": "host"}, peers=("js",),
        variants={label: {"count": 20000, "warm_up": 500}}, quick={"count": 5000},
        peer_arguments={"js": {"count": 2000}}, targets=targets)


CASES = []
for size, rate in RATES.items():
    CASES += [echo(size, f"{size:,}", {"count": KEYS, "warm_up": max(size, 2000)}, KEYS // 5),
              echo(size, f"{size:,}, paced", {"rate": rate, "count": 2 * rate}, rate // 2)]
CASES += [
    Case(name="terminal_flood", program="terminal_flood", server="daemon", show=PAYLOAD,
         arguments={"total": 1 << 31}, quick={"total": 1 << 29}, peers=("ws", "go"),
         targets=[Target(PAYLOAD, "floor", at_least=0.6)]),
    # The same of a real one, where the server has more to do than the client.
    Case(name="terminal_flood_real", program="terminal_flood", server="host", show=PAYLOAD,
         arguments={"total": 1 << 28, "real": 1}, quick={"total": 1 << 25}, floor=False,
         peers=("js",), peer_arguments={"js": {"total": 1 << 26}},
         targets=[Target(PAYLOAD, "js", at_least=10)]),
    # A key into a real terminal. The floor has no server between: a bare WebSocket to the canned
    # one, and then a pseudo-terminal of its own.
    keystroke("agent", "agent", [Target(P50, "floor", at_most=1.5),
                                 Target(CPU, "js", at_most=1 / 5)]),
    # The same by way of e2b-host, which hands each byte on, there and back: what it adds is shown.
    keystroke("through e2b-host", "host", [Target(CPU, "js", at_most=1 / 5)]),
]
