# SPDX-License-Identifier: MIT
"""What a user gets from end to end: real processes of e2b-host, a shell each as the SDKs start
them. No targets: most of the time and of the machine goes to the processes."""

from driver.case import CPU, DELAY, MEMORY, P50, P99, RATE, STREAM_MEMORY, Case

ORDER = 5.8
CASES = [
    Case(name="run_command_real", program="run_command", server="host", show=CPU,
         also=(RATE, P50, P99, MEMORY), floor=False, peers=("js", "py"), rounds=3, slow_rounds=2,
         arguments={"count": 1000, "in_flight": 16, "warm_up": 100, "real": 1},
         quick={"count": 200, "warm_up": 20}, quick_rounds=1,
         peer_arguments={"js": {"count": 400}, "py": {"count": 400}}),
    Case(name="streams_real", program="streams", server="host", show=CPU,
         also=(STREAM_MEMORY, DELAY), floor=False, peers=("js", "py"), rounds=3, slow_rounds=2,
         arguments={"streams": 100, "seconds": 5, "at_once": 20, "real": 1},
         quick={"seconds": 2, "settle_ms": 500}, quick_rounds=1),
]
