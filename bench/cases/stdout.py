# SPDX-License-Identifier: MIT
from driver.case import MEMORY, PAYLOAD, Case, Target

ORDER = 3


def case(name, chunk, total, peer_total):
    return Case(
        name=name, program="stdout", server="daemon", show=PAYLOAD, also=(MEMORY,),
        arguments={"chunk": chunk, "total": total}, quick={"total": peer_total},
        peer_arguments={"js": {"total": peer_total}, "py": {"total": peer_total}},
        targets=[Target(PAYLOAD, "floor", at_least=0.7), Target(PAYLOAD, "js", at_least=40),
                 Target(PAYLOAD, "py", at_least=10)])


CASES = [case("stdout_32k", 32768, 1 << 30, 1 << 27), case("stdout_256b", 256, 1 << 30, 1 << 23)]
