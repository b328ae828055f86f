"""Which instructions need privilege: what a general protection fault of a program was about."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice


def is_privileged(code: Slice[U8]) -> bool:
    """Whether machine code starts with an instruction that needs privilege: AMD64 manual volume 3, chapter 5."""
    index = U64(0)
    while index < code.length and _is_prefix(code[index]):
        index = index + 1
    if index >= code.length:
        return False
    first = code[index]
    if first == 0x0F:
        if index + 1 >= code.length:
            return False
        return _is_privileged_extended(code[index + 1])
    # HLT, CLI, STI, INT n; IN and OUT with immediate and DX; INS and OUTS.
    if first == 0xF4 or first == 0xFA or first == 0xFB or first == 0xCD:
        return True
    return (first >= 0xE4 and first <= 0xE7) or (first >= 0xEC and first <= 0xEF) or (first >= 0x6C and first <= 0x6F)


def _is_prefix(byte: U8) -> bool:
    return byte == 0x66 or byte == 0xF2 or byte == 0xF3 or (byte >= 0x40 and byte <= 0x4F)


def _is_privileged_extended(second: U8) -> bool:
    """Second byte after 0F: system descriptors, CLTS, SYSRET, INVD, WBINVD, moves with CR and DR, WRMSR, RDMSR…"""
    if second <= 0x01 or (second >= 0x06 and second <= 0x09):
        return True
    return (second >= 0x20 and second <= 0x23) or second == 0x30 or second == 0x32 or second == 0x35
