# SPDX-License-Identifier: MIT
"""The canned servers: a daemon of our own for streams, nginx for fixed answers and for TLS. And, for
what a user gets, e2b-host with real processes."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

DEBUG_PORT = 49983  # of a sandbox in the debug mode of all SDKs
KEY = "e2b_0123456789abcdef0123456789abcdef01234567"
# Where a port is taken, a loopback of one's own has it; the machine's root may make one.
OWN_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
HERE = Path(__file__).resolve().parent.parent / "servers"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_taken(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


class Unavailable(Exception):
    """A server that some machines cannot have; the cases that want it fail."""


def wait_for(port, process):
    for _ in range(200):
        if process.poll() is not None:
            raise Unavailable(f"{process.args[0]} ended: {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Unavailable(f"{process.args[0]} does not listen")


# A server's name: who starts it.
FAMILIES = {"api": "daemon", "api_tls": "daemon", "daemon": "daemon", "daemon_tls": "daemon",
            "host": "host", "agent": "agent"}


class Servers:
    """Starts what is asked for, once, and again when it has ended; stops all at the end."""

    def __init__(self, scratch, build):
        self.scratch = Path(scratch)
        self.daemon = f"{build}/bench/daemon"
        self.host = f"{build}/e2b-host"
        self.agent = f"{build}/lib/agent/e2b-agent"
        self.host_key = None
        self.urls = {}
        self.prefixes = {}  # of the programs that are a server's clients
        self.processes = {}  # by family
        self.make_certificate()

    def make_certificate(self):
        """An authority of its own, and a certificate of it: some clients accept no other."""
        self.key, self.certificate = self.scratch / "key.pem", self.scratch / "cert.pem"
        self.authority = self.scratch / "ca.pem"
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        extensions = self.scratch / "extensions"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n"
                              "basicConstraints=CA:FALSE\n")

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, stderr=subprocess.DEVNULL)

        openssl("req", "-x509", *new_key, "-days", "7", "-subj", "/CN=benchmark", "-keyout",
                self.scratch / "ca.key", "-out", self.authority)
        openssl("req", *new_key, "-subj", "/CN=127.0.0.1", "-keyout", self.key, "-out",
                self.scratch / "csr.pem")
        openssl("x509", "-req", "-in", self.scratch / "csr.pem", "-CA", self.authority, "-CAkey",
                self.scratch / "ca.key", "-CAcreateserial", "-days", "7", "-extfile", extensions,
                "-out", self.certificate)

    def environment(self, name):
        url = self.url(name)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("E2B_")}
        if name == "agent":
            return clean | {"E2B_DEBUG": "true"}
        return clean | {
            "E2B_API_URL": url,
            "E2B_SANDBOX_URL": url,
            "E2B_API_KEY": self.host_key if name == "host" else KEY,
            "SSL_CERT_FILE": str(self.authority),
            "NODE_EXTRA_CA_CERTS": str(self.authority),
        }

    def url(self, name):
        family = FAMILIES[name]
        if any(process.poll() is not None for process in self.processes.get(family, [])):
            self.end(family)
        if name not in self.urls:
            try:
                getattr(self, "start_" + family)()
            except (OSError, Unavailable) as why:
                self.end(family)
                raise Unavailable(str(why)) from why
        return self.urls[name]

    def spawn(self, family, *command, **options):
        process = subprocess.Popen(command, **options)
        self.processes.setdefault(family, []).append(process)
        return process

    def after_run(self, name):
        """Sandboxes of e2b-host outlive the client that made them, with all that runs in them: the
        next run finds none."""
        if name == "host":
            self.end("host")

    def end(self, family):
        processes = self.processes.pop(family, [])
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.urls = {name: url for name, url in self.urls.items() if FAMILIES[name] != family}

    def start_daemon(self):
        process = self.spawn("daemon", self.daemon, HERE / "created.json", HERE / "info.json",
                             stdout=subprocess.PIPE, text=True)
        port = int(process.stdout.readline())
        self.urls["daemon"] = f"http://127.0.0.1:{port}"
        self.start_nginx(port)

    def start_host(self):
        """With namespaces where there are any."""
        for arguments in ([], ["--no-isolation"]):
            with open(self.scratch / "host.log", "w") as log:
                process = subprocess.Popen([self.host, "--listen", "127.0.0.1:0", *arguments],
                                           stdout=subprocess.PIPE, stderr=log, text=True)
            url, key = process.stdout.readline().strip(), process.stdout.readline().strip()
            if key:
                self.processes["host"] = [process]
                self.urls["host"], self.host_key = url, key.removeprefix("E2B_API_KEY=")
                return
            process.wait()
        raise Unavailable((self.scratch / "host.log").read_text().strip())

    def start_agent(self):
        """A canned sandbox in which the terminal agent is real, with nothing between it and its
        clients: in debug mode a sandbox's ports are this machine's."""
        home = self.scratch / "home"
        home.mkdir(exist_ok=True)
        taken = is_taken(DEBUG_PORT)
        process = self.spawn("agent", *(OWN_NETWORK if taken else ()), self.daemon,
                             HERE / "created.json", HERE / "info.json", str(DEBUG_PORT),
                             self.agent, text=True, stdout=subprocess.PIPE,
                             env=os.environ | {"HOME": str(home)})
        if not process.stdout.readline():
            raise Unavailable(f"port {DEBUG_PORT} is not free")
        if taken:
            self.prefixes["agent"] = ["nsenter", f"--net=/proc/{process.pid}/ns/net"]
        self.urls["agent"] = f"http://localhost:{DEBUG_PORT}"

    def start_nginx(self, daemon_port):
        plain, tls, daemon_tls = free_port(), free_port(), free_port()
        values = {
            "SCRATCH": self.scratch, "PLAIN": plain, "TLS": tls, "DAEMON_TLS": daemon_tls,
            "DAEMON": daemon_port, "KEY": self.key, "CERTIFICATE": self.certificate,
            "CREATED": (HERE / "created.json").read_text().strip(),
            "INFO": (HERE / "info.json").read_text().strip(),
        }
        text = (HERE / "nginx.conf.in").read_text()
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        config = self.scratch / "nginx.conf"
        config.write_text(text)
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        process = self.spawn("daemon", nginx, "-c", config, "-p", self.scratch, "-e",
                             self.scratch / "nginx.log")
        wait_for(plain, process)
        self.urls["api"] = f"http://127.0.0.1:{plain}"
        self.urls["api_tls"] = f"https://127.0.0.1:{tls}"
        self.urls["daemon_tls"] = f"https://127.0.0.1:{daemon_tls}"

    def stop(self):
        for family in list(self.processes):
            self.end(family)
