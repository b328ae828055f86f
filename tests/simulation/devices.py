"""Devices of the simulated machine: a serial port, and a clock that keeps the time of day.

They answer at the ports that the drivers of PCs know, and interrupt on their lines. Seen from the drivers they are
complete as far as the drivers use them.
"""

from __future__ import annotations

import time
from collections import deque

from tests.simulation.kernel import board

SERIAL_PORTS = range(0x3E8, 0x3F0)
SERIAL_LINE = 5
CLOCK_PORTS = range(0x70, 0x72)
SECOND = 1_000_000_000
EPOCH = 1_700_000_000
"""Seconds since 1970 when the machine is switched on."""

# Registers and bits of the 16550 (National Semiconductor, PC16550D).
DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)
RECEIVED, EMPTY = 1, 2
DLAB, OUT2 = 0x80, 8
FIFO = 16
LONGEST_SEND = 200_000


class Serial:
    """A 16550 whose other end waits while there is no room, as QEMU's does. `sent`: all that was sent."""

    def __init__(self, machine: board.Board) -> None:
        self.machine = machine
        self.registers = bytearray(8)
        self.received: deque[int] = deque()
        self.typed: deque[int] = deque()
        self.sending = bytearray()
        self.sent = bytearray()
        self.told_empty = False
        self.is_busy = False

    def type(self, content: bytes) -> None:
        """Bytes come from the other end."""
        self.typed.extend(content)
        self._update()

    def read(self, offset: int, width: int) -> int:
        """A register."""
        if offset == DATA and not self.registers[LCR] & DLAB:
            value = self.received.popleft() if self.received else 0
            self._update()
            return value
        if offset == IIR:
            return self._identify()
        if offset == LSR:
            return bool(self.received) | (0x60 if not self.sending else 0)
        return 0 if offset == MSR else self.registers[offset]

    def write(self, offset: int, width: int, value: int) -> None:
        """A register."""
        value &= 0xFF
        if offset == DATA and not self.registers[LCR] & DLAB:
            self._send(value)
        elif offset == IIR:
            if value & 2:
                self.received.clear()
        elif not (offset in (DATA, IER) and self.registers[LCR] & DLAB):
            if offset == IER and value & EMPTY and not self.registers[IER] & EMPTY:
                self.told_empty = False
            self.registers[offset] = value
        self._update()

    def _send(self, value: int) -> None:
        if len(self.sending) < FIFO:
            self.sending.append(value)
        self.told_empty = True
        if not self.is_busy:
            self.is_busy = True
            delay = self.machine.random.randint(1, LONGEST_SEND)
            self.machine.at(self.machine.clock + delay, lambda _: self._have_sent())

    def _have_sent(self) -> None:
        self.sent += self.sending
        self.sending.clear()
        self.is_busy = False
        self.told_empty = False
        self._update()

    def _wants_to_send(self) -> bool:
        return bool(self.registers[IER] & EMPTY) and not self.sending and not self.told_empty

    def _identify(self) -> int:
        if self.registers[IER] & RECEIVED and self.received:
            return 0xC4
        if self._wants_to_send():
            self.told_empty = True
            self._update()
            return 0xC2
        return 0xC1

    def _update(self) -> None:
        while self.typed and len(self.received) < FIFO:
            self.received.append(self.typed.popleft())
        wants = (self.registers[IER] & RECEIVED and self.received) or self._wants_to_send()
        self.machine.set_line(SERIAL_LINE, bool(wants and self.registers[MCR] & OUT2))


class Clock:
    """An MC146818A, with the century in the register of PCs; binary, 24 hours."""

    def __init__(self, machine: board.Board) -> None:
        self.machine = machine
        self.index = 0

    def now(self) -> int:
        """Seconds since 1970."""
        return EPOCH + self.machine.clock // SECOND

    def read(self, offset: int, width: int) -> int:
        """The index, or the register that it names."""
        if offset == 0:
            return self.index
        at = time.gmtime(self.now())
        fields = {0: at.tm_sec, 2: at.tm_min, 4: at.tm_hour, 7: at.tm_mday, 8: at.tm_mon, 9: at.tm_year % 100}
        return {**fields, 0x0A: 0x26, 0x0B: 0x06, 0x0D: 0x80, 0x32: at.tm_year // 100}.get(self.index, 0)

    def write(self, offset: int, width: int, value: int) -> None:
        """Choose a register."""
        if offset == 0:
            self.index = value & 0x7F
