# SPDX-License-Identifier: MIT
import asyncio
import os
import time
import unittest

from e2b import (
    AsyncSandbox,
    AuthenticationException,
    CommandExitException,
    FilesystemEventType,
    NotFoundException,
    PtySize,
    SandboxQuery,
    SandboxState,
    TimeoutException,
)

MARK = f"run-{os.getpid()}-{time.time_ns()}"


class Listener:
    """Gathers text that comes in pieces; until() returns when a part has come."""

    def __init__(self):
        self.text = ""
        self.more = asyncio.Event()

    def add(self, piece):
        self.text += piece if isinstance(piece, str) else piece.decode()
        self.more.set()

    async def until(self, part):
        while part not in self.text:
            self.more.clear()
            await asyncio.wait_for(self.more.wait(), 30)


class Async(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.sandbox = await AsyncSandbox.create("base", timeout=60, metadata={"mark": MARK})

    async def asyncTearDown(self):
        await self.sandbox.kill()

    async def test_a_sandbox_is_described_listed_met_paused_and_killed(self):
        sandbox = self.sandbox
        info = await sandbox.get_info()
        self.assertEqual((info.metadata, info.state), ({"mark": MARK}, SandboxState.RUNNING))
        listed = await AsyncSandbox.list(query=SandboxQuery(metadata={"mark": MARK})).next_items()
        self.assertEqual([one.sandbox_id for one in listed], [sandbox.sandbox_id])
        await sandbox.files.write("kept", "here")
        await sandbox.pause()
        self.assertFalse(await sandbox.is_running())
        again = await AsyncSandbox.connect(sandbox.sandbox_id)
        self.assertEqual(await again.files.read("kept"), "here")
        await again.set_timeout(300)
        self.assertTrue(await again.is_running())
        self.assertTrue(await again.kill())
        self.assertFalse(await AsyncSandbox.kill(sandbox.sandbox_id))
        with self.assertRaises(NotFoundException):
            await AsyncSandbox.connect(sandbox.sandbox_id)

    async def test_commands_run_beside_each_other(self):
        run = self.sandbox.commands.run
        results = await asyncio.gather(*(run(f"echo {i}") for i in range(10)))
        self.assertEqual([one.stdout for one in results], [f"{i}\n" for i in range(10)])
        with self.assertRaises(CommandExitException) as caught:
            await run("echo out; exit 3")
        self.assertEqual((caught.exception.exit_code, caught.exception.stdout), (3, "out\n"))
        with self.assertRaises(TimeoutException):
            await run("sleep 60", timeout=0.3)

    async def test_output_is_heard_while_the_command_runs(self):
        heard = Listener()
        commands = self.sandbox.commands
        command = await commands.run(
            "echo first; read x; echo second $x", background=True, stdin=True, on_stdout=heard.add
        )
        await heard.until("first\n")
        await commands.send_stdin(command.pid, "line\n")
        self.assertEqual((await command.wait()).stdout, "first\nsecond line\n")
        sleeper = await commands.run("sleep 60", background=True)
        self.assertIn(sleeper.pid, [one.pid for one in await commands.list()])
        self.assertTrue(await commands.kill(sleeper.pid))
        self.assertFalse(await commands.kill(sleeper.pid))

    async def test_a_terminal_runs_what_is_typed(self):
        heard = Listener()
        pty = self.sandbox.pty
        terminal = await pty.create(PtySize(rows=24, cols=80), heard.add, timeout=0)
        await pty.send_stdin(terminal.pid, b'echo "[$((40 + 2)) $(stty size)]"\n')
        await heard.until("[42 24 80]")
        await pty.resize(terminal.pid, PtySize(rows=40, cols=120))
        await pty.send_stdin(terminal.pid, b'echo "[$(stty size)]"\n')
        await heard.until("[40 120]")
        await pty.send_stdin(terminal.pid, b"exit 0\n")
        self.assertEqual((await terminal.wait()).exit_code, 0)

    async def test_files_are_written_read_listed_and_watched(self):
        files = self.sandbox.files
        data = os.urandom(1 << 20)
        await files.write("bytes", data)
        self.assertEqual(bytes(await files.read("bytes", format="bytes")), data)
        await files.make_dir("watched")
        events, changed = [], asyncio.Event()

        def on_event(event):
            events.append((event.type, event.name))
            changed.set()

        watch = await files.watch_dir("watched", on_event)
        await files.write("watched/a", "1")
        while (FilesystemEventType.WRITE, "a") not in events:
            changed.clear()
            await asyncio.wait_for(changed.wait(), 30)
        self.assertEqual(events[0], (FilesystemEventType.CREATE, "a"))
        await watch.stop()
        self.assertEqual([one.name for one in await files.list("watched")], ["a"])
        await files.rename("watched/a", "b")
        self.assertTrue(await files.exists("b"))
        await files.remove("b")
        with self.assertRaises(NotFoundException):
            await files.read("b")

    async def test_a_wrong_key_is_refused(self):
        with self.assertRaises(AuthenticationException):
            await AsyncSandbox.create("base", api_key="e2b_" + "f" * 40)
