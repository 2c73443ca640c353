# SPDX-License-Identifier: MIT
from driver.case import MEMORY, PROCESS_CPU, Case, Target

ORDER = 6
CASES = [
    Case(name="start", program="start", server="api", show=PROCESS_CPU, also=(MEMORY,), rounds=21,
         slow_rounds=5,
         targets=[Target(PROCESS_CPU, "floor", at_most=1.5),
                  Target(PROCESS_CPU, "js", at_most=1 / 15)])
]
