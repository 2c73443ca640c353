# SPDX-License-Identifier: MIT
# Part of the Python kernel, after python_results.py: the shell, cells, and the program's own life.


def refuse_input(name):
    def refuse(*_args, **_kwargs):
        from IPython.core.error import StdinNotImplementedError

        raise StdinNotImplementedError(
            name + " was called, but this frontend does not support input requests."
        )

    return refuse


def make_shell(wire, output, capture, state):
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Compiler(CachingCompiler):
        def get_code_name(self, raw_code, code, number):
            checksum = zlib.crc32(code.encode("utf-8", "replace"))
            return "/tmp/kernel_%d/%d.py" % (KERNEL_PID, checksum)

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

        def ask_exit(self):
            state.exiting = True

        def enable_gui(self, gui=None):
            pass

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.InteractiveShell.banner1 = ""
    # Long lists are shown whole, as in E2B's template.
    config.PlainTextFormatter.max_seq_length = 0
    shell = Shell.instance(config=config)
    # What E2B's template leaves behind when it starts its shell: code has come to rely on it.
    import IPython

    shell.push({"IPython": IPython, "os": os, "sys": sys}, interactive=False)
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
        if not shell.should_run_async(
            code, transformed_cell=transformed, preprocessing_exc_tuple=error
        ):
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
        try:
            run_cell(kernel, json.loads(line))
        except KeyboardInterrupt:
            # In the kernel's own last steps: the cell is over anyway.
            interrupts.armed = output.open = False
        if state.exiting:
            wire.send({"type": "exiting"})
        wire.send({"type": "end_of_execution"})
        if state.exiting:
            return


main()
