"""The end of a process: exit, and panics."""

from __future__ import annotations

from typing import Literal, NoReturn

from cloudos.lang import U8, U32, U64, Array, Slice, UserPtr, exported, struct, write_text, zeroed
from cloudos.sdk.console import stderr, stdout
from cloudos.sdk.system import process_exit, process_panic

MESSAGE_LIMIT = 256  # bytes


@struct
class PanicMessage:
    """A `Sink` of fixed size, since a panic must not need the heap; what does not fit is dropped."""

    panicking: bool = False
    used: U64 = U64(0)
    buffer: Array[U8, Literal[256]] = zeroed()

    def write(self, data: Slice[U8]) -> None:
        taken = min(data.length, U64(MESSAGE_LIMIT) - self.used)
        stop = self.used + taken
        self.buffer.slice()[self.used : stop].copy_from(data[0:taken])
        self.used = stop

    def begin(self) -> None:
        """Show the program's output so far, unless it is the output that panics."""
        if not self.panicking:
            self.panicking = True
            stdout.flush()
            stderr.flush()


panic_message = PanicMessage()


def exit(status: U8) -> NoReturn:
    """End the process with this status, all output written."""
    stdout.flush()
    stderr.flush()
    process_exit(status)


@exported("cloudos_panic")
def on_panic(site: U32) -> NoReturn:
    """Compiled code comes here when a check fails."""
    panic_message.begin()
    process_panic(site, UserPtr.at(U8, U64(0)), U64(0))


@exported("cloudos_panic_text")
def on_panic_text(site: U32, message: str) -> NoReturn:
    """Compiled code comes here from `panic` and `assert` with a message."""
    again = panic_message.panicking
    panic_message.begin()
    if not again:
        write_text(panic_message, message)
    text = panic_message.buffer.slice()
    process_panic(site, UserPtr.at(U8, text.pointer.address.value), panic_message.used)
