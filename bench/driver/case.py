# SPDX-License-Identifier: MIT
"""What a case says of itself: which programs run against which server, and what has to hold."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metric:
    """A figure of one run."""

    name: str
    unit: str
    of: object  # function of a run's result
    digits: int = 1


CPU = Metric("CPU", "us", lambda r: r["cpu_us"] / r["operations"])
PAYLOAD = Metric("payload", "MB/CPU s", lambda r: r["bytes"] / r["cpu_us"], 0)
MEMORY = Metric("peak memory", "MB", lambda r: r["peak_kb"] / 1024)
STREAM_MEMORY = Metric("memory a stream", "KB", lambda r: r["stream_bytes"] / 1024)
P50 = Metric("p50", "us", lambda r: r["p50_us"], 0)
P99 = Metric("p99", "us", lambda r: r["p99_us"], 0)
DELAY = Metric("p99 delay", "ms", lambda r: r["p99_us"] / 1000)
RATE = Metric("a second", "/s", lambda r: r["operations"] * 1e6 / r["wall_us"], 0)
PROCESS_CPU = Metric("CPU of the process", "ms", lambda r: r["process_cpu_us"] / 1000, 2)


@dataclass(frozen=True)
class Target:
    """Ours divided by `against` (ours alone when that is None) is at most or at least `bound`."""

    metric: Metric
    against: object
    at_most: float = None
    at_least: float = None

    def holds(self, value):
        if self.at_most is not None and value > self.at_most:
            return False
        return self.at_least is None or value >= self.at_least

    def text(self):
        sign = "<=" if self.at_most is not None else ">="
        bound = self.at_most if self.at_most is not None else self.at_least
        return f"{sign} {bound:.3g}"


@dataclass
class Case:
    name: str
    program: str  # cases/PROGRAM.c and floor/PROGRAM.c
    server: str  # of servers.py: api, api_tls, daemon, daemon_tls, host
    show: Metric  # the figure of the line
    targets: list = field(default_factory=list)
    variants: dict = field(default_factory=lambda: {"": {}})  # label: arguments
    also: tuple = ()  # further metrics for the line
    arguments: dict = field(default_factory=dict)
    quick: dict = field(default_factory=dict)  # arguments of --quick
    floor: bool = True
    peers: tuple = ("js", "py", "rust")
    peer_arguments: dict = field(default_factory=dict)  # by peer; what takes it too long is less
    servers: dict = field(default_factory=dict)  # of those that have another: by who
    rounds: int = 5
    slow: tuple = ("js", "py")  # peers whose runs take long, and
    slow_rounds: int = 3  # how many they get
    quick_rounds: int = 2
    timeout_s: int = 60  # --quick: half of it
    measure: object = None  # instead of all that: function(context, case) that yields rows
