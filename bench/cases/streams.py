# SPDX-License-Identifier: MIT
from driver.case import CPU, DELAY, STREAM_MEMORY, Case, Target

ORDER = 5


def case(name, server, js_memory):
    return Case(
        name=name, program="streams", server=server, show=CPU, also=(STREAM_MEMORY, DELAY),
        arguments={"streams": 10000, "seconds": 5},
        quick={"streams": 1000, "seconds": 2, "settle_ms": 500}, quick_rounds=1,
        slow=("js", "py", "rust"), slow_rounds=1,
        # The SDKs do not get 10,000 open in the time.
        peer_arguments={"js": {"streams": 1000}, "py": {"streams": 1000}}, timeout_s=90,
        targets=[Target(STREAM_MEMORY, "floor", at_most=1.1), Target(CPU, "floor", at_most=1.3),
                 Target(DELAY, None, at_most=50), Target(STREAM_MEMORY, "js", at_most=1 / js_memory),
                 Target(STREAM_MEMORY, "py", at_most=1 / 2), Target(CPU, "js", at_most=1 / 3),
                 Target(CPU, "py", at_most=1 / 3)])


CASES = [case("streams_10k_http1", "daemon", 4), case("streams_10k_h2_tls", "daemon_tls", 5)]
