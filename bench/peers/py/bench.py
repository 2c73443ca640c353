# SPDX-License-Identifier: MIT
"""The official Python SDK's async half, as published, in the same cases: bench.py CASE name=value..."""

import asyncio
import json
import os
import resource
import sys
import time

# The SDK's own ceiling is lower than what the cases open; it is read when it is loaded.
os.environ.setdefault("E2B_MAX_CONNECTIONS", "20000")

from e2b import AsyncSandbox  # noqa: E402

OPTIONS = dict(arg.split("=", 1) for arg in sys.argv[2:])
LATENCIES = []
NOTES = {}
BEGAN = {}


def number(name, fallback):
    return int(OPTIONS.get(name, fallback))


REAL = number("real", 0) != 0  # processes of e2b-host, not the canned server's


def now_us():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def cpu_us():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def status_kb(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name + ":"))


def start():
    LATENCIES.clear()
    BEGAN.update(cpu=cpu_us(), wall=now_us())


def finish(operations, transferred=0):
    used, wall = cpu_us() - BEGAN["cpu"], now_us() - BEGAN["wall"]
    ordered = sorted(LATENCIES) or [0]
    print(json.dumps({
        "operations": operations, "bytes": transferred, "failed": 0, "cpu_us": used,
        "wall_us": wall, "peak_kb": status_kb("VmHWM"), "p50_us": ordered[len(ordered) // 2],
        "p99_us": ordered[len(ordered) * 99 // 100], **NOTES}))


async def many(count, in_flight, operation):
    left = count

    async def worker():
        nonlocal left
        while left > 0:
            left -= 1
            began = now_us()
            await operation()
            LATENCIES.append(now_us() - began)

    await asyncio.gather(*(worker() for _ in range(min(in_flight, count))))


async def repeated(operation, count, warm_up):
    in_flight = number("in_flight", 64)
    await many(number("warm_up", warm_up), in_flight, operation)
    start()
    total = number("count", count)
    await many(total, in_flight, operation)
    finish(total)


async def case_start():
    start()
    await AsyncSandbox.get_info("i1a2b3c4d5e6f7g8h9j0k")
    finish(1)


async def case_get_info(sandbox):
    await repeated(sandbox.get_info, 2000, 300)


async def case_run_command(sandbox):
    async def run():
        result = await sandbox.commands.run("echo hello" if REAL else "hello")
        assert result.exit_code == 0 and result.stdout == "hello\n"

    await repeated(run, 1000, 200)


async def case_stdout(sandbox):
    chunk, total = number("chunk", 32768), number("total", 1 << 27)
    received = 0

    def on_stdout(data):
        nonlocal received
        received += len(data)

    async def run(size):
        await sandbox.commands.run(f"flood {chunk} {size}", on_stdout=on_stdout, timeout=0)

    await run(total // 16)
    received = 0
    start()
    await run(total)
    finish(received / chunk, received)


async def case_streams(sandbox):
    wanted = number("streams", 1000)
    events = 0

    # Real ones print the time of the day.
    ahead = time.time_ns() // 1000 - now_us() if REAL else 0
    line = ("exec {nothing}<> <(:); while :; do printf '%016d\\n' ${EPOCHREALTIME/[.,]/}; "
            "read -t 1 -u $nothing; done") if REAL else "tick"

    def on_stdout(data):
        nonlocal events
        for printed in data.split():
            LATENCIES.append(now_us() + ahead - int(printed))
            events += 1

    before = status_kb("VmRSS")
    gate = asyncio.Semaphore(number("at_once", 100))
    handles = []

    async def begin():
        async with gate:
            handles.append(await sandbox.commands.run(line, background=True, on_stdout=on_stdout,
                                                      timeout=0))

    await asyncio.gather(*(begin() for _ in range(wanted)))
    # Without somebody who waits, this SDK reads nothing.
    waits = [asyncio.create_task(handle.wait()) for handle in handles]
    await asyncio.sleep(number("settle_ms", 2000) / 1000)
    NOTES["stream_bytes"] = (status_kb("VmRSS") - before) * 1024 / wanted
    events = 0
    start()
    await asyncio.sleep(number("seconds", 10))
    finish(events)
    for wait in waits:
        wait.cancel()


async def main():
    case = globals()[f"case_{sys.argv[1]}"]
    if sys.argv[1] == "start":
        await case()
    else:
        await case(await AsyncSandbox.create())
    # Without taking the interpreter down: a thread of the SDK's HTTP client that still reports a
    # call's end then aborts the process (one in ten or twenty), and ten thousand connections take
    # long to close. It spares this peer the CPU time of that.
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
