"""The interrupt: one line of the interrupt controller, bound to signals of a notification.

A line is open only while it is bound. When it interrupts, the kernel masks it if it is level-triggered, and sets the
signals; the driver quiets its device and opens the line again. The binding ends, and the line is masked, with the
notification, and whenever a handle to the interrupt that has CONTROL is taken away: whoever still has one may bind it
again. Neither object keeps the other: each binding is in LINES.
"""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal import interrupts
from cloudos.kernel.hal.interface import MAXIMUM_LINES
from cloudos.kernel.objects.header import Header
from cloudos.kernel.objects.notification import Notification
from cloudos.lang import U64, Array, Ptr, null, place, struct, zeroed


@struct
class Interrupt:
    """`flags` are those of `cloudos.abi.devices`. Not bound: `notification` is null."""

    header: Header = zeroed()
    line: U64 = U64(0)
    flags: U64 = U64(0)
    notification: Ptr[Notification] = null()
    bits: U64 = U64(0)

    def configure(self, is_open: bool) -> None:
        """Open or mask the line."""
        interrupts.configure(self.line, self.flags, is_open)

    def unbind(self) -> None:
        """Mask the line for good."""
        self.notification = null()
        self.configure(False)


@struct
class Lines:
    """The interrupt object of each line."""

    of: Array[Ptr[Interrupt], Literal[48]] = zeroed()


LINES = place(Lines())


def leave_line(interrupt: Ptr[Interrupt]) -> None:
    """The object goes. Its line may have a new one."""
    if LINES.of[interrupt.value.line] == interrupt:
        LINES.of[interrupt.value.line] = null()


def unbind_all(notification: Ptr[Notification]) -> None:
    """It goes: no line signals it any more."""
    if notification.value.has_interrupts:
        for line in U64.range(MAXIMUM_LINES):
            interrupt = LINES.of[line]
            if not interrupt.is_null() and interrupt.value.notification == notification:
                interrupt.value.unbind()
