"""Models of chips behind `Ports` and `Registers`, and the system calls with which drivers reach them."""

from __future__ import annotations

from collections import deque
from typing import Protocol

from cloudos.abi.errors import BadArgument
from cloudos.lang import U64
from cloudos.sdk.local_system import LocalModel

PORTS = 50
INTERRUPT = 51
NOTIFICATION = 52


class PortChip(Protocol):
    """A chip with registers of eight bits."""

    def read(self, offset: int) -> int: ...

    def write(self, offset: int, value: int) -> None: ...


class DeviceModel(LocalModel):
    """System calls with one device of ports. `signals` and `acknowledged` say what a driver did."""

    def __init__(self, chip: PortChip) -> None:
        super().__init__()
        self.chip = chip
        self.signals: list[tuple[int, int]] = []
        self.acknowledged = 0

    def device_read(self, device: U64, offset: U64, width: U64) -> U64:
        if device != PORTS or width != 1:
            raise BadArgument
        return U64(self.chip.read(int(offset)))

    def device_write(self, device: U64, offset: U64, width: U64, value: U64) -> None:
        if device != PORTS or width != 1:
            raise BadArgument
        self.chip.write(int(offset), int(value))

    def interrupt_acknowledge(self, interrupt: U64) -> None:
        assert interrupt == INTERRUPT
        self.acknowledged += 1

    def notification_signal(self, notification: U64, bits: U64) -> None:
        self.signals.append((int(notification), int(bits)))


class Model16550:
    """A 16550D by its data sheet: FIFOs of 16, interrupts by priority, divisor latch, overrun."""

    def __init__(self) -> None:
        self.line: deque[int] = deque()
        self.fifo: deque[int] = deque()
        self.sent = bytearray()
        self.sending: deque[int] = deque()
        self.ier = self.lcr = self.fcr = self.mcr = self.scratch = 0
        self.divisor = 12
        self.overrun = False
        self.empty_pending = False

    def come(self, content: bytes) -> None:
        """Bytes arrive: what does not fit into the FIFO is lost."""
        for byte in content:
            if len(self.fifo) < (16 if self.fcr & 1 else 1):
                self.fifo.append(byte)
            else:
                self.overrun = True

    def go(self, count: int = 16) -> None:
        """So many bytes leave."""
        for _ in range(min(count, len(self.sending))):
            self.sent.append(self.sending.popleft())
            if not self.sending:
                self.empty_pending = True

    @property
    def interrupts(self) -> bool:
        """Whether the interrupt line is active."""
        return self.mcr & 8 != 0 and self.identification() != 1

    def identification(self) -> int:
        if self.ier & 4 and self.overrun:
            return 6
        if self.ier & 1 and self.fifo:
            return 4 if len(self.fifo) >= 8 else 12
        if self.ier & 2 and self.empty_pending:
            return 2
        return 1

    def read(self, offset: int) -> int:
        if self.lcr & 0x80 and offset < 2:
            return self.divisor >> 8 * offset & 0xFF
        if offset == 0:
            return self.fifo.popleft() if self.fifo else 0
        if offset == 2:
            found = self.identification()
            if found == 2:
                self.empty_pending = False
            return found | (0xC0 if self.fcr & 1 else 0)
        if offset == 5:
            status = (1 if self.fifo else 0) | (2 if self.overrun else 0) | (0 if self.sending else 0x60)
            self.overrun = False
            return status
        return {1: self.ier, 3: self.lcr, 4: self.mcr, 6: 0xB0, 7: self.scratch}[offset]

    def write(self, offset: int, value: int) -> None:
        if self.lcr & 0x80 and offset < 2:
            self.divisor = self.divisor & ~(0xFF << 8 * offset) | value << 8 * offset
        elif offset == 0:
            assert len(self.sending) < 16, "a byte is written over another"
            self.sending.append(value)
            self.empty_pending = False
            if self.fcr & 1 == 0:
                self.go()
        elif offset == 1:
            if value & 2 and not self.ier & 2 and not self.sending:
                self.empty_pending = True
            self.ier = value
        elif offset == 2:
            if value & 2:
                self.fifo.clear()
            if value & 4:
                self.sending.clear()
            self.fcr = value
        elif offset == 3:
            self.lcr = value
        elif offset == 4:
            self.mcr = value
        elif offset == 7:
            self.scratch = value


class Nothing:
    """Ports behind which there is nothing."""

    def read(self, offset: int) -> int:
        return 0xFF

    def write(self, offset: int, value: int) -> None:
        return
