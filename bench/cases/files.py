# SPDX-License-Identifier: MIT
from driver.case import MEMORY, PAYLOAD, Case, Target

ORDER = 4


def case(name, program):
    return Case(
        name=name, program=program, server="daemon", show=PAYLOAD, also=(MEMORY,),
        arguments={"total": 1 << 30}, quick={"total": 1 << 28}, peers=("js", "rust"), timeout_s=60,
        targets=[Target(PAYLOAD, "floor", at_least=0.9), Target(MEMORY, None, at_most=16),
                 Target(PAYLOAD, "js", at_least=3)])


CASES = [case("file_read_1g", "file_read"), case("file_write_1g", "file_write")]
