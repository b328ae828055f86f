"""Starting programs, and the streams that connect them: a small interface over the loader and the file service.

    launch = Launch(Text("/bin/wc"))
    launch.add_argument(Text("wc"))
    launch.give("stdin", reading)
    launch.start(U64(0))
    status = launch.wait()

In the machine these are messages to the services that the program holds under the names `programs` and `files`. Under
CPython a model over the host answers once `cloudos.sdk.host_programs.use()` was called: `SYSTEM` is the one place where
the two meet. Stream handles are numbers; 0 is never one. Functions raise what the operations of the contracts raise.
"""

from __future__ import annotations

from typing import Protocol

from cloudos.abi.errors import BadArgument, BadHandle, NotFound
from cloudos.contracts.console import Console
from cloudos.contracts.errors import NotSeekable, ServiceError, ServiceGone
from cloudos.contracts.files import Files
from cloudos.contracts.programs import Program, Programs
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Slice, managed, struct
from cloudos.sdk import arguments, system
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held, is_component
from cloudos.sdk.console import stderr, stdin, stdout

PORTION = 4000  # bytes; what a `Stream` takes at a time
CONSOLE = 1 << 62  # and 0, 1, 2: the console of a program that was started without streams


class System(Protocol):
    """What programs and streams need: the machine's services, or a model of them."""

    def create(self, path: Slice[U8]) -> U64: ...
    def add_argument(self, program: U64, value: Slice[U8]) -> None: ...
    def add_variable(self, program: U64, name: Slice[U8], value: Slice[U8]) -> None: ...
    def give(self, program: U64, name: Slice[U8], capability: U64) -> None: ...
    def start(self, program: U64, group: U64) -> U64: ...
    def wait(self, program: U64) -> U64: ...
    def poll(self, program: U64) -> U64 | None: ...
    def forget(self, program: U64) -> None: ...
    def kill(self, number: U64, group: bool, signal: U64) -> None: ...
    def set_foreground(self, group: U64) -> None: ...
    def pipe(self) -> tuple[U64, U64]: ...
    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64: ...
    def read(self, stream: U64, into: Slice[U8]) -> U64: ...
    def write(self, stream: U64, data: Slice[U8]) -> U64: ...
    def seek(self, stream: U64, offset: I64, origin: U64) -> U64: ...
    def close(self, stream: U64) -> None: ...
    def stream_status(self, stream: U64) -> Status: ...
    def status(self, path: Slice[U8]) -> Status: ...
    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64: ...
    def remove(self, path: Slice[U8]) -> None: ...
    def standard_stream(self, number: U64) -> U64: ...


@struct
class Machine:
    """The services of the machine."""

    unused: U64 = U64(0)

    def programs(self) -> Programs:
        """The session of the loader. Raises ServiceGone when there is none."""
        return Programs(session("programs"))

    def files(self) -> Files:
        """The session of the file service. Raises ServiceGone when there is none."""
        return Files(session("files"))

    def create(self, path: Slice[U8]) -> U64:
        """A program that has not started. Raises what `Programs.create` does."""
        made = self.programs().create(path)
        # Programs may start others and use files as this one does; the loader makes sessions of their own of these.
        self.hand_on(made, "files")
        self.hand_on(made, "programs")
        self.hand_on(made, "supervisor")
        self.hand_on(made, "console")
        self.hand_on(made, "log")
        self.hand_on(made, "clock")
        self.hand_on(made, "entropy")
        self.hand_on(made, "audit")
        self.hand_on(made, "names")
        self.hand_on(made, "policy")
        return made

    def hand_on(self, program: U64, name: str) -> None:
        """Give a program what this one holds under a name, if it does."""
        handle = held(name)
        if handle != 0:
            key = Text(name)
            Program(program).give(key.content, handle)

    def add_argument(self, program: U64, value: Slice[U8]) -> None:
        """See `Program`."""
        arguments.add_argument(Program(program), value)

    def add_variable(self, program: U64, name: Slice[U8], value: Slice[U8]) -> None:
        """See `Program`."""
        arguments.add_variable(Program(program), name, value)

    def give(self, program: U64, name: Slice[U8], capability: U64) -> None:
        """See `Program`."""
        Program(program).give(name, capability)

    def start(self, program: U64, group: U64) -> U64:
        """See `Program`."""
        return Program(program).start(group)

    def wait(self, program: U64) -> U64:
        """See `Program`."""
        return Program(program).wait()

    def poll(self, program: U64) -> U64 | None:
        """See `Program`."""
        return Program(program).poll()

    def forget(self, program: U64) -> None:
        """Give up a program's handle; a program that runs goes on."""
        try:
            Program(program).close()
        except ServiceError:
            pass
        drop_handle(program)

    def kill(self, number: U64, group: bool, signal: U64) -> None:
        """See `Programs`."""
        self.programs().kill(number, group, signal)

    def set_foreground(self, group: U64) -> None:
        """See `Console`. Nothing happens when the program holds no terminal."""
        handle = held("console")
        if handle != 0:
            Console(handle).set_foreground(group)

    def pipe(self) -> tuple[U64, U64]:
        """See `Programs`."""
        return self.programs().pipe()

    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64:
        """See `Files`."""
        return self.files().open(path, flags, mode)

    def read(self, stream: U64, into: Slice[U8]) -> U64:
        """See `Stream`."""
        return stdin.read(into) if stream >= CONSOLE else Stream(stream).read(into)

    def write(self, stream: U64, data: Slice[U8]) -> U64:
        """See `Stream`; at most PORTION bytes at a time."""
        if stream < CONSOLE:
            return Stream(stream).write(data)
        output = stdout if stream == CONSOLE + 1 else stderr
        output.write(data)
        output.flush()
        return data.length

    def seek(self, stream: U64, offset: I64, origin: U64) -> U64:
        """See `Stream`."""
        if stream >= CONSOLE:
            raise NotSeekable
        return Stream(stream).seek(offset, origin)

    def close(self, stream: U64) -> None:
        """Give up a stream and its handle."""
        if stream >= CONSOLE:
            return
        try:
            Stream(stream).close()
        except ServiceError:
            pass
        drop_handle(stream)

    def stream_status(self, stream: U64) -> Status:
        """See `Stream`."""
        if stream >= CONSOLE:
            return Status()
        return Stream(stream).status()

    def status(self, path: Slice[U8]) -> Status:
        """See `Files`."""
        return self.files().status(path)

    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        """See `Files`."""
        return self.files().list(path, position, into)

    def remove(self, path: Slice[U8]) -> None:
        """See `Files`."""
        self.files().remove(path)

    def standard_stream(self, number: U64) -> U64:
        """The handle of stream 0, 1 or 2 that this program was given; 0 when there is none."""
        if not is_component():
            return U64(CONSOLE) + number
        if number == 0:
            return held("stdin")
        return held("stdout") if number == 1 else held("stderr")


def session(name: str) -> U64:
    """The handle that is held under a name. Raises ServiceGone when there is none."""
    handle = held(name)
    if handle == 0:
        raise ServiceGone
    return handle


def drop_handle(handle: U64) -> None:
    """Close a handle of this process, if it is one."""
    try:
        system.handle_close(handle)
    except BadHandle:
        pass


SYSTEM: System = Machine()


@managed
class Launch:
    """One program: first what it is given, then its life. Dropping the object lets the program run on."""

    handle: U64
    number: U64
    ended: bool
    status: U64

    def __init__(self, path: Text) -> None:
        """Prepare the program file at an absolute path. Raises what `Programs.create` does."""
        self.handle = SYSTEM.create(path.content)
        self.number = U64(0)
        self.ended = False
        self.status = U64(0)

    def drop(self) -> None:
        SYSTEM.forget(self.handle)

    def add_argument(self, value: Text) -> None:
        """One more argument; the first is the program's name. Raises NoSpace, ServiceGone."""
        SYSTEM.add_argument(self.handle, value.content)

    def add_variable(self, name: Text, value: Text) -> None:
        """One more environment variable. Raises NoSpace, ServiceGone."""
        SYSTEM.add_variable(self.handle, name.content, value.content)

    def give(self, name: str, stream: U64) -> None:
        """Give it a stream as `stdin`, `stdout` or `stderr`. The caller keeps its own. Raises NoSpace, ServiceGone."""
        key = Text(name)
        SYSTEM.give(self.handle, key.content, stream)

    def start(self, group: U64) -> U64:
        """Run it, in a group or with 0 in a new one; its number. Raises what `Program.start` does."""
        self.number = SYSTEM.start(self.handle, group)
        return self.number

    def wait(self) -> U64:
        """Wait for its end; its exit status, 128 plus N when fault or signal N ended it. Raises ServiceGone."""
        if not self.ended:
            try:
                self.status = SYSTEM.wait(self.handle)
            except BadArgument:
                self.status = U64(127)  # it never started
            self.ended = True
        return self.status

    def poll(self) -> U64 | None:
        """The exit status, or None while it runs. Raises ServiceGone."""
        if not self.ended:
            status = SYSTEM.poll(self.handle)
            if status is None:
                return None
            self.status = status
            self.ended = True
        return self.status

    def kill(self, signal: U64) -> None:
        """End it. Nothing happens when it has ended. Raises Denied, ServiceGone."""
        try:
            SYSTEM.kill(self.number, False, signal)
        except (NotFound, BadArgument):
            pass


def make_pipe() -> tuple[U64, U64]:
    """Handles to two streams, for reading and for writing. Raises QuotaExceeded, ServiceGone."""
    return SYSTEM.pipe()


def open_stream(path: Text, flags: U64, mode: U64) -> U64:
    """Open the file at an absolute path; flags: see `cloudos.contracts.files`. Raises what `Files.open` does."""
    return SYSTEM.open(path.content, flags, mode)


def write_all(stream: U64, data: Slice[U8]) -> None:
    """Write all the bytes. Raises Denied, NoSpace, BrokenPipe, ServiceGone."""
    sent = U64(0)
    while sent < data.length:
        sent += SYSTEM.write(stream, data[sent : min(sent + PORTION, data.length)])


def read(stream: U64, into: Slice[U8]) -> U64:
    """Read some bytes; how many, 0 at the end. Raises Denied, IsDirectory, Interrupted, ServiceGone."""
    return SYSTEM.read(stream, into)


def close(stream: U64) -> None:
    """Give up a stream."""
    SYSTEM.close(stream)


def kill(number: U64, group: bool, signal: U64) -> None:
    """End a program, or all of a group. Raises NotFound, Denied, BadArgument, ServiceGone."""
    SYSTEM.kill(number, group, signal)


def set_foreground(group: U64) -> None:
    """The group that the interrupt key of the terminal ends; 0 for none."""
    try:
        SYSTEM.set_foreground(group)
    except ServiceError:
        pass


def standard_stream(number: U64) -> U64:
    """The handle of this program's standard input, output or error (0, 1, 2); 0 when it was given none."""
    return SYSTEM.standard_stream(number)
