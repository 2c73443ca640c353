# SPDX-License-Identifier: MIT
from e2b import (
    AuthenticationException,
    CommandExitException,
    InvalidArgumentException,
    NotFoundException,
    PtySize,
    TimeoutException,
)

from common import WithSandbox


class Commands(WithSandbox):
    def run_fails(self, error, *args, **options):
        with self.assertRaises(error) as caught:
            self.commands.run(*args, **options)
        return caught.exception

    def test_a_command_gives_its_output(self):
        result = self.commands.run("echo out; echo err >&2")
        self.assertEqual((result.exit_code, result.stdout, result.stderr), (0, "out\n", "err\n"))

    def test_it_has_a_directory_variables_and_a_user_of_its_own(self):
        result = self.commands.run("pwd; id -un; echo $A", cwd="/tmp", user="root", envs={"A": "x y"})
        self.assertEqual(result.stdout, "/tmp\nroot\nx y\n")
        self.assertEqual(self.commands.run("pwd; id -un").stdout, "/home/user\nuser\n")

    def test_an_exit_status_other_than_0_is_an_error_that_has_everything(self):
        error = self.run_fails(CommandExitException, "echo out; echo err >&2; exit 3")
        self.assertEqual((error.exit_code, error.stdout, error.stderr), (3, "out\n", "err\n"))

    def test_output_comes_in_callbacks(self):
        out, err = [], []
        result = self.commands.run("echo a; echo b >&2", on_stdout=out.append, on_stderr=err.append)
        self.assertEqual(("".join(out), "".join(err)), (result.stdout, result.stderr))

    def test_output_comes_while_the_command_runs(self):
        command = self.commands.run("echo first; read x; echo second $x", background=True, stdin=True)
        events = iter(command)
        self.assertEqual(next(events)[0], "first\n")
        self.commands.send_stdin(command.pid, "line\n")
        self.assertEqual(next(events)[0], "second line\n")
        self.assertEqual(command.wait().stdout, "first\nsecond line\n")

    def test_background_commands_are_listed_and_killed(self):
        command = self.commands.run("sleep 60", background=True, envs={"SHOWN": "yes"}, cwd="/tmp")
        listed = [one for one in self.commands.list() if one.pid == command.pid][0]
        self.assertEqual((listed.cmd, listed.args), ("/bin/bash", ["-l", "-c", "sleep 60"]))
        self.assertEqual((listed.envs["SHOWN"], listed.cwd), ("yes", "/tmp"))
        self.assertTrue(self.commands.kill(command.pid))
        with self.assertRaises(CommandExitException) as caught:
            command.wait()
        self.assertEqual(caught.exception.exit_code, -1)
        self.assertFalse(self.commands.kill(command.pid))

    def test_a_command_is_met_again_after_it_was_left(self):
        command = self.commands.run("read x; echo got $x", background=True, stdin=True)
        command.disconnect()
        again = self.commands.connect(command.pid)
        self.commands.send_stdin(command.pid, "it\n")
        self.assertEqual(again.wait().stdout, "got it\n")

    def test_input_comes_as_a_stream_and_ends(self):
        command = self.commands.run("cat", background=True, stdin=True)
        self.commands.stream_input(command.pid, iter(["one\n", "two\n"]))
        self.commands.close_stdin(command.pid)
        self.assertEqual(command.wait().stdout, "one\ntwo\n")

    def test_its_timeout_ends_a_command(self):
        self.run_fails(TimeoutException, "sleep 60", timeout=0.3)

    def test_what_cannot_run_says_so(self):
        self.assertEqual(self.run_fails(CommandExitException, "no-such-program").exit_code, 127)
        self.run_fails(InvalidArgumentException, "true", cwd="/no/such/directory")
        self.run_fails(AuthenticationException, "true", user="nobody-known")
        with self.assertRaises(NotFoundException):
            self.commands.connect(999999)
        with self.assertRaises(NotFoundException):
            self.commands.send_stdin(999999, "x")
        self.assertFalse(self.commands.kill(999999))


class Terminals(WithSandbox):
    def read_until(self, terminal, part):
        seen = b""
        for _, _, data in terminal:
            seen += data or b""
            if part in seen:
                return seen
        raise AssertionError(f"no {part!r} in {seen!r}")

    def test_a_terminal_runs_what_is_typed_has_a_size_and_ends(self):
        pty = self.sandbox.pty
        terminal = pty.create(PtySize(rows=24, cols=80), envs={"NAMED": "yes"}, cwd="/tmp", timeout=0)
        pty.send_stdin(terminal.pid, b'echo "[$((40 + 2)) $NAMED $PWD $(stty size)]"\n')
        self.read_until(terminal, b"[42 yes /tmp 24 80]")
        pty.resize(terminal.pid, PtySize(rows=40, cols=120))
        pty.send_stdin(terminal.pid, b'echo "[$(stty size)]"\n')
        self.read_until(terminal, b"[40 120]")
        pty.send_stdin(terminal.pid, b"exit 0\n")
        self.assertEqual(terminal.wait().exit_code, 0)

    def test_a_terminal_is_met_again_and_killed(self):
        pty = self.sandbox.pty
        terminal = pty.create(PtySize(rows=24, cols=80), timeout=0)
        pty.send_stdin(terminal.pid, b'kept=here; echo "re"ady\n')
        self.read_until(terminal, b"ready")
        terminal.disconnect()
        again = pty.connect(terminal.pid)
        pty.send_stdin(terminal.pid, b'echo "[$kept]"\n')
        self.read_until(again, b"[here]")
        self.assertTrue(pty.kill(terminal.pid))
        with self.assertRaises(CommandExitException):
            again.wait()
        self.assertFalse(pty.kill(terminal.pid))
