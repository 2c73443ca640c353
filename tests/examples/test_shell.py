# SPDX-License-Identifier: MIT
"""examples/shell.c as people use it: inside tmux, with keys typed and the screen looked at, or at the
end of a pipe. E2B_TEST_SHELL is the program; the server is the environment's."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

SHELL = os.environ["E2B_TEST_SHELL"]
LIMIT_S = float(os.environ.get("E2B_TEST_LIMIT_S", "60"))
EDITORS = ("vim.tiny", "vim.basic", "nvi", "nano")


def request(method, path, body=None):
    call = urllib.request.Request(
        os.environ["E2B_API_URL"] + path,
        json.dumps(body).encode() if body else None,
        {"X-API-KEY": os.environ["E2B_API_KEY"], "Content-Type": "application/json"},
        method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(call, timeout=LIMIT_S) as answer:
        return json.loads(answer.read() or "null")


class Screen:
    """A tmux of its own, with a plain shell in it, from which ours is started."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.socket = os.path.join(self.folder, "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "30",
                  "env PS1='outside$ ' TERM=screen bash --norc --noprofile -i")
        self.sees(r"outside\$$")

    def tmux(self, *args):
        return subprocess.run(["tmux", "-S", self.socket, *args], check=True, text=True,
                              capture_output=True, timeout=LIMIT_S,
                              env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout

    def text(self):
        """What the screen shows and what has left it at the top, without blanks at the ends."""
        return re.sub(r" +$", "", self.tmux("capture-pane", "-p", "-S", "-"), flags=re.M).rstrip()

    def sees(self, pattern):
        until = time.monotonic() + LIMIT_S
        while True:
            text = self.text()
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found
            if time.monotonic() > until:
                raise AssertionError(f"{pattern!r} does not come; the screen shows:\n{text}")
            time.sleep(0.05)

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def types(self, text):
        self.tmux("send-keys", "-l", text)

    def runs(self, line):
        self.types(line)
        self.keys("Enter")

    def clear(self):
        self.tmux("send-keys", "-R")
        self.tmux("clear-history")

    def close(self):
        self.tmux("kill-server")
        shutil.rmtree(self.folder)


class ShellTest(unittest.TestCase):
    def setUp(self):
        self.screen = Screen()
        self.addCleanup(self.screen.close)
        self.modes = self.modes_outside()

    def modes_outside(self):
        self.screen.clear()
        self.screen.runs("stty -g | sed 's/^/modes:/'")
        return self.screen.sees(r"^modes:(\S+)").group(1)

    def enter(self, *args, env=""):
        """Starts our shell, and waits for its prompt."""
        self.screen.clear()
        self.screen.runs(f"{env} $E2B_TEST_SHELL {' '.join(args)}; echo status=$?")
        self.screen.sees(r"^\[~\. leaves; sandbox \S+\]")
        self.screen.sees(r"user@\S+:\S+\$ ?$")

    def ends(self, status):
        """Its status is this, and the terminal is as it was before."""
        self.assertEqual(self.screen.sees(r"^status=(\d+)").group(1), str(status))
        self.assertEqual(self.modes_outside(), self.modes)

    def test_an_editor_edits_and_saves_a_file(self):
        self.enter()
        self.screen.runs("for e in %s; do type -P $e; done; echo which''ever" % " ".join(EDITORS))
        self.screen.sees("^whichever")
        found = [e for e in EDITORS if f"/{e}\n" in self.screen.text()]
        if not found:
            self.skipTest("no editor in the sandbox")
        if found[0] == "nano":
            self.screen.runs("nano note.txt; echo edi''ted")
            self.screen.sees("GNU nano")
            self.screen.types("from the editor")
            self.screen.keys("C-o", "Enter", "C-x")
        else:
            options = "-u NONE" if "vim" in found[0] else ""
            self.screen.runs(f"{found[0]} {options} note.txt; echo edi''ted")
            self.screen.sees(r"^~$")
            self.screen.types("ifrom the edXitor")
            self.screen.sees("edXitor")
            self.screen.keys("Escape")
            self.screen.runs(":s/X//")
            self.screen.sees("from the editor")
            self.screen.runs(":wq")
        self.screen.sees("^edited$")
        self.screen.runs("sed 's/^/file: /' note.txt")
        self.screen.sees("^file: from the editor$")
        self.screen.runs("exit")
        self.ends(0)

    def test_top_repaints_after_a_resize(self):
        self.enter()
        self.screen.runs("top -d 1000; echo to''p has ended")
        self.screen.sees(r"^ *PID +USER")
        self.screen.clear()  # it would not paint again for a quarter of an hour
        self.screen.tmux("resize-window", "-x", "120", "-y", "40")
        self.screen.sees(r"^ *PID +USER")
        self.screen.keys("q")
        self.screen.sees("^top has ended$")
        self.screen.runs("echo size $(stty size)")
        self.screen.sees("^size 40 120$")
        self.screen.runs("exit")
        self.ends(0)

    def test_ctrl_c_stops_what_runs_there_and_nothing_here(self):
        self.enter()
        self.screen.runs("sh -c 'echo sleep''s; exec sleep 600'")
        self.screen.sees("^sleeps$")
        self.screen.keys("C-c")
        self.screen.runs("echo code $?")
        self.screen.sees("^code 130$")
        self.screen.runs("exit")
        self.ends(0)

    def test_jobs_are_stopped_and_taken_up_again(self):
        self.enter()
        self.screen.runs("sh -c 'echo one; read x; echo got $x'")
        self.screen.sees("^one$")
        self.screen.keys("C-z")
        self.screen.sees(r"^\[1\]\+ +Stopped")
        self.screen.sees(r"\$$")
        self.screen.runs("jobs | sed 's/^/jobs: /'")
        self.screen.sees(r"^jobs: \[1\]\+ +Stopped")
        self.screen.runs("fg")
        self.screen.sees("^sh -c 'echo one")  # what is typed before goes to the shell's line editor
        self.screen.runs("it back")
        self.screen.sees("^got it back$")
        self.screen.runs("exit")
        self.ends(0)

    def test_tilde_dot_leaves_at_the_beginning_of_a_line_only(self):
        self.enter()
        self.screen.runs("echo in~.side")
        self.screen.sees(r"^in~\.side$")
        self.screen.runs("~~nobody")
        self.screen.sees(r"\$ ~nobody$")
        self.screen.types("~.")
        self.ends(0)

    def test_exit_codes_are_those_of_the_shell(self):
        self.enter()
        self.screen.runs("exit 42")
        self.ends(42)
        self.enter()
        self.screen.runs("kill -9 $$")
        self.ends(128 + signal.SIGKILL)

    def test_signals_end_it_in_order(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGABRT):
            with self.subTest(number.name):
                self.enter()
                os.kill(self.pid(), number)
                self.ends(128 + number)

    def pid(self):
        outside = self.screen.tmux("list-panes", "-F", "#{pane_pid}").strip()
        inside = subprocess.run(["pgrep", "-P", outside, "-x", "shell"], text=True, check=True,
                                capture_output=True).stdout.split()
        return int(inside[0])

    def test_stopped_and_continued_it_has_the_terminal_again(self):
        self.enter()
        os.kill(self.pid(), signal.SIGSTOP)
        self.screen.sees(r"^\[1\]\+ +Stopped")
        self.screen.runs("echo status=gone; stty sane; fg >/dev/null; echo status=$?")
        self.screen.sees("^status=gone")
        self.screen.clear()
        self.screen.runs("echo again''st")
        self.screen.sees("^against$")
        self.screen.types("~.")
        self.screen.sees("^status=0")

    def test_a_shell_that_was_left_is_there_when_one_comes_back(self):
        sandbox = request("POST", "/sandboxes", {"templateID": "base", "timeout": 300})["sandboxID"]
        self.addCleanup(request, "DELETE", f"/sandboxes/{sandbox}")
        self.enter(sandbox)
        self.screen.runs("mark=kept")
        self.screen.sees("mark=kept")
        self.screen.keys("Enter")
        self.screen.types("~.")
        again = self.screen.sees(r"come back with: shell \S+ (\S+)\]").group(1)
        self.ends(0)
        self.enter(sandbox, again)
        self.screen.runs("echo $mark; exit 3")
        self.screen.sees("^kept$")
        self.ends(3)

    def test_a_lost_connection_is_told_and_comes_back(self):
        line = Line()
        self.addCleanup(line.close)
        self.enter(env=f"E2B_SANDBOX_URL={line.url} NO_PROXY=127.0.0.1")
        self.screen.runs("before=1")
        line.cut()
        self.screen.sees(r"^\[connection lost, trying to get it back: .+\]$")
        self.screen.sees(r"^\[connection restored\]$")
        self.screen.runs("echo after=$before; exit 9")
        self.screen.sees("^after=1$")
        self.ends(9)

    def test_without_a_server_it_fails_and_the_terminal_is_as_before(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            self.screen.clear()
            self.screen.runs(f"E2B_API_URL=http://127.0.0.1:{port} $E2B_TEST_SHELL; echo status=$?")
            self.ends(255)


class Line:
    """The way to the server, which can be cut."""

    def __init__(self):
        host, port = re.match(r"http://([^:]+):(\d+)", os.environ["E2B_SANDBOX_URL"]).groups()
        self.server = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.ends = []
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(self.server)
            with self.lock:
                self.ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=pair, daemon=True).start()

    @staticmethod
    def carry(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            for end in self.ends:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
            self.ends.clear()

    def close(self):
        self.listener.close()
        self.cut()


class PipeTest(unittest.TestCase):
    def run_shell(self, typed, **options):
        return subprocess.run([SHELL], input=typed, text=True, capture_output=True,
                              timeout=LIMIT_S, **options)

    def test_a_pipe_is_typed(self):
        ended = self.run_shell("echo one $((1 + 1)); stty size\nexit 5\n")
        self.assertEqual(ended.returncode, 5, ended.stderr)
        self.assertRegex(ended.stdout, r"\none 2\n24 80\n")

    def test_at_the_end_of_the_input_it_exits(self):
        self.assertEqual(self.run_shell("false").returncode, 1)
        self.assertEqual(self.run_shell("").returncode, 0)

    def test_a_file_is_typed_and_much_output_is_all_there(self):
        with tempfile.TemporaryFile("w+") as script:
            script.write("n=0\n" + "n=$((n + 1))\n" * 1000 + "seq -s, 50000; echo lines $n\nexit 6\n")
            script.seek(0)
            ended = subprocess.run([SHELL], stdin=script, capture_output=True, timeout=LIMIT_S)
        self.assertEqual(ended.returncode, 6, ended.stderr)
        self.assertIn(b"\r\nlines 1000\r\n", ended.stdout)
        self.assertIn(",".join(map(str, range(1, 50001))).encode() + b"\r\n", ended.stdout)


if __name__ == "__main__":
    unittest.main()
