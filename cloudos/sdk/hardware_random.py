"""The processor's own random numbers: RDSEED and RDRAND of x86_64, RNDR of AArch64.

    if seed_source() != NONE:
        word = random_word()

A program on AArch64 cannot ask what its processor has (the registers that say so are the kernel's), so there the answer
is NONE. Under CPython `MODEL` stands for the processor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from cloudos.lang import U32, U64, Template, machine

NONE = 0
RDRAND = 1
RDSEED = 2

RDRAND_BIT = 30  # CPUID leaf 1, ECX
RDSEED_BIT = 18  # CPUID leaf 7, EBX
LAST_LEAF = 7
ATTEMPTS = 100  # an instruction may have no number ready for a while

_X86_64_LOST = ("cc",)
_AARCH64_LOST = ("cc",)


@dataclass
class Processor:
    """What CPython has instead of the instructions."""

    source: int = RDSEED
    word: Callable[[], int] = lambda: int.from_bytes(os.urandom(8), "little")


MODEL = Processor()


@machine(
    x86_64=Template("cpuid", results=("=a", "=b", "=c", "=d"), inputs={"leaf": "a", "subleaf": "c"}),
    aarch64=Template(
        "mov %w[result0], wzr; mov %w[result1], wzr; mov %w[result2], wzr; mov %w[result3], wzr",
        results=("=&r", "=&r", "=&r", "=&r"),
        inputs={"leaf": "r", "subleaf": "r"},
    ),
)
def identify(leaf: U32, subleaf: U32) -> tuple[U32, U32, U32, U32]:
    """CPUID: EAX, EBX, ECX, EDX. All zero where there is no such instruction."""
    if leaf == 0:
        return U32(LAST_LEAF), U32(0), U32(0), U32(0)
    if leaf == 1:
        return U32(0), U32(0), U32(1 << RDRAND_BIT if MODEL.source == RDRAND else 0), U32(0)
    return U32(0), U32(1 << RDSEED_BIT if MODEL.source == RDSEED else 0), U32(0), U32(0)


@machine(
    x86_64=Template(
        "movq $0, %[result1]; rdrandq %[result0]; adcq $0, %[result1]", results=("=&r", "=&r"), clobbers=_X86_64_LOST
    ),
    aarch64=Template(
        "mrs %[result0], s3_3_c2_c4_0; cset %[result1], ne", results=("=&r", "=&r"), clobbers=_AARCH64_LOST
    ),
)
def _generate() -> tuple[U64, U64]:
    """RDRAND or RNDR: a number, and 1 when it is one."""
    return U64(MODEL.word()), U64(1)


@machine(
    x86_64=Template(
        "movq $0, %[result1]; rdseedq %[result0]; adcq $0, %[result1]", results=("=&r", "=&r"), clobbers=_X86_64_LOST
    ),
    aarch64=Template(
        "mrs %[result0], s3_3_c2_c4_1; cset %[result1], ne", results=("=&r", "=&r"), clobbers=_AARCH64_LOST
    ),
)
def _seed() -> tuple[U64, U64]:
    """RDSEED or RNDRRS: a number, and 1 when it is one."""
    return U64(MODEL.word()), U64(1)


def seed_source() -> U64:
    """The best that the processor has: RDSEED, RDRAND or NONE."""
    last, _, _, _ = identify(U32(0), U32(0))
    if last >= LAST_LEAF:
        _, features, _, _ = identify(U32(LAST_LEAF), U32(0))
        if features.bit(RDSEED_BIT):
            return U64(RDSEED)
    if last >= 1:
        _, _, more, _ = identify(U32(1), U32(0))
        if more.bit(RDRAND_BIT):
            return U64(RDRAND)
    return U64(NONE)


def random_word(source: U64) -> U64 | None:
    """A number from what `seed_source` found; None when the processor gives none, also after many attempts."""
    for _ in U64.range(ATTEMPTS):
        if source == RDSEED:
            word, good = _seed()
        elif source == RDRAND:
            word, good = _generate()
        else:
            return None
        if good != 0:
            return word
    return None
