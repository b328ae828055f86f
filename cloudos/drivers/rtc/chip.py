"""The MC146818A real-time clock (Motorola data sheet), behind the index and data ports of a PC."""

from __future__ import annotations

from cloudos.drivers.rtc.calendar_time import Reading, seconds_of
from cloudos.lang import U8, U64, struct
from cloudos.sdk import system
from cloudos.sdk.devices import Ports

INDEX = 0
DATA = 1
SECONDS = 0x00
MINUTES = 0x02
HOURS = 0x04
DAY_OF_MONTH = 0x07
MONTH = 0x08
YEAR = 0x09
REGISTER_A = 0x0A
REGISTER_B = 0x0B
REGISTER_D = 0x0D
CENTURY = 0x32  # of PCs, not of the chip
A_UIP = 0x80  # an update is in progress
B_DM = 0x04  # data mode: binary, and not decimal digits
B_24 = 0x02
D_VRT = 0x80  # valid: the battery was never empty
# An update takes at most 1,984 microseconds, and is announced 244 before.
UPDATE = 5_000_000  # nanoseconds
PAUSE = 100_000  # nanoseconds
TRIES = 8


@struct
class RealTimeClock:
    """The chip at `ports`: two of them."""

    ports: Ports

    def read(self) -> U64 | None:
        """Seconds since 1970; None when there is no clock, it has lost the time, or shows none."""
        if self.get(U64(REGISTER_D)) & D_VRT == 0:
            return None
        mode = self.get(U64(REGISTER_B))
        for _ in U64.range(TRIES):
            # Two equal readings have no update between them, even when we were held up within one.
            if not self.settle():
                return None
            first = self.fields()
            if not self.settle():
                return None
            if first.equals(self.fields()):
                return seconds_of(first, mode & B_DM != 0, mode & B_24 != 0)
        return None

    def settle(self) -> bool:
        """Wait until no update is in progress; False when that takes longer than an update can."""
        end = system.clock_read() + UPDATE
        while self.get(U64(REGISTER_A)) & A_UIP != 0:
            if system.clock_read() > end:
                return False
            system.thread_sleep(U64(PAUSE))
        return True

    def fields(self) -> Reading:
        """The registers of time and date."""
        return Reading(
            self.get(U64(SECONDS)),
            self.get(U64(MINUTES)),
            self.get(U64(HOURS)),
            self.get(U64(DAY_OF_MONTH)),
            self.get(U64(MONTH)),
            self.get(U64(YEAR)),
            self.get(U64(CENTURY)),
        )

    def get(self, register: U64) -> U8:
        """Read a register. Bit 7 of the index port, which blocks non-maskable interrupts in a PC, stays 0."""
        self.ports.write_u8(U64(INDEX), U8.truncate(register))
        return self.ports.read_u8(U64(DATA))
