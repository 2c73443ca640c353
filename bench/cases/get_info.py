# SPDX-License-Identifier: MIT
from driver.case import CPU, MEMORY, P50, P99, Case, Target

ORDER = 1
VARIANTS = {"64": {"in_flight": 64}, "1,000": {"in_flight": 1000}}


def case(name, server, js, memory):
    return Case(
        name=name, program="get_info", server=server, show=CPU, also=(MEMORY, P50, P99),
        variants=VARIANTS, arguments={"count": 20000}, quick={"count": 5000},
        peer_arguments={"js": {"count": 4000, "warm_up": 1000}, "py": {"count": 2000, "warm_up": 300}},
        targets=[Target(CPU, "floor", at_most=1.15), Target(CPU, "rust", at_most=1.0),
                 Target(CPU, "js", at_most=1 / js)] +
        ([Target(MEMORY, "rust", at_most=1.0)] if memory else []))


CASES = [case("get_info_http1", "api", 15, True), case("get_info_h2_tls", "api_tls", 25, False)]
