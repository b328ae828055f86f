"""The 16550D UART (National Semiconductor data sheet PC16550D), by the names of its registers and bits."""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, BadHandle, Denied, PeerGone, WrongKind
from cloudos.lang import U8, U64, panic, struct
from cloudos.sdk.devices import Ports

# Registers, by port. RBR, THR and IER are DLL and DLM while LCR.DLAB is set.
RBR = 0  # read: receiver buffer
THR = 0  # write: transmitter holding
DLL = 0  # divisor latch, low
IER = 1  # interrupt enable
DLM = 1  # divisor latch, high
IIR = 2  # read: interrupt identification
FCR = 2  # write: FIFO control
LCR = 3  # line control
MCR = 4  # modem control
LSR = 5  # line status
MSR = 6  # modem status
SCR = 7  # scratch
COUNT = 8

ERBFI = 0x01  # IER: received data
ETBEI = 0x02  # IER: transmitter holding register empty
ELSI = 0x04  # IER: receiver line status
IIR_NONE = 0x01  # no interrupt is pending
IIR_ID = 0x0F
IIR_MODEM = 0x00
FCR_ENABLE = 0x01
FCR_RESET = 0x06  # both FIFOs
FCR_TRIGGER_8 = 0x80  # interrupt from 8 received bytes on, or after a pause of 4 characters
LCR_8N1 = 0x03
LCR_DLAB = 0x80
MCR_DTR = 0x01
MCR_RTS = 0x02
MCR_OUT2 = 0x08  # in a PC, it lets the interrupt through
LSR_DR = 0x01  # data ready
LSR_OE = 0x02  # overrun
LSR_THRE = 0x20  # with the FIFO enabled: it is empty
LSR_TEMT = 0x40  # the FIFO and the register behind it are empty
FIFO = 16  # bytes
CLOCK = 115_200  # baud for a divisor of 1


@struct
class Uart16550:
    """The chip at `ports`. `overruns` counts how often received bytes were lost in it."""

    ports: Ports
    enabled: U8 = U8(0)
    overruns: U64 = U64(0)

    def exists(self) -> bool:
        """Whether there is such a chip: its scratch register keeps what is written, unlike a port with nothing."""
        self.set(U64(SCR), U8(0x5A))
        first = self.get(U64(SCR)) == 0x5A
        self.set(U64(SCR), U8(0xA5))
        return first and self.get(U64(SCR)) == 0xA5 and self.get(U64(LSR)) != 0xFF

    def start(self, baud: U64) -> None:
        """Eight bits, no parity, one stop bit, at most 115,200 `baud`; empty FIFOs; received bytes interrupt."""
        divisor = max(U64(CLOCK) // max(baud, U64(1)), U64(1))
        self.set(U64(IER), U8(0))
        self.set(U64(LCR), U8(LCR_8N1 | LCR_DLAB))
        self.set(U64(DLL), U8.truncate(divisor))
        self.set(U64(DLM), U8.truncate(divisor >> 8))
        self.set(U64(LCR), U8(LCR_8N1))
        self.set(U64(FCR), U8(FCR_ENABLE | FCR_RESET | FCR_TRIGGER_8))
        self.set(U64(MCR), U8(MCR_DTR | MCR_RTS | MCR_OUT2))
        self.get(U64(LSR))
        self.get(U64(MSR))
        self.enabled = U8(ERBFI | ELSI)
        self.set(U64(IER), self.enabled)

    def pending(self) -> bool:
        """See `Chip`. Reading IIR ends the interrupt of the transmitter, reading MSR that of the modem."""
        identification = self.get(U64(IIR)) & IIR_ID
        if identification & IIR_NONE != 0:
            return False
        if identification == IIR_MODEM:
            self.get(U64(MSR))
        return True

    def has_byte(self) -> bool:
        """See `Chip`."""
        status = self.get(U64(LSR))
        # Reading LSR clears OE: here is the only place that sees it when bytes come.
        self.count_overrun(status)
        return status & LSR_DR != 0

    def take(self) -> U8:
        """See `Chip`."""
        return self.get(U64(RBR))

    def room(self) -> U64:
        """See `Chip`."""
        status = self.get(U64(LSR))
        self.count_overrun(status)
        return U64(FIFO) if status & LSR_THRE != 0 else U64(0)

    def send(self, byte: U8) -> None:
        """See `Chip`."""
        self.set(U64(THR), byte)

    def tell_room(self, wanted: bool) -> None:
        """See `Chip`."""
        enabled = U8(ERBFI | ELSI | ETBEI) if wanted else U8(ERBFI | ELSI)
        if enabled != self.enabled:
            self.enabled = enabled
            self.set(U64(IER), enabled)

    def unsent(self) -> U64:
        """See `Chip`."""
        status = self.get(U64(LSR))
        self.count_overrun(status)
        return U64(0) if status & LSR_TEMT != 0 else U64(1)

    def count_overrun(self, status: U8) -> None:
        """Note what a line status says about lost bytes."""
        if status & LSR_OE != 0:
            self.overruns = self.overruns.wrapping_add(U64(1))

    def get(self, register: U64) -> U8:
        """Read a register."""
        try:
            return self.ports.read_u8(register)
        except (BadArgument, BadHandle, Denied, PeerGone, WrongKind):
            panic("the ports of the serial line were taken away")

    def set(self, register: U64, value: U8) -> None:
        """Write a register."""
        try:
            self.ports.write_u8(register, value)
        except (BadArgument, BadHandle, Denied, PeerGone, WrongKind):
            panic("the ports of the serial line were taken away")
