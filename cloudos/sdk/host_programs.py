"""The host's programs and files behind `cloudos.sdk.programs`, for tests and for running under plain CPython.

Not part of compiled programs. Handles are the host's descriptors plus one; a program's working directory is its
variable PWD, as in the machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal as signals
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import cast

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.contracts import errors
from cloudos.contracts import files as flags_of
from cloudos.contracts.programs import STOPPED
from cloudos.contracts.streams import Status
from cloudos.lang import I64, U8, U64, Error, Slice
from cloudos.lang.slices import read_only
from cloudos.sdk import programs as programs
from cloudos.sdk.collections.byte_buffer import ByteBuffer

ERRORS: dict[int, type[Error]] = {
    errno.ENOENT: NotFound,
    errno.EACCES: Denied,
    errno.EPERM: Denied,
    errno.EBADF: Denied,
    errno.EEXIST: errors.Exists,
    errno.EISDIR: errors.IsDirectory,
    errno.ENOTDIR: errors.NotDirectory,
    errno.ENOSPC: errors.NoSpace,
    errno.ENAMETOOLONG: errors.NameTooLong,
    errno.EPIPE: errors.BrokenPipe,
    errno.ESPIPE: errors.NotSeekable,
    errno.EROFS: errors.ReadOnly,
    errno.ENOEXEC: errors.BadProgram,
}
KINDS = {
    stat.S_IFREG: flags_of.FILE,
    stat.S_IFDIR: flags_of.DIRECTORY,
    stat.S_IFIFO: flags_of.PIPE,
    stat.S_IFCHR: flags_of.DEVICE,
    stat.S_IFBLK: flags_of.DEVICE,
}


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the host as those of the contracts."""
    try:
        yield
    except OSError as error:
        raise ERRORS.get(error.errno or 0, errors.ServiceGone) from error


@dataclass
class HostProgram:
    """A program that was prepared, and its process once it runs."""

    path: bytes
    arguments: list[bytes] = field(default_factory=list)
    variables: dict[bytes, bytes] = field(default_factory=dict)
    streams: dict[bytes, int] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | Forked | None = None
    group: int = 0
    most: tuple[int, int] = (0, 0)
    """Bytes of memory, and descriptors, that it may have; 0: no limit."""

    def limit(self) -> None:
        """In its process, before it runs."""
        for kind, most in zip((resource.RLIMIT_AS, resource.RLIMIT_NOFILE), self.most, strict=True):
            if most:
                resource.setrlimit(kind, (most, most))

    def close(self) -> None:
        """Give up the streams: it has them, or never will."""
        for descriptor in self.streams.values():
            os.close(descriptor)
        self.streams.clear()


STANDARD = {b"stdin": 0, b"stdout": 1, b"stderr": 2}


class Forked:
    """A process that `os.fork` made, with as much of `subprocess.Popen` as is needed here."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status, if it has ended."""
        return self.look(os.WNOHANG)

    def wait(self) -> int:
        """Its status, when it has ended."""
        status = self.look(0)
        assert status is not None
        return status

    def look(self, options: int) -> int | None:
        """Ask the host."""
        if self.returncode is None:
            found, status = os.waitpid(self.pid, options)
            if found:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


class HostSystem:
    """The host as a `System`."""

    def __init__(self) -> None:
        self.programs: dict[int, HostProgram] = {}
        self.next = 1
        self.contents: dict[str, bytes] = {}
        self.arrived = 0
        self.again: Callable[[], int] | None = None
        self.most = (0, 0)
        """Runs this program's `main` once more, in a process that was forked: a program that is given bytes."""

    def create(self, path: Slice[U8], memory: U64, handles: U64) -> U64:
        name = bytes(path)
        with translated():
            if os.path.isdir(name) or (os.path.exists(name) and not os.access(name, os.X_OK)):
                raise Denied
            with open(name, "rb") as file:
                if file.read(2) not in (b"\x7fE", b"#!"):
                    raise errors.BadProgram
        number = self.next
        self.next += 1
        self.programs[number] = HostProgram(name)
        given = zip((int(memory), int(handles)), self.most, strict=True)
        self.programs[number].most = cast(tuple[int, int], tuple(min(filter(None, pair), default=0) for pair in given))
        return U64(number)

    def limits(self) -> tuple[U64, U64]:
        return U64(self.most[0]), U64(self.most[1])

    def own_memory(self) -> U64:
        return U64(0)

    def add_argument(self, program: U64, value: Slice[U8]) -> None:
        self.programs[int(program)].arguments.append(bytes(value))

    def add_variable(self, program: U64, name: Slice[U8], value: Slice[U8]) -> None:
        self.programs[int(program)].variables[bytes(name)] = bytes(value)

    def give(self, program: U64, name: Slice[U8], capability: U64) -> None:
        self.programs[int(program)].streams[bytes(name)] = os.dup(int(capability) - 1)

    def start(self, program: U64, group: U64) -> U64:
        one = self.programs[int(program)]
        try:
            number = self.fork(one) if one.contents else self.execute(one)
            one.group = int(group) or number
            return U64(number)
        finally:
            one.close()

    def execute(self, one: HostProgram) -> int:
        """Start the host's program; its number."""
        given = [one.streams.get(name, subprocess.DEVNULL) for name in (b"stdin", b"stdout", b"stderr")]
        with translated():
            one.process = subprocess.Popen(
                one.arguments,
                executable=one.path,
                env=one.variables,
                cwd=one.variables.get(b"PWD", b"/"),
                stdin=given[0],
                stdout=given[1],
                stderr=given[2],
                umask=int(one.variables.get(b"UMASK", b"022"), 8),
                preexec_fn=one.limit if one.most != (0, 0) else None,
            )
        return one.process.pid

    def fork(self, one: HostProgram) -> int:
        """Run this program itself as a child; its number."""
        sys.stdout.flush()
        number = os.fork()
        if number == 0:
            status = 70
            try:
                self.become(one)
                assert self.again is not None
                status = self.again()
            finally:
                os._exit(status & 0xFF)
        one.process = Forked(number)
        return number

    def become(self, one: HostProgram) -> None:
        """In a child: have its streams, under their own numbers, and nothing else that is open."""
        wanted = {}
        for name, descriptor in one.streams.items():
            number = STANDARD.get(name)
            wanted[int(name.removeprefix(b"stream")) if number is None else number] = os.dup(descriptor)
        moved = {number: fcntl.fcntl(copy, fcntl.F_DUPFD, 200) for number, copy in wanted.items()}
        signals.signal(signals.SIGINT, signals.SIG_DFL)
        os.closerange(0, 200)
        for number, copy in moved.items():
            os.dup2(copy, number)
        os.closerange(200, 256)
        self.contents = one.contents
        self.most = one.most
        self.programs = {}
        self.arrived = 0

    def wait(self, program: U64) -> U64:
        process = self.programs[int(program)].process
        if process is None:
            raise BadArgument
        status = process.wait()
        return U64(status if status >= 0 else 128 - status)

    def wait_change(self, program: U64) -> U64:
        process = self.programs[int(program)].process
        if process is None:
            raise BadArgument
        if process.returncode is not None:
            return self.wait(program)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return U64(STOPPED + os.WSTOPSIG(status))
        process.returncode = os.waitstatus_to_exitcode(status)
        return self.wait(program)

    def poll(self, program: U64) -> U64 | None:
        process = self.programs[int(program)].process
        if process is None:
            raise BadArgument
        status = process.poll()
        return None if status is None else U64(status if status >= 0 else 128 - status)

    def forget(self, program: U64) -> None:
        one = self.programs.pop(int(program))
        one.close()
        if one.process is not None and one.process.poll() is None:
            one.process.returncode = -1  # it goes on, and nobody asks for its status any more

    def kill(self, number: U64, group: bool, signal: U64) -> None:
        running = [one for one in self.programs.values() if one.process and one.process.returncode is None]
        members = [one.process.pid for one in running if one.process and one.group == number]
        try:
            for member in members if group and members else [int(number)]:
                os.kill(member, int(signal))
        except ProcessLookupError:
            raise NotFound from None
        except OSError:
            raise BadArgument from None

    def own(self) -> tuple[U64, U64]:
        return U64(os.getpid()), U64(0)

    def attend(self, mask: U64) -> None:
        for number in range(1, 32):
            if int(mask) >> number & 1:
                signals.signal(number, self.note)

    def note(self, number: int, frame: object) -> None:
        """A signal came."""
        self.arrived |= 1 << number

    def signals(self, patience: U64) -> U64:
        if not self.arrived:
            time.sleep(int(patience) / 1e9)
        found, self.arrived = self.arrived, 0
        return U64(found)

    def interrupted(self) -> bool:
        return False

    def give_bytes(self, program: U64, name: str, content: Slice[U8]) -> None:
        self.programs[int(program)].contents[name] = bytes(content)

    def bytes_given(self, name: str, into: ByteBuffer) -> bool:
        if name not in self.contents:
            return False
        into.write(read_only(self.contents.pop(name)))
        return True

    def set_foreground(self, group: U64) -> None:
        """The host's terminal is not ours to rule."""

    def pipe(self) -> tuple[U64, U64]:
        reading, writing = os.pipe()
        return U64(reading + 1), U64(writing + 1)

    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64:
        wanted = int(flags)
        both = flags_of.READ | flags_of.WRITE
        native = os.O_RDWR if wanted & both == both else os.O_WRONLY if wanted & flags_of.WRITE else os.O_RDONLY
        for bit, option in (
            (flags_of.APPEND, os.O_APPEND),
            (flags_of.CREATE, os.O_CREAT),
            (flags_of.EXCLUSIVE, os.O_EXCL),
            (flags_of.TRUNCATE, os.O_TRUNC),
        ):
            native |= option if wanted & bit else 0
        with translated():
            return U64(os.open(bytes(path), native | os.O_CLOEXEC, int(mode)) + 1)

    def read(self, stream: U64, into: Slice[U8]) -> U64:
        with translated():
            content = os.read(int(stream) - 1, int(into.length))
        into[0 : len(content)].copy_from(read_only(content))
        return U64(len(content))

    def write(self, stream: U64, data: Slice[U8]) -> U64:
        with translated():
            return U64(os.write(int(stream) - 1, bytes(data)))

    def seek(self, stream: U64, offset: I64, origin: U64) -> U64:
        with translated():
            return U64(os.lseek(int(stream) - 1, int(offset), int(origin)))

    def close(self, stream: U64) -> None:
        with suppress(OSError):
            os.close(int(stream) - 1)

    def stream_status(self, stream: U64) -> Status:
        with translated():
            return as_status(os.fstat(int(stream) - 1), os.isatty(int(stream) - 1))

    def status(self, path: Slice[U8]) -> Status:
        with translated():
            return as_status(os.stat(bytes(path)), False)

    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        with translated():
            names = os.listdir(bytes(path))
        content = b""
        for name in names[int(position) :]:
            if len(content) + len(name) + 1 > int(into.length):
                break
            content += name + b"\0"
        into[0 : len(content)].copy_from(read_only(content))
        return U64(len(content))

    def remove(self, path: Slice[U8]) -> None:
        with translated():
            os.unlink(bytes(path))

    def standard_stream(self, number: U64) -> U64:
        try:
            os.fstat(int(number))
        except OSError:
            return U64(0)
        return number + 1


def as_status(found: os.stat_result, terminal: bool) -> Status:
    """What the host says of a file, as the contract tells it."""
    kind = flags_of.TERMINAL if terminal else KINDS.get(stat.S_IFMT(found.st_mode), flags_of.DEVICE)
    return Status(
        kind=U64(kind),
        mode=U64(found.st_mode & 0o777),
        length=U64(found.st_size),
        modified=U64(found.st_mtime_ns),
        number=U64(found.st_ino),
        mount=U64(found.st_dev),
        links=U64(found.st_nlink),
    )


def use() -> HostSystem:
    """Let the host answer from now on; the model."""
    model = HostSystem()
    programs.SYSTEM = model
    return model
