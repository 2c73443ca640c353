# SPDX-License-Identifier: MIT
from driver.case import CPU, Case, Metric, Target

ORDER = 8
RESIDENT = Metric("memory after / before", "", lambda r: r["memory_ratio"], 3)
OPEN = Metric("descriptors after / before", "", lambda r: r["descriptors_ratio"], 3)
CASES = [
    Case(name="churn", program="churn", server="daemon", show=CPU, also=(RESIDENT, OPEN),
         floor=False, peers=(), rounds=2, quick_rounds=1, timeout_s=120,
         arguments={"count": 100000}, quick={"count": 20000},
         targets=[Target(RESIDENT, None, at_most=1.01), Target(OPEN, None, at_most=1.01)])
]
