# SPDX-License-Identifier: MIT
"""The Python kernel: IPython's shell behind lines of JSON (see lib/host/kernel.h).

Standard input brings one object a line: {"code": ..., "env_vars": {...}}. Standard output takes the
lines of the answer, which go to the client as they are. What the cells print, and what programs
that they start print, becomes such lines too.

The program is this file, python_results.py and python_cells.py, one after the other: the host
joins them.
"""

import asyncio
import codecs
import datetime
import io
import json
import math
import os
import select
import signal
import sys
import threading
import zlib
from importlib import machinery, util

FLUSH_S = 0.2
FLUSH_CHARACTERS = 256 * 1024
KERNEL_PID = os.getpid()
MAIN_THREAD = threading.get_ident()


class Interrupts:
    """SIGINT: a KeyboardInterrupt while a cell runs, but never inside the writing of a line. A cell
    that awaits is cancelled."""

    def __init__(self):
        self.armed = False  # a cell runs, or is about to
        self.task = None  # of a cell that awaits
        self.held = 0  # a line is being written
        self.pending = False
        signal.signal(signal.SIGINT, self.arrived)

    def arrived(self, _number, frame):
        if not self.armed:
            return
        if self.task is not None and frame.f_globals.get("__name__") == "selectors":
            self.task.get_loop().call_soon_threadsafe(self.task.cancel)
            return
        if self.held:
            self.pending = True
            return
        raise KeyboardInterrupt

    def hold(self):
        self.held += 1

    def release(self):
        self.held -= 1
        if self.pending and not self.held:
            self.pending = False
            raise KeyboardInterrupt


class Wire:
    """The lines to the host. Whoever writes waits until the host has taken them."""

    def __init__(self, descriptor, interrupts):
        self.descriptor = descriptor
        self.interrupts = interrupts
        self.lock = threading.RLock()

    def send(self, message):
        line = memoryview(json.dumps(message).encode("ascii") + b"\n")
        main = threading.get_ident() == MAIN_THREAD
        if main:
            self.interrupts.hold()
        try:
            with self.lock:
                while line:
                    line = line[os.write(self.descriptor, line):]
        finally:
            if main:
                self.interrupts.release()


class Output:
    """What is printed, in the order of printing, joined until it is time to send it."""

    def __init__(self, wire):
        self.wire = wire
        self.lock = threading.RLock()
        self.pieces = []  # [stream's name, [text...]]
        self.size = 0
        self.open = False  # a cell runs; what comes between cells is nobody's
        threading.Thread(target=self.tick, daemon=True).start()

    def tick(self):
        pause = threading.Event()
        while True:
            pause.wait(FLUSH_S)
            if self.size:
                self.flush()

    def put(self, name, text):
        with self.lock:
            if not self.open or not text:
                return
            if self.pieces and self.pieces[-1][0] == name:
                self.pieces[-1][1].append(text)
            else:
                self.pieces.append([name, [text]])
            self.size += len(text)
            full = self.size >= FLUSH_CHARACTERS
        if full:
            self.flush()

    def flush(self):
        with self.lock:
            pieces, self.pieces, self.size = self.pieces, [], 0
            for name, texts in pieces:
                now = datetime.datetime.now(datetime.timezone.utc).isoformat()
                self.wire.send({"type": name, "text": clean_text("".join(texts)), "timestamp": now})

    def forked(self):
        self.lock = threading.RLock()
        self.wire.lock = threading.RLock()
        self.pieces, self.size = [], 0


class Stream(io.TextIOBase):
    """sys.stdout and sys.stderr."""

    encoding = "UTF-8"
    errors = "strict"

    def __init__(self, output, name, descriptor):
        super().__init__()
        self.output = output
        self.stream_name = name
        self.descriptor = descriptor
        self.buffer = Bytes(self)

    @property
    def name(self):
        return "<%s>" % self.stream_name

    def writable(self):
        return True

    def isatty(self):
        return False

    def fileno(self):
        return self.descriptor

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        if os.getpid() == KERNEL_PID:
            self.output.put(self.stream_name, text)
        else:
            # A forked child has no part in the lines: its output takes the way of other programs.
            os.write(self.descriptor, text.encode("utf-8", "replace"))
        return len(text)

    def flush(self):
        if os.getpid() == KERNEL_PID:
            self.output.flush()


class Bytes(io.RawIOBase):
    """The `buffer` of such a stream."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self):
        return True

    def fileno(self):
        return self.stream.fileno()

    def write(self, data):
        data = bytes(data)
        self.stream.write(self.decoder.decode(data))
        return len(data)

    def flush(self):
        self.stream.flush()


class Capture:
    """Descriptors 1 and 2: what programs that a cell starts, and libraries in C, write."""

    def __init__(self, output):
        self.output = output
        self.lock = threading.Lock()
        self.sources = {}
        for descriptor, name in ((1, "stdout"), (2, "stderr")):
            near, far = os.pipe()
            os.dup2(far, descriptor)
            os.close(far)
            os.set_blocking(near, False)
            self.sources[near] = (name, codecs.getincrementaldecoder("utf-8")("replace"))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            select.select(list(self.sources), [], [])
            self.drain()

    def drain(self):
        with self.lock:
            for near, (name, decoder) in self.sources.items():
                while True:
                    try:
                        data = os.read(near, 65536)
                    except BlockingIOError:
                        break
                    self.output.put(name, decoder.decode(data))
