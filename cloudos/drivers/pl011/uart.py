"""Arm's PrimeCell UART PL011 (technical reference manual DDI 0183), by the names of its registers and bits."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, struct
from cloudos.sdk.devices import Registers

UARTDR = 0x000
UARTFR = 0x018
UARTIBRD = 0x024
UARTFBRD = 0x028
UARTLCR_H = 0x02C
UARTCR = 0x030
UARTIFLS = 0x034
UARTIMSC = 0x038
UARTMIS = 0x040
UARTICR = 0x044
UARTPERIPHID0 = 0xFE0
UARTPERIPHID1 = 0xFE4
LENGTH = 0x1000

DR_OE = 1 << 11  # overrun
FR_BUSY = 1 << 3  # bytes are being sent, or wait in the FIFO
FR_RXFE = 1 << 4  # the receive FIFO is empty
FR_TXFF = 1 << 5  # the transmit FIFO is full
LCR_FEN = 1 << 4  # FIFOs
LCR_WLEN_8 = 3 << 5
CR_UARTEN = 1 << 0
CR_TXE = 1 << 8
CR_RXE = 1 << 9
CR_DTR = 1 << 10
CR_RTS = 1 << 11
RXI = 1 << 4  # in IMSC, MIS, ICR: the receive FIFO passed its level
TXI = 1 << 5  # the transmit FIFO fell to its level
RTI = 1 << 6  # received bytes wait for 32 bit periods
OEI = 1 << 10  # overrun
ALL = 0x7FF
IFLS_HALF = 2 << 3 | 2
# The part number, 0x011, in the identification registers.
PART_LOW = 0x11
PART_HIGH = 0x0


@struct
class UartPl011:
    """The chip behind `registers`. `overruns` counts how often received bytes were lost in it."""

    registers: Registers
    enabled: U32 = U32(0)
    overruns: U64 = U64(0)

    def exists(self) -> bool:
        """Whether the part number is a PL011's."""
        low = self.registers.read(U64(UARTPERIPHID0)) & 0xFF
        high = self.registers.read(U64(UARTPERIPHID1)) & 0x0F
        return low == PART_LOW and high == PART_HIGH

    def start(self, clock: U64, baud: U64) -> None:
        """Eight bits, no parity, one stop bit; FIFOs; received bytes interrupt. `clock` is UARTCLK in Hz; 0 leaves
        the rate as the firmware has set it. The manual wants the chip off while it is programmed."""
        self.registers.write(U64(UARTCR), U32(0))
        self.registers.write(U64(UARTIMSC), U32(0))
        if clock > 0 and baud > 0:
            divisor = divisor_of(clock, baud)
            self.registers.write(U64(UARTIBRD), U32.truncate(divisor >> 6))
            self.registers.write(U64(UARTFBRD), U32.truncate(divisor & 0x3F))
        # Writing LCR_H takes the divisor over, and turning FIFOs off empties them.
        self.registers.write(U64(UARTLCR_H), U32(LCR_WLEN_8))
        self.registers.write(U64(UARTLCR_H), U32(LCR_WLEN_8 | LCR_FEN))
        self.registers.write(U64(UARTIFLS), U32(IFLS_HALF))
        self.registers.write(U64(UARTICR), U32(ALL))
        self.enabled = U32(RXI | RTI | OEI)
        self.registers.write(U64(UARTIMSC), self.enabled)
        self.registers.write(U64(UARTCR), U32(CR_UARTEN | CR_TXE | CR_RXE | CR_DTR | CR_RTS))

    def pending(self) -> bool:
        """See `Chip`. Each interrupt is cleared before its cause is looked at, so that none is lost."""
        status = self.registers.read(U64(UARTMIS))
        if status != 0:
            self.registers.write(U64(UARTICR), status)
        return status != 0

    def has_byte(self) -> bool:
        """See `Chip`."""
        return self.registers.read(U64(UARTFR)) & FR_RXFE == 0

    def take(self) -> U8:
        """See `Chip`."""
        data = self.registers.read(U64(UARTDR))
        if data & DR_OE != 0:
            self.overruns = self.overruns.wrapping_add(U64(1))
        return U8.truncate(data)

    def room(self) -> U64:
        """See `Chip`. The chip says only whether it is full."""
        return U64(1) if self.registers.read(U64(UARTFR)) & FR_TXFF == 0 else U64(0)

    def send(self, byte: U8) -> None:
        """See `Chip`."""
        self.registers.write(U64(UARTDR), U32(byte))

    def tell_room(self, wanted: bool) -> None:
        """See `Chip`. TXI comes when a FIFO that was fuller falls to half; `pump` has filled it before it asks."""
        enabled = U32(RXI | RTI | OEI | TXI) if wanted else U32(RXI | RTI | OEI)
        if enabled != self.enabled:
            self.enabled = enabled
            self.registers.write(U64(UARTIMSC), enabled)

    def unsent(self) -> U64:
        """See `Chip`."""
        return U64(1) if self.registers.read(U64(UARTFR)) & FR_BUSY != 0 else U64(0)


def divisor_of(clock: U64, baud: U64) -> U64:
    """The divisor in 64ths: UARTCLK / (16 * baud), rounded, from 1 to 65,535; its low 6 bits are the fraction."""
    return min(max((clock * 8 // baud + 1) // 2, U64(1 << 6)), U64(0xFFFF << 6))
