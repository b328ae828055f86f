"""Output and panics of the benchmark under Linux."""

from __future__ import annotations

from typing import Literal, NoReturn

from bench.linux import calls
from cloudos.lang import U8, U32, U64, Array, Slice, exported, struct, unreachable, write_text, zeroed

STANDARD_OUTPUT = 1


@struct
class Line:
    """A `Sink` for one line; what does not fit is dropped."""

    used: U64 = U64(0)
    buffer: Array[U8, Literal[256]] = zeroed()

    def write(self, data: Slice[U8]) -> None:
        taken = min(data.length, U64(256) - self.used)
        self.buffer.slice()[self.used : self.used + taken].copy_from(data[0:taken])
        self.used = self.used + taken

    def flush(self) -> None:
        """Write it to standard output, which is the machine's serial line."""
        address = self.buffer.slice().pointer.address.value
        calls.write(U64(STANDARD_OUTPUT), address, self.used)
        self.used = U64(0)


LINE = Line()


def say(key: str, value: U64) -> None:
    """Print a key and a number."""
    write_text(LINE, f"{key} {value}\n")
    LINE.flush()


@exported("cloudos_panic")
def on_panic(site: U32) -> NoReturn:
    """Compiled code comes here when a check fails."""
    write_text(LINE, f"panic at line {site & 0xFFFF}\n")
    LINE.flush()
    calls.exit(U64(1))
    unreachable()


@exported("cloudos_panic_text")
def on_panic_text(site: U32, message: str) -> NoReturn:
    """Compiled code comes here from `panic` and `assert` with a message."""
    write_text(LINE, f"panic at line {site & 0xFFFF}: {message}\n")
    LINE.flush()
    calls.exit(U64(1))
    unreachable()
