"""Terminals for people: lines are edited by the service; keys can be had one by one."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice
from cloudos.sdk.contract import contract, operation

# Why edit_line came back: the first byte of what it filled in.
ACCEPTED = 0x0A
COMPLETE = 0x09
END = 0x04
INTERRUPT = 0x03


@contract(number=5, version=3)
class Console:
    """A session of a terminal. The same handle is a `Stream`: reading gives edited lines, writing shows bytes."""

    handle: U64

    @operation(1, raises=(ServiceGone,), fills="into")
    def edit_line(self, prompt: Slice[U8], text: Slice[U8], cursor: U64, into: Slice[U8]) -> U64:
        """Let a person edit a line that begins as `text` with the cursor behind `cursor` bytes of it.

        Fills in why it ended (ACCEPTED, COMPLETE: the Tab key, END: of file on an empty line, INTERRUPT), the cursor
        in two bytes, the lower first, and the line; how many bytes that is.
        """
        raise NotImplementedError

    @operation(2, raises=(ServiceGone,))
    def remember(self, line: Slice[U8]) -> None:
        """Put a line into the history of the session."""
        raise NotImplementedError

    @operation(3, raises=(ServiceGone,))
    def window(self) -> tuple[U64, U64]:
        """Columns and rows."""
        raise NotImplementedError

    @operation(4, raises=(BadArgument, ServiceGone))
    def set_mode(self, raw: bool) -> None:
        """Raw: keys are read as they come, without echo, and the interrupt key is a key like others."""
        raise NotImplementedError

    @operation(5, raises=(ServiceGone,))
    def set_foreground(self, group: U64) -> None:
        """The group of programs that the interrupt key ends; 0 for none."""
        raise NotImplementedError

    @operation(6, raises=(ServiceGone,), fills="into")
    def history(self, position: U64, into: Slice[U8]) -> U64:
        """A remembered line, the oldest has number 0; how many bytes, 0 behind the last."""
        raise NotImplementedError

    @operation(7, raises=(ServiceGone,), since=2)
    def interrupted(self) -> bool:
        """Whether the interrupt key was pressed while no group was in the foreground; that is told once."""
        raise NotImplementedError

    @operation(8, raises=(ServiceGone,), since=3)
    def unsent(self) -> U64:
        """How many bytes of all that was shown have not left the machine: 0 when all have."""
        raise NotImplementedError
