"""Programs: from a file to a running process, and to its end. The loader service offers this."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound, QuotaExceeded
from cloudos.contracts.errors import BadProgram, NameTooLong, NoSpace, ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation

# Signals that end a program, by their POSIX numbers; its status is then 128 plus the number.
INTERRUPT = 2
KILL = 9
PIPE = 13
TERMINATE = 15
# Those that stop it, and the one that lets it go on. A program may attend to all of them but STOP.
CONTINUE = 18
STOP = 19
TERMINAL_STOP = 20
LAST_STOP = 22
# What `wait_change` adds to the number of the signal that stopped a program.
STOPPED = 256


@contract(number=3, version=3)
class Programs:
    """A session of the loader. Programs started in it may start others with what they were given."""

    handle: U64

    @operation(1, raises=(NotFound, Denied, BadProgram, NameTooLong, QuotaExceeded, ServiceGone), returns_handle=True)
    def create(self, path: Slice[U8]) -> U64:
        """Prepare to run a program file: a handle to a `Program` that has not started."""
        raise NotImplementedError

    @operation(2, raises=(QuotaExceeded, ServiceGone), returns_handle=2)
    def pipe(self) -> tuple[U64, U64]:
        """A pipe: handles to two `Stream`s, for reading and for writing."""
        raise NotImplementedError

    @operation(3, raises=(NotFound, Denied, BadArgument, ServiceGone))
    def kill(self, number: U64, group: bool, signal: U64) -> None:
        """End a program by its number, or all of a group; signal 0 ends nothing and tells whether there is one.

        A program that attends to a signal gets it instead; nobody can attend to KILL and STOP. STOP and the three
        signals behind it stop a program, CONTINUE lets it go on.
        """
        raise NotImplementedError

    @operation(4, raises=(ServiceGone,), fills="into")
    def list(self, position: U64, into: Slice[U8]) -> U64:
        """Programs from number `position` on, a zero byte after each; how many bytes, 0 at the end.

        Each is `number parent group state memory time name`: bytes of memory, and nanoseconds since it started.
        """
        raise NotImplementedError

    @operation(5, raises=(ServiceGone,), since=2)
    def own(self) -> tuple[U64, U64]:
        """The number and the group of the program that asks; zeros for a component."""
        raise NotImplementedError

    @operation(6, raises=(Denied, ServiceGone), shares=("bell",), since=2)
    def attend(self, bell: U64, mask: U64) -> None:
        """From now on signals N with bit N in `mask` do not end the program that asks: they set bit N of `bell`."""
        raise NotImplementedError

    @operation(
        7, raises=(NotFound, Denied, BadProgram, NameTooLong, QuotaExceeded, ServiceGone), returns_handle=True, since=3
    )
    def create_within(self, path: Slice[U8], memory: U64, handles: U64) -> U64:
        """`create` with limits: bytes of memory, and how many handles the program may hold, rounded up to a multiple of
        63; 0 where there is to be none. Limits of the program that asks hold besides, and all hold for what the new one
        starts too.
        """
        raise NotImplementedError

    @operation(8, raises=(ServiceGone,), since=3)
    def limits(self) -> tuple[U64, U64]:
        """The limits that the program that asks was given, of memory and handles; 0 where there is none."""
        raise NotImplementedError


@contract(number=4, version=2)
class Program:
    """One program: first what it is given, then its life."""

    handle: U64

    @operation(1, raises=(NoSpace, ServiceGone))
    def add_argument(self, value: Slice[U8]) -> None:
        """One more argument; the first is the program's name."""
        raise NotImplementedError

    @operation(2, raises=(NoSpace, ServiceGone))
    def add_variable(self, name: Slice[U8], value: Slice[U8]) -> None:
        """One more environment variable."""
        raise NotImplementedError

    @operation(3, raises=(NoSpace, ServiceGone), shares=("capability",))
    def give(self, name: Slice[U8], capability: U64) -> None:
        """Give it a capability. `stdin`, `stdout`, `stderr` and names that begin with `stream` are `Stream`s, which the
        loader shares and closes."""
        raise NotImplementedError

    @operation(4, raises=(BadArgument, NotFound, QuotaExceeded, ServiceGone))
    def start(self, group: U64) -> U64:
        """Run it, in a group of programs or, with 0, in a new one of its own number; its number."""
        raise NotImplementedError

    @operation(5, raises=(BadArgument, ServiceGone))
    def wait(self) -> U64:
        """Wait for its end: its exit status, 128 plus N when fault or signal N ended it."""
        raise NotImplementedError

    @operation(6, raises=(ServiceGone,))
    def close(self) -> None:
        """It is not of interest any more. One that has not started is forgotten; one that runs goes on."""
        raise NotImplementedError

    @operation(7, raises=(ServiceGone,))
    def poll(self) -> U64 | None:
        """The exit status, or None while it runs."""
        raise NotImplementedError

    @operation(8, raises=(QuotaExceeded, ServiceGone), returns_handle=True)
    def process(self) -> U64:
        """A handle to its process, for who is to control it by system calls."""
        raise NotImplementedError

    @operation(9, raises=(BadArgument, NoSpace, QuotaExceeded, ServiceGone), moves=("memory",))
    def add_long(self, name: Slice[U8], memory: U64, length: U64) -> None:
        """`add_variable` of a value of `length` bytes in lent memory, or `add_argument` when there is no name."""
        raise NotImplementedError

    @operation(10, raises=(BadArgument, ServiceGone), since=2)
    def wait_change(self) -> U64:
        """Wait for its end or until it is stopped: its exit status, or STOPPED plus the number of the signal."""
        raise NotImplementedError
