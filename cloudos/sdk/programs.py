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

from cloudos.abi import initial, layout
from cloudos.abi.errors import BadArgument, BadHandle, NotFound, SystemCallError
from cloudos.abi.objects import MEMORY_PAID
from cloudos.contracts.console import Console
from cloudos.contracts.errors import NoSpace, NotSeekable, ServiceError, ServiceGone
from cloudos.contracts.files import Files
from cloudos.contracts.programs import STOPPED, Program, Programs
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Ptr, Slice, VirtAddr, managed, struct
from cloudos.sdk import arguments, shared_console, system
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import has_console, held, held_as
from cloudos.sdk.console import stderr, stdin, stdout
from cloudos.sdk.environment import is_terminal
from cloudos.sdk.memory import READ, WRITE, Memory, unmap, view
from cloudos.sdk.quotas import usage

PORTION = 4000  # bytes; what a `Stream` takes at a time
PAGE = layout.PAGE_SIZE
CONSOLE = 1 << 62  # and 0, 1, 2: the console of a program that was started without streams


class System(Protocol):
    """What programs and streams need: the machine's services, or a model of them."""

    def create(self, path: Slice[U8], memory: U64, handles: U64) -> U64: ...
    def limits(self) -> tuple[U64, U64]: ...
    def own_memory(self) -> U64: ...
    def add_argument(self, program: U64, value: Slice[U8]) -> None: ...
    def add_variable(self, program: U64, name: Slice[U8], value: Slice[U8]) -> None: ...
    def give(self, program: U64, name: Slice[U8], capability: U64) -> None: ...
    def start(self, program: U64, group: U64) -> U64: ...
    def wait(self, program: U64) -> U64: ...
    def wait_change(self, program: U64) -> U64: ...
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
    def own(self) -> tuple[U64, U64]: ...
    def attend(self, mask: U64) -> None: ...
    def signals(self, patience: U64) -> U64: ...
    def interrupted(self) -> bool: ...
    def give_bytes(self, program: U64, name: str, content: Slice[U8]) -> None: ...
    def bytes_given(self, name: str, into: ByteBuffer) -> bool: ...


@struct
class Machine:
    """The services of the machine."""

    # The notification that gets the signals this program attends to; 0: none yet.
    bell: U64 = U64(0)

    def programs(self) -> Programs:
        """The session of the loader. Raises ServiceGone when there is none."""
        return Programs(session("programs"))

    def files(self) -> Files:
        """The session of the file service. Raises ServiceGone when there is none."""
        return Files(session("files"))

    def create(self, path: Slice[U8], memory: U64, handles: U64) -> U64:
        """A program that has not started. Raises what `Programs.create_within` does."""
        made = self.programs().create_within(path, memory, handles)
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

    def limits(self) -> tuple[U64, U64]:
        """See `Programs`; zeros also where there is no loader."""
        try:
            return self.programs().limits()
        except ServiceError:
            return U64(0), U64(0)

    def own_memory(self) -> U64:
        """Bytes of the quota of this process."""
        _, limit = usage(U64(initial.QUOTA))
        return limit

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
        """See `Program`. A stream of the machine's console goes through this program; nothing is given without one."""
        if capability < CONSOLE:
            Program(program).give(name, capability)
            return
        shared = shared_console.stream(capability - CONSOLE, is_terminal())
        if shared != 0:
            # What this program has printed so far comes first.
            stdout.flush()
            Program(program).give(name, shared)

    def start(self, program: U64, group: U64) -> U64:
        """See `Program`."""
        return Program(program).start(group)

    def wait(self, program: U64) -> U64:
        """See `Program`."""
        return Program(program).wait()

    def wait_change(self, program: U64) -> U64:
        """See `Program`."""
        return Program(program).wait_change()

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
        """The handle of the stream that this program was given under a number; 0 when there is none."""
        if has_console():
            return U64(CONSOLE) + number if number < 3 else U64(0)
        match number:
            case 0:
                return held("stdin")
            case 1:
                return held("stdout")
            case 2:
                return held("stderr")
            case _:
                return held_as(Text(f"stream{number}").content)

    def own(self) -> tuple[U64, U64]:
        """See `Programs`; zeros also where there is no loader."""
        try:
            return self.programs().own()
        except ServiceError:
            return U64(0), U64(0)

    def attend(self, mask: U64) -> None:
        """See `Programs`. Nothing happens where programs do not get signals."""
        try:
            if self.bell == 0:
                self.bell = system.notification_create(U64(initial.QUOTA))
            self.programs().attend(self.bell, mask)
        except (ServiceError, SystemCallError):
            pass

    def signals(self, patience: U64) -> U64:
        """Signals that came, as bits, after waiting so many nanoseconds for some."""
        try:
            if self.bell != 0:
                return system.notification_wait(self.bell, U64(0) if patience == 0 else system.clock_read() + patience)
            if patience > 0:
                system.thread_sleep(patience)
        except SystemCallError:
            pass
        return U64(0)

    def interrupted(self) -> bool:
        """See `Console`. Never, when the program holds no terminal."""
        handle = held("console")
        try:
            return handle != 0 and Console(handle).interrupted()
        except ServiceError:
            return False

    def give_bytes(self, program: U64, name: str, content: Slice[U8]) -> None:
        """Give a program bytes in memory of this one, the length before them. Raises NoSpace, ServiceGone."""
        memory = Memory()
        length = (content.length + (8 + PAGE - 1)) // PAGE * PAGE
        try:
            memory.create(U64(initial.QUOTA), length, U64(MEMORY_PAID))
        except SystemCallError:
            raise NoSpace
        try:
            address = memory.map(U64(0), length, U64(READ | WRITE))
            Ptr.at(U64, VirtAddr(address)).value = content.length
            view(address, length)[8 : 8 + content.length].copy_from(content)
            unmap(address, length)
            key = Text(name)
            Program(program).give(key.content, memory.handle)
        except SystemCallError:
            raise NoSpace
        finally:
            drop_handle(memory.handle)

    def bytes_given(self, name: str, into: ByteBuffer) -> bool:
        """Take what `give_bytes` gave this program under a name; False when nothing was."""
        memory = Memory(held(name))
        if memory.handle == 0:
            return False
        try:
            length = memory.inspect().length
            address = memory.map(U64(0), length, U64(READ))
            count = Ptr.at(U64, VirtAddr(address)).value
            into.write(view(address, length)[8 : 8 + count])
            unmap(address, length)
        except SystemCallError:
            return False
        drop_handle(memory.handle)
        return True


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
    group: U64
    ended: bool
    status: U64

    def __init__(self, path: Text, memory: U64 = U64(0), handles: U64 = U64(0)) -> None:
        """Prepare the program file at an absolute path. It and what it starts get so many bytes of memory at most, and
        so many handles; 0: as many as there are. Raises what `Programs.create_within` does."""
        self.handle = SYSTEM.create(path.content, memory, handles)
        self.number = U64(0)
        self.group = U64(0)
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
        self.group = self.number if group == 0 else group
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

    def settle(self) -> bool:
        """Wait for its end, or until it is stopped: whether it has ended. `status` is then 128 plus the number of the
        signal that stopped it. Raises ServiceGone."""
        if not self.ended:
            try:
                self.status = SYSTEM.wait_change(self.handle)
            except BadArgument:
                self.status = U64(127)  # it never started
            self.ended = self.status < STOPPED
            if not self.ended:
                self.status = self.status - STOPPED + 128
        return self.ended

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

    def give_bytes(self, name: str, content: Slice[U8]) -> None:
        """Give it bytes, which it finds by `bytes_given`. Raises NoSpace, ServiceGone."""
        SYSTEM.give_bytes(self.handle, name, content)


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


def own() -> tuple[U64, U64]:
    """The number and the group of this program; zeros for a component."""
    return SYSTEM.own()


def limits() -> tuple[U64, U64]:
    """The limits of this program, of memory in bytes and of handles, as who started it gave them; 0: none."""
    return SYSTEM.limits()


def own_memory() -> U64:
    """Bytes of memory that this program may have by its quota; 0 where it has none, under CPython."""
    return SYSTEM.own_memory()


def attend(mask: U64) -> None:
    """From now on signals N with bit N in `mask` do not end this program: `signals` tells of them."""
    SYSTEM.attend(mask)


def signals(patience: U64) -> U64:
    """Signals that came, as bits, after waiting so many nanoseconds for some."""
    return SYSTEM.signals(patience)


def interrupted() -> bool:
    """Whether the interrupt key of the terminal was pressed while no group was in the foreground; told once."""
    return SYSTEM.interrupted()


def standard_stream(number: U64) -> U64:
    """The handle of this program's standard input, output or error (0, 1, 2), or of another stream that it was given
    by number; 0 when it was given none."""
    return SYSTEM.standard_stream(number)
