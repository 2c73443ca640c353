# SPDX-License-Identifier: MIT
"""The Python kernel: IPython's shell behind lines of JSON (see lib/host/kernel.h).

Standard input brings one object a line: {"code": ..., "env_vars": {...}}. Standard output takes the
lines of the answer, which go to the client as they are. What the cells print, and what programs
that they start print, becomes such lines too.
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


def clean_text(text):
    """Surrogates that are half a character cannot travel."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_json(value, strict=False):
    """`value` as JSON knows it: what has no number becomes null, what has no form its text; with
    `strict` the latter is a TypeError."""
    if value is None or isinstance(value, (bool, str)):
        return clean_text(value) if isinstance(value, str) else value
    if isinstance(value, int):
        value = int(value)
        if -(2**63) <= value < 2**64:
            return value
        if strict:
            raise TypeError("too large an integer")
        try:
            return float(value)
        except OverflowError:
            return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {clean_key(key): clean_json(item, strict) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_json(item, strict) for item in value]
    if isinstance(value, (datetime.date, datetime.time)) and value == value:
        return value.isoformat()
    if hasattr(value, "tolist") and type(value).__module__.startswith("numpy"):
        return clean_json(value.tolist(), strict)
    if strict:
        raise TypeError("no JSON: %s" % type(value).__name__)
    if isinstance(value, (set, frozenset)):
        return [clean_json(item) for item in value]
    return clean_text(str(value))


def clean_key(key):
    if isinstance(key, str):
        return clean_text(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    return clean_text(str(key))


FIELDS = (
    ("text", "text/plain"),
    ("html", "text/html"),
    ("markdown", "text/markdown"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("pdf", "application/pdf"),
    ("latex", "text/latex"),
    ("json", "application/json"),
    ("javascript", "application/javascript"),
    ("data", "e2b/data"),
    ("chart", "e2b/chart"),
)


def result_of(bundle, is_main):
    """The line of a result from a bundle of MIME types."""
    import base64

    rest = {}
    for mime, value in bundle.items():
        if isinstance(value, (bytes, bytearray)):
            value = base64.b64encode(value).decode("ascii")
        rest[mime] = clean_json(value)
    line = {"type": "result"}
    for field, mime in FIELDS:
        value = rest.pop(mime, None)
        if value is None:
            continue
        if field == "text" and value[:1] in ("'", '"') and value[-1:] == value[:1]:
            value = value[1:-1]
        line[field] = value
    line["extra"] = {mime: value for mime, value in rest.items() if value is not None}
    line["is_main_result"] = is_main
    return line


def refuse_input(name):
    def refuse(*_args, **_kwargs):
        from IPython.core.error import StdinNotImplementedError

        raise StdinNotImplementedError(
            name + " was called, but this frontend does not support input requests."
        )

    return refuse


class ImageHook:
    """Once Pillow is imported, images are displayed when they are shown, and when they are saved
    under a name. It is not imported for that."""

    def find_spec(self, name, _path, _target=None):
        if name != "PIL.Image":
            return None
        sys.meta_path.remove(self)
        spec = util.find_spec(name)
        if spec is None or not isinstance(spec.loader, machinery.SourceFileLoader):
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            self.change(module.Image)

        spec.loader.exec_module = exec_module
        return spec

    @staticmethod
    def change(image_class):
        from IPython.display import display

        save = image_class.save

        def save_and_display(self, fp, format=None, **params):
            if isinstance(fp, str):
                display(self)
            save(self, fp, format, **params)

        image_class.save = save_and_display
        image_class.show = lambda self, *_args, **_kwargs: display(self)


def make_formatters(shell):
    """DataFrames as data, figures as charts, lists and dictionaries as JSON."""
    from IPython.core.formatters import BaseFormatter, JSONFormatter
    from traitlets import ObjectName, Unicode

    class Data(BaseFormatter):
        format_type = Unicode("e2b/data")
        print_method = ObjectName("_repr_e2b_data_")
        _return_type = (dict, str)

        def __call__(self, obj):
            pandas = sys.modules.get("pandas")
            if pandas is None or not isinstance(obj, getattr(pandas, "DataFrame", ())):
                return super().__call__(obj)
            return obj.to_dict(orient="list")

    class Chart(BaseFormatter):
        format_type = Unicode("e2b/chart")
        print_method = ObjectName("_repr_e2b_chart_")
        _return_type = (dict, str)

        def __call__(self, obj):
            figures = sys.modules.get("matplotlib.figure")
            if figures is None or not isinstance(obj, getattr(figures, "Figure", ())):
                return super().__call__(obj)
            try:
                from e2b_charts import chart_figure_to_dict
            except ImportError:
                return None
            try:
                return chart_figure_to_dict(obj) or {}
            except Exception:
                return {}

    class Json(JSONFormatter):
        def __call__(self, obj):
            if isinstance(obj, (list, dict)):
                try:
                    return clean_json(obj, strict=True)
                except (TypeError, ValueError, RecursionError):
                    pass
            return super().__call__(obj)

    display = shell.display_formatter
    display.formatters["e2b/data"] = Data(parent=display)
    display.formatters["e2b/chart"] = Chart(parent=display)
    display.formatters["application/json"] = Json(parent=display)


def make_shell(wire, output, capture, state):
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Compiler(CachingCompiler):
        def get_code_name(self, raw_code, code, number):
            return "/tmp/kernel_%d/%d.py" % (KERNEL_PID, zlib.crc32(code.encode("utf-8", "replace")))

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, *, update=False, **_kwargs):
            if update or os.getpid() != KERNEL_PID or not output.open:
                return
            capture.drain()
            output.flush()
            wire.send(result_of(data, False))

        def clear_output(self, wait=False):
            pass

    class Hook(DisplayHook):
        def start_displayhook(self):
            capture.drain()
            output.flush()

        def write_output_prompt(self):
            pass

        def write_format_data(self, format_dict, md_dict=None):
            wire.send(result_of(format_dict, True))

        def finish_displayhook(self):
            pass

    class Shell(InteractiveShell):
        compiler_class = Type(Compiler)
        display_pub_class = Type(Publisher)
        displayhook_class = Type(Hook)

        def _showtraceback(self, etype, evalue, stb):
            state.failed = True
            send_error(wire, output, etype.__name__, evalue, "".join(stb))

        def show_usage_error(self, exc):
            self._showtraceback(type(exc), exc, [])

        def ask_exit(self):
            state.exiting = True

        def enable_gui(self, gui=None):
            pass

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.InteractiveShell.banner1 = ""
    shell = Shell.instance(config=config)
    shell.displayhook.exec_result = None
    make_formatters(shell)
    return shell


def send_error(wire, output, name, value, traceback):
    output.flush()
    try:
        value = str(value)
    except Exception:
        value = "<exception str() failed>"
    wire.send(
        {
            "type": "error",
            "name": name,
            "value": clean_text(value),
            "traceback": clean_text(traceback),
        }
    )


class State:
    failed = False  # the cell has shown its error
    exiting = False


class Variables:
    """The variables of one cell: set for it, and as they were after it."""

    def __init__(self, wanted):
        self.before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)

    def restore(self):
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_code(loop, shell, interrupts, code):
    """Inside the loop, as cells expect: one that does not await may make tasks too."""
    try:
        transformed = shell.transform_cell(code)
        error = None
    except Exception:
        transformed = code
        error = sys.exc_info()

    async def run():
        if not shell.should_run_async(code, transformed_cell=transformed, preprocessing_exc_tuple=error):
            return shell.run_cell(code, store_history=True)
        interrupts.task = asyncio.current_task()
        try:
            return await shell.run_cell_async(
                code,
                store_history=True,
                transformed_cell=transformed,
                preprocessing_exc_tuple=error,
            )
        finally:
            interrupts.task = None

    task = loop.create_task(run())
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        # It came outside of the code: what has not begun must not go on with the next cell.
        interrupts.armed = False
        task.cancel()
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        raise


def run_cell(kernel, request):
    wire, output, capture, interrupts, shell, state, loop = kernel
    state.failed = False
    output.open = True
    variables = None
    try:
        interrupts.armed = True
        # From this line on the host may interrupt.
        wire.send({"type": "number_of_executions", "execution_count": shell.execution_count})
        variables = Variables(request.get("env_vars") or {})
        result = run_code(loop, shell, interrupts, request["code"])
        error = result.error_before_exec or result.error_in_exec
        if error is not None and not state.failed:
            # Some the shell has only printed.
            interrupts.armed = False
            capture.drain()
            send_error(wire, output, type(error).__name__, error, "")
    except KeyboardInterrupt as error:
        interrupts.armed = False
        if not state.failed:
            send_error(wire, output, "KeyboardInterrupt", error, "KeyboardInterrupt: ")
    except BaseException as error:
        interrupts.armed = False
        if not state.failed:
            send_error(wire, output, type(error).__name__, error, repr(error))
    interrupts.armed = False
    interrupts.pending = False
    if variables is not None:
        variables.restore()
    capture.drain()
    output.flush()
    output.open = False


def main():
    # No file of the user's may stand in for a module of the kernel's.
    sys.path[:] = [place for place in sys.path if place]
    requests = os.fdopen(os.dup(0), "rb", 1 << 16)
    interrupts = Interrupts()
    wire = Wire(os.dup(1), interrupts)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    sys.argv = [""]
    state = State()
    try:
        import IPython.core.interactiveshell  # noqa: F401
    except ImportError as error:
        text = "The sandbox's Python has no IPython (%s)" % error
        wire.send({"type": "unavailable", "message": text})
        return
    output = Output(wire)
    os.register_at_fork(after_in_child=output.forked)
    capture = Capture(output)
    sys.stdin = open(0, "r", closefd=False)
    sys.stdout = sys.__stdout__ = Stream(output, "stdout", 1)
    sys.stderr = sys.__stderr__ = Stream(output, "stderr", 2)
    shell = make_shell(wire, output, capture, state)
    import builtins
    import getpass

    builtins.input = refuse_input("raw_input")
    getpass.getpass = refuse_input("getpass")
    sys.meta_path.insert(0, ImageHook())
    sys.path.insert(0, "")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel = (wire, output, capture, interrupts, shell, state, loop)
    wire.send({"type": "ready"})
    # Tasks that cells leave behind go on while the next cell is waited for.
    while line := loop.run_until_complete(loop.run_in_executor(None, requests.readline)):
        run_cell(kernel, json.loads(line))
        if state.exiting:
            wire.send({"type": "exiting"})
        wire.send({"type": "end_of_execution"})
        if state.exiting:
            return


main()
