# SPDX-License-Identifier: MIT
from driver.case import CPU, MEMORY, P50, P99, Case, Target

ORDER = 2


def case(name, server):
    return Case(
        name=name, program="run_command", server=server, show=CPU, also=(MEMORY, P50, P99),
        arguments={"count": 10000, "in_flight": 64}, quick={"count": 3000},
        peer_arguments={"js": {"count": 2000, "warm_up": 500}, "py": {"count": 1000, "warm_up": 200}},
        targets=[Target(CPU, "floor", at_most=1.25), Target(CPU, "js", at_most=1 / 30),
                 Target(CPU, "py", at_most=1 / 12)])


CASES = [case("run_command_http1", "daemon"), case("run_command_h2_tls", "daemon_tls")]
