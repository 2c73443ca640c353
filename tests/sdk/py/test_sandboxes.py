# SPDX-License-Identifier: MIT
import datetime
import os
import time
import unittest

from e2b import (
    AuthenticationException,
    NotFoundException,
    Sandbox,
    SandboxException,
    SandboxQuery,
    SandboxState,
    TimeoutException,
)

from common import create, until

MARK = f"run-{os.getpid()}-{time.time_ns()}"


def ids(sandboxes):
    return sorted(one.sandbox_id for one in sandboxes)


class Sandboxes(unittest.TestCase):
    def test_a_sandbox_is_created_described_and_killed(self):
        metadata = {"mark": MARK, "odd": "a b&c=d/ü"}
        sandbox = create(metadata=metadata)
        info = sandbox.get_info()
        self.assertEqual(info.sandbox_id, sandbox.sandbox_id)
        self.assertEqual(info.metadata, metadata)
        self.assertEqual(info.state, SandboxState.RUNNING)
        self.assertGreater(info.end_at, info.started_at)
        self.assertTrue(sandbox.is_running())
        self.assertTrue(sandbox.kill())
        self.assertFalse(sandbox.is_running())
        self.assertFalse(Sandbox.kill(sandbox.sandbox_id))

    def test_a_with_statement_ends_it(self):
        with create() as sandbox:
            self.assertEqual(sandbox.commands.run("echo hello").stdout, "hello\n")
        self.assertFalse(sandbox.is_running())

    def test_variables_of_a_sandbox_are_in_every_command(self):
        with create(envs={"GREETING": "hello you"}) as sandbox:
            run = sandbox.commands.run
            self.assertEqual(run("echo $GREETING").stdout, "hello you\n")
            self.assertEqual(run("echo $GREETING", envs={"GREETING": "own"}).stdout, "own\n")
            self.assertEqual(run("echo $GREETING").stdout, "hello you\n")

    def test_lists_are_filtered_by_metadata_and_state_and_come_in_pages(self):
        metadata = {"mark": f"{MARK}-list"}
        made = [create(metadata=metadata) for _ in range(3)]
        paginator = Sandbox.list(query=SandboxQuery(metadata=metadata), limit=2)
        pages = []
        while paginator.has_next:
            pages.append(paginator.next_items())
        self.assertEqual([len(page) for page in pages], [2, 1])
        self.assertEqual(ids(pages[0] + pages[1]), ids(made))
        made[0].pause()

        def in_state(*states):
            return Sandbox.list(query=SandboxQuery(metadata=metadata, state=list(states))).next_items()

        self.assertEqual(ids(in_state(SandboxState.PAUSED)), ids(made[:1]))
        self.assertEqual(ids(in_state(SandboxState.RUNNING)), ids(made[1:]))
        self.assertEqual(ids(in_state(SandboxState.RUNNING, SandboxState.PAUSED)), ids(made))
        other = Sandbox.list(query=SandboxQuery(metadata={"mark": f"{MARK}-none"}))
        self.assertEqual(other.next_items(), [])
        self.assertFalse(other.has_next)
        for one in made:
            self.assertTrue(one.kill())

    def test_a_sandbox_is_met_again_by_its_id(self):
        with create() as sandbox:
            sandbox.files.write("note", "from the first")
            self.assertEqual(Sandbox.connect(sandbox.sandbox_id).files.read("note"), "from the first")
            self.assertEqual(Sandbox.get_info(sandbox.sandbox_id).sandbox_id, sandbox.sandbox_id)

    def test_its_timeout_is_moved_and_ends_it(self):
        sandbox = create()
        sandbox.set_timeout(600)
        left = sandbox.get_info().end_at - datetime.datetime.now(datetime.timezone.utc)
        self.assertTrue(590 < left.total_seconds() < 610, left)
        sandbox.set_timeout(1)
        until(lambda: not sandbox.is_running())
        with self.assertRaises(NotFoundException):
            Sandbox.connect(sandbox.sandbox_id)

    def test_metrics_show_what_it_uses(self):
        with create() as sandbox:
            first = until(sandbox.get_metrics)[0]
            for name in ("cpu_count", "cpu_used_pct", "mem_total", "mem_used", "disk_total", "disk_used"):
                self.assertGreater(getattr(first, name), 0, name)

    def test_a_pause_keeps_files_and_processes(self):
        sandbox = create()
        sandbox.files.write("kept", "still here")
        command = sandbox.commands.run("cat", background=True, stdin=True)
        sandbox.pause()
        self.assertEqual(Sandbox.get_info(sandbox.sandbox_id).state, SandboxState.PAUSED)
        self.assertFalse(sandbox.is_running())
        again = Sandbox.connect(sandbox.sandbox_id, timeout=60)
        self.assertEqual(again.get_info().state, SandboxState.RUNNING)
        self.assertEqual(again.files.read("kept"), "still here")
        self.assertIn(command.pid, [one.pid for one in again.commands.list()])
        met = again.commands.connect(command.pid)
        again.commands.send_stdin(command.pid, "hello after the pause\n")
        again.commands.close_stdin(command.pid)
        self.assertEqual(met.wait().stdout, "hello after the pause\n")
        again.kill()

    def test_a_snapshot_makes_new_sandboxes(self):
        with create() as sandbox:
            sandbox.files.write("/base-of-all", "in the snapshot")
            snapshot = sandbox.create_snapshot()
            sandbox.files.write("/base-of-all", "changed")
            with Sandbox.create(snapshot.snapshot_id, timeout=60) as copy:
                self.assertEqual(copy.files.read("/base-of-all"), "in the snapshot")
            listed = sandbox.list_snapshots().next_items()
            self.assertEqual([one.snapshot_id for one in listed], [snapshot.snapshot_id])
            self.assertTrue(Sandbox.delete_snapshot(snapshot.snapshot_id))
            self.assertFalse(Sandbox.delete_snapshot(snapshot.snapshot_id))

    def test_a_fork_goes_its_own_way(self):
        with create() as sandbox:
            sandbox.files.write("here", "both")
            first, second = sandbox.fork(count=2)
            first.files.write("here", "fork")
            self.assertEqual(sandbox.files.read("here"), "both")
            self.assertEqual(second.files.read("here"), "both")
            self.assertTrue(first.kill() and second.kill())

    def test_killing_it_ends_the_command_that_runs(self):
        sandbox = create()
        command = sandbox.commands.run("sleep 60", background=True)
        sandbox.kill()
        with self.assertRaises(TimeoutException):
            command.wait()
        with self.assertRaises(TimeoutException):
            sandbox.commands.run("true")

    def test_errors_have_their_classes(self):
        with self.assertRaises(AuthenticationException):
            create(api_key="e2b_" + "f" * 40)
        with self.assertRaises(SandboxException):
            Sandbox.create("no-such-template")
        for action in (Sandbox.connect, Sandbox.get_info):
            with self.assertRaises(NotFoundException):
                action("nonexistingsandbox")
        with self.assertRaises(NotFoundException):
            Sandbox.set_timeout("nonexistingsandbox", 10)
        self.assertFalse(Sandbox.kill("nonexistingsandbox"))
