"""The time of day from a PL031: read once, then counted by the machine's own clock."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.layout import SHARED_START
from cloudos.drivers.rtc.main import serve, set_seconds
from cloudos.lang import U64
from cloudos.sdk.component import held
from cloudos.sdk.devices import Registers

LENGTH = 0x1000
RTCDR = 0x000  # seconds since 1970
RTCPERIPHID0 = 0xFE0
RTCPERIPHID1 = 0xFE4
# The part number, 0x031, in the identification registers.
PART_LOW = 0x31
PART_HIGH = 0x0


def read(registers: Registers) -> U64 | None:
    """Seconds since 1970; None when there is no such chip."""
    low = registers.read(U64(RTCPERIPHID0)) & 0xFF
    high = registers.read(U64(RTCPERIPHID1)) & 0x0F
    if low != PART_LOW or high != PART_HIGH:
        return None
    return U64(registers.read(U64(RTCDR)))


def main() -> None:
    """Serve for ever. Raises what showing the registers does."""
    registers = Registers()
    registers.map(held("registers"), U64(initial.QUOTA), U64(SHARED_START), U64(LENGTH))
    set_seconds(read(registers), held("log"), held("state"))
    serve(held("offer"))
