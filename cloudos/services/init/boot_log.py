"""The boot log as a stream: what components write to it appears on the machine's own console."""

from __future__ import annotations

from cloudos.abi.errors import Denied
from cloudos.contracts.errors import NotSeekable
from cloudos.contracts.files import TERMINAL
from cloudos.contracts.streams import Status
from cloudos.lang import I64, U8, U64, Slice, struct
from cloudos.sdk.console import send, stdout

BOOT_STREAM = 3  # of console_write


def use_boot_log() -> None:
    """From now on, what this process prints is for the boot log."""
    stdout.stream = U64(BOOT_STREAM)


@struct
class BootLog:
    """Implements `Stream`. Everybody shares it, and nobody can close it."""

    written: U64 = U64(0)

    def read(self, into: Slice[U8]) -> U64:
        """See `Stream`."""
        raise Denied

    def write(self, data: Slice[U8]) -> U64:
        """See `Stream`."""
        stdout.flush()
        send(U64(BOOT_STREAM), data)
        self.written = self.written.wrapping_add(data.length)
        return data.length

    def seek(self, offset: I64, origin: U64) -> U64:
        """See `Stream`."""
        raise NotSeekable

    def status(self) -> Status:
        """See `Stream`."""
        return Status(U64(TERMINAL), U64(0o200))

    def truncate(self, length: U64) -> None:
        """See `Stream`."""
        raise NotSeekable

    def share(self) -> None:
        """See `Stream`."""

    def close(self) -> None:
        """See `Stream`."""


BOOT_LOG = BootLog()
