# SPDX-License-Identifier: MIT
"""Running programs in turn, and what their runs come to."""

import json
import os
import resource
import signal
import statistics
import subprocess
import sys

from .servers import Unavailable


def children_cpu_us():
    """Of all that have ended and been waited for, from their first instruction."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e6


class Context:
    """What is there to run: the built programs, the peers that could be installed, the servers."""

    def __init__(self, build, peers, servers, quick):
        self.build = build
        self.peers = peers  # name: command
        self.servers = servers
        self.quick = quick

    def command(self, who, program):
        if who == "ours":
            return [f"{self.build}/bench/cases/{program}"]
        if who == "floor":
            return [f"{self.build}/bench/floor/{program}"]
        return self.peers[who] + [program]

    def run(self, who, program, server, arguments, timeout_s):
        """The line of JSON that the program prints, and the CPU time of all of its life."""
        command = self.command(who, program) + [f"{k}={v}" for k, v in arguments.items()]
        try:
            environment = self.servers.environment(server)
            command = self.servers.prefixes.get(server, []) + command
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True, start_new_session=True)
        except (OSError, Unavailable) as why:
            return {"error": str(why)}
        before = children_cpu_us()
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return {"error": f"no end after {timeout_s} s"}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            used = children_cpu_us() - before
            self.servers.after_run(server)
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if process.returncode != 0 or not lines:
            return {"error": reason(err, process.returncode)}
        result = json.loads(lines[-1])
        result["process_cpu_us"] = used
        return result


def reason(text, status):
    """The line of a program's last words that says most; how it ended when it said nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    if not lines:
        return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
    return (errors or lines)[-1][:200]


def median(values):
    return statistics.median(values) if values else None


QUICK_PART = 4


def arguments_of(context, case, who, arguments):
    theirs = case.peer_arguments.get(who, {})
    if not context.quick:
        return case.arguments | arguments | theirs
    part = {name: value // QUICK_PART if name in ("count", "warm_up", "total") else value
            for name, value in theirs.items()}
    return case.arguments | arguments | case.quick | part


def in_turn(context, case, arguments):
    """Every program once a round, A B A B; the results of each, by round (None where it did not
    run). Who failed once is not asked again."""
    everybody = ["ours"] + (["floor"] if case.floor else []) + [
        peer for peer in case.peers if peer in context.peers]
    rounds = case.quick_rounds if context.quick else case.rounds
    slow_rounds = 1 if context.quick else case.slow_rounds
    timeout_s = case.timeout_s // 2 if context.quick else case.timeout_s
    runs = {who: [] for who in everybody}
    errors = {}
    for number in range(rounds):
        for who in everybody:
            result = None
            few = who in case.slow or (context.quick and who in context.peers)
            if who not in errors and (not few or number < slow_rounds):
                result = context.run(who, case.program, case.servers.get(who, case.server),
                                     arguments_of(context, case, who, arguments), timeout_s)
                if "error" in result:
                    errors[who] = result["error"]
                    print(f"   {case.name}: {who}: {result['error']}", file=sys.stderr)
                    result = None
            runs[who].append(result)
    return runs, errors


def figure(runs, who, metric):
    """The median and the spread of one program's runs."""
    values = sorted(metric.of(r) for r in runs.get(who, []) if r is not None)
    if not values:
        return None
    return {"median": median(values), "least": values[0], "most": values[-1], "runs": len(values)}


def ratio(runs, against, metric):
    """The median, over the rounds in which both ran, of ours divided by theirs."""
    pairs = [(ours, theirs) for ours, theirs in zip(runs["ours"], runs.get(against, []))
             if ours is not None and theirs is not None]
    values = sorted(metric.of(a) / metric.of(b) for a, b in pairs if metric.of(b) > 0)
    if not values:
        return None
    return {"median": median(values), "least": values[0], "most": values[-1], "runs": len(values)}
