"""Which instructions need privilege: what an undefined instruction of a program was about."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, Slice


def is_privileged(code: Slice[U8]) -> bool:
    """Whether machine code starts with an instruction that needs privilege (DDI 0487, section C4.1).

    Those are HVC, SMC and HLT, ERET, and what moves or operates on system registers.
    """
    if code.length < 4:
        return False
    word = U32(0)
    for index in U64.range(4):
        word = word >> 8 | U32(code[index]) << 24
    if word & 0xFFC0_0000 == 0xD500_0000 or word & 0xFFFF_F000 == 0xD69F_0000:
        return True
    kind = word & 0xFFE0_001F
    return kind == 0xD400_0002 or kind == 0xD400_0003 or kind == 0xD440_0000
