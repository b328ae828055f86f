"""From a Python file to a boot image: compile the kernel and the program, and remember what they were made from.

Starting the compiler means importing it, the SDK, the kernel and the program. An unchanged program does not pay
for that: beside each compiled file lies the list of all files that were read to make it, with size and time of
change, and as long as all of them are as they were the compiled file is used as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudos import __version__
from cloudos.host import bundle, state, usual
from cloudos.host.apart import apart, is_used
from cloudos.host.bootstrap import say, write_atomically
from cloudos.host.bundle import Entry, Kind
from cloudos.host.elf import stripped
from cloudos.host.errors import CannotRun, NotFound, ToolError

FORMAT = 2
"""Of the list of sources; raise it when its meaning changes."""

SPECIAL = ("/proc/", "/sys/", "/dev/")

MOST_FILE = 1 << 32
"""Bytes of a file for the guest at most, where no machine's memory sets the limit."""


@dataclass(frozen=True)
class Image:
    """What boots: the kernel and the program as ELF files; `init` when that starts the program and not the kernel."""

    kernel: Path
    program: Path
    init: Path | None = None


@dataclass(frozen=True)
class Inputs:
    """What a program is given, as bytes; `arguments` without argument 0."""

    name: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[Path, str], ...] = ()
    policy: Path | None = None


def build(source: Path, architecture: str | None = None, *, debug: bool = False) -> Image:
    """Compile what is not compiled yet, for an architecture or the usual one; `debug`: without optimisation, so that a
    debugger sees every line and local.

    Raises NotFound, CannotRun and CompileError for the program, ToolError.
    """
    architecture = architecture or usual.architecture()
    check_source(source)
    # The kernel first: the modules it was made from must not include the program's.
    kernel = build_kernel(architecture, debug=debug)
    return Image(kernel, build_program(source, architecture, debug=debug))


def build_program(source: Path, architecture: str, *, debug: bool = False, small: bool = False) -> Path:
    """The program alone, as an ELF file."""
    check_source(source)
    program = program_file(source, architecture, debug=debug, small=small)
    level = "0" if debug else "s" if small else "2"
    if is_used("cloudos.sdk") and not up_to_date(program.with_suffix(".sources.json"), str(source), program):
        apart(build_program, source, architecture, debug=debug, small=small)
        return program
    compiled(program, str(source), lambda: compile_program(source, architecture, program, level))
    return program


def program_file(source: Path, architecture: str, *, debug: bool = False, small: bool = False) -> Path:
    """Where the ELF file of a program is, once it is compiled."""
    identity = hashlib.sha256(os.fsencode(source.resolve())).hexdigest()[:16]
    return folder(architecture, debug, small) / f"{source.stem}-{identity}.elf"


def is_built(source: Path, architecture: str, *, small: bool = False) -> bool:
    """Whether a program is compiled, and nothing that it was made from has changed."""
    program = program_file(source, architecture, small=small)
    return up_to_date(program.with_suffix(".sources.json"), str(source), program)


def build_kernel(architecture: str, *, debug: bool = False) -> Path:
    """The kernel alone. Raises ToolError for an architecture that has none."""
    if not has_kernel(architecture):
        raise ToolError(f"there is no kernel for {architecture} yet", "x86_64 has one")
    # Only code that is not optimised has instructions for each line.
    debug = debug or bool(os.environ.get(state.KERNEL_LINES))
    kernel = folder(architecture, debug) / "kernel.elf"
    if is_used("cloudos.kernel") and not up_to_date(kernel.with_suffix(".sources.json"), "", kernel):
        apart(build_kernel, architecture, debug=debug)
        return kernel
    compiled(kernel, "", lambda: compile_kernel(architecture, kernel, debug))
    return kernel


def folder(architecture: str, debug: bool, small: bool = False) -> Path:
    """Where the compiled files of one kind are."""
    return state.directory() / "build" / f"{architecture}{'-debug' if debug else '-small' if small else ''}"


def has_kernel(architecture: str) -> bool:
    """Whether the kernel's hardware layer is written for an architecture."""
    return (state.ROOT / "cloudos" / "kernel" / "hal" / architecture / "image.py").is_file()


def check_source(source: Path) -> None:
    """Refuse early what cannot be a program. Raises NotFound or CannotRun."""
    try:
        text = source.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"{source}: no such file", "give the path of a Python file") from error
    except IsADirectoryError as error:
        raise CannotRun(f"{source} is a directory", "give the path of a Python file") from error
    except OSError as error:
        raise CannotRun(f"cannot read {source}: {error.strerror}") from error
    try:
        readable = "\0" not in text.decode("utf-8")
    except UnicodeDecodeError:
        readable = False
    if not readable:
        raise CannotRun(f"{source} is not a Python file", "a program is Python source text in UTF-8")


def compile_kernel(architecture: str, output: Path, debug: bool) -> None:
    """Compile the kernel into `output`."""
    from cloudos.compiler import api

    state.use_cache()
    if debug:
        api.compile_kernel(architecture, output, optimize="0")
    else:
        api.compile_kernel(architecture, output)


def compile_program(source: Path, architecture: str, output: Path, level: str) -> None:
    """Compile a program into `output`; `level` as the compiler has it. Raises what the compiler raises."""
    from cloudos.compiler import api

    state.use_cache()
    api.compile_program(source, architecture, output, optimize=level)


def compiled(output: Path, name: str, compile_it: Callable[[], None]) -> None:
    """Make `output` unless it is newer than all it was made from. Raises ToolError and CompileError."""
    record = output.with_suffix(".sources.json")
    if up_to_date(record, name, output):
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    started = time.time_ns()
    with reads() as seen, working(f"compiling {name or 'the kernel'}", long=not name):
        compile_it()
    if not output.exists():
        raise ToolError(f"the compiler reported success but {output} is not there", "please report this as a defect")
    sources = describe(set(loaded_modules()) | seen)
    if any(changed >= started for _, changed in sources.values()):
        return  # edited while we compiled: what was read is not known, so that the next run compiles again
    # The output is described too: another process may replace it by what it made from older sources.
    made = describe([str(output)])
    content = {"format": FORMAT, "name": name, "environment": environment(), "sources": sources, "made": made}
    write_atomically(record, json.dumps(content).encode())


def up_to_date(record: Path, name: str, output: Path) -> bool:
    """Whether `output` and every file listed in `record` are as they were."""
    try:
        known = json.loads(record.read_text())
        sources = known["sources"]
        same = (known["format"], known["name"], known["environment"]) == (FORMAT, name, environment())
        made = output.exists() and known["made"] == describe([str(output)])
        return bool(same and made and describe(sources) == sources)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def environment() -> str:
    """What decides the compiler's output besides the files it reads: this Python and the installed packages."""
    return f"{__version__} {sys.version} {state.installation()}"


@contextmanager
def working(what: str, long: bool) -> Iterator[None]:
    """Say what is being done: on a terminal while it lasts, elsewhere as a line, and only when it is `long`."""
    shown = sys.stderr is not None and sys.stderr.isatty()
    if shown:
        print(f"\rcloudos: {what} …", end="", file=sys.stderr, flush=True)
    elif long:
        say(what)
    try:
        yield
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)  # CSI K: erase to the end of the line


def describe(paths: Iterable[str]) -> dict[str, list[int]]:
    """Size in bytes and time of change in nanoseconds of each file; [0, 0] when it is not there."""
    found = {}
    for path in paths:
        try:
            status = os.stat(path)
            found[path] = [status.st_size, status.st_mtime_ns]
        except OSError:
            found[path] = [0, 0]
    return found


def loaded_modules() -> Iterator[str]:
    """The source files of all modules imported so far that are not part of Python or of an installed package."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith(".py") and may_change(path):
            yield os.path.abspath(path)


def may_change(path: str) -> bool:
    """Whether a file may change from run to run: not Python's own, not installed, not made by the tool."""
    return not path.startswith((f"{os.path.dirname(os.__file__)}/", f"{state.directory()}/", *SPECIAL))


@contextmanager
def reads() -> Iterator[set[str]]:
    """Collects the files that are opened for reading: a program's top level may read data while it is compiled."""
    seen: set[str] = set()
    active = True

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if not active or event != "open" or not isinstance(arguments[0], str):
            return
        path, mode = arguments[0], arguments[1]
        if (mode is None or "r" in str(mode)) and not path.endswith(".pyc") and may_change(path):
            seen.add(os.path.abspath(path))

    sys.addaudithook(note)  # cannot be removed again, hence `active`
    try:
        yield seen
    finally:
        active = False


def make_bundle(program: Path, inputs: Inputs, room: int = MOST_FILE) -> bytes:
    """The boot bundle of a program that the kernel itself starts. Raises what `given` does."""
    first = Entry(Kind.PROGRAM, os.fsencode(inputs.name), stripped(program.read_bytes()))
    return bundle.encode([first, *given(inputs, room)])


def given(inputs: Inputs, room: int = MOST_FILE) -> list[Entry]:
    """The entries that a program is given. Raises NotFound or ToolError for a file that cannot be read or has more than
    `room` bytes, and for a policy that is none."""
    files: dict[bytes, bytes] = {}
    for path, guest in inputs.files:
        if os.fsencode(guest) in files:
            raise ToolError(f"two files are to be {guest} in the guest", "give each its own path: --file HOST:GUEST")
        files[os.fsencode(guest)] = read_file(path, room)
    arguments = [os.fsencode(text) for text in (inputs.name, *inputs.arguments)]
    variables = {os.fsencode(key): os.fsencode(value) for key, value in inputs.environment}
    policy = read_policy(inputs.policy) if inputs.policy else b""
    return bundle.given(arguments, variables, files, policy)


def read_policy(path: Path) -> bytes:
    """A policy written in TOML, as the machine takes it. Raises NotFound, or ToolError with file and line."""
    from cloudos.abi.policy import PolicyError, encode

    try:
        return encode(path.read_text())
    except PolicyError as error:
        raise ToolError(f"{path}:{error.line}: {error}", "docs/security.md says how policies are written") from error
    except FileNotFoundError as error:
        raise NotFound(f"--policy: {path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ToolError(f"--policy: cannot read {path}: {error}") from error


def read_file(path: Path, room: int) -> bytes:
    """The content of a file for the guest. Raises NotFound, or ToolError also for more than `room` bytes."""
    try:
        with path.open("rb") as file:
            # A regular file tells its size; a device such as /dev/zero may never end.
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > room else file.read(room + 1)
    except FileNotFoundError as error:
        raise NotFound(f"--file: {path}: no such file") from error
    except IsADirectoryError as error:
        raise ToolError(f"--file: {path} is a directory", "give each file with a --file of its own") from error
    except OSError as error:
        raise ToolError(f"--file: cannot read {path}: {error.strerror}") from error
    if size > room or len(content) > room:
        from cloudos.host.machine import describe as describe_size

        raise ToolError(f"--file: {path} is larger than {describe_size(room)}", "give the machine more --memory")
    return content
