"""The vector registers of threads: saved and loaded only for threads that use them.

While a thread runs that never did, it is kept from them, and they hold what a new thread is given. Its first use is a
trap, after which it pays at every switch.
"""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal.aarch64 import cpu
from cloudos.kernel.hal.aarch64.processor import OWN
from cloudos.lang import U32, U64, Array, Ptr, Template, VirtAddr, inlined, machine, never_inlined, struct, zeroed

# Of a UserFrame, which a VectorState follows in a thread.
FRAME_SIZE = 288


@struct(align=16)
class VectorState:
    """The control and status registers, and the 32 vector registers of 128 bits."""

    control: U32 = U32(0)
    status: U32 = U32(0)
    # Whether the thread ever used the registers.
    used: U64 = U64(0)
    registers: Array[U64, Literal[64]] = zeroed()

    def prepare(self) -> None:
        """Become what a new thread has: all zero, no exceptions."""


def _pairs(instruction: str) -> str:
    """All registers, two with each instruction."""
    return "".join(
        f"{instruction} q{number}, q{number + 1}, [%[state], #{16 * number + 16}]; " for number in range(0, 32, 2)
    )


# The kernel is compiled without these registers: the assembler must be told that the processor has them.
WITH_VECTORS, WITHOUT_VECTORS = ".arch_extension fp; .arch_extension simd; ", ".arch_extension nosimd"


@machine(
    aarch64=Template(
        f"{WITH_VECTORS}{_pairs('stp')}mrs x9, fpcr; mrs x10, fpsr; stp w9, w10, [%[state]]; {WITHOUT_VECTORS}",
        inputs={"state": "r"},
        clobbers=("x9", "x10", "memory"),
    )
)
def _store(state: VirtAddr) -> None:
    """Keep the vector registers in a VectorState."""


@machine(
    aarch64=Template(
        f"{WITH_VECTORS}{_pairs('ldp')}ldp w9, w10, [%[state]]; msr fpcr, x9; msr fpsr, x10; {WITHOUT_VECTORS}",
        inputs={"state": "r"},
        clobbers=("x9", "x10", "memory"),
    )
)
def _load(state: VirtAddr) -> None:
    """Load the vector registers from a VectorState."""


@inlined
def vectors_matter(state: VectorState) -> bool:
    """Whether a switch to this thread has to save or load any."""
    return state.used | OWN.vectors_open != 0


@inlined
def save_vectors(state: VectorState) -> None:
    """Keep the registers in a VectorState, if its thread ever used them."""
    if OWN.vectors_open != 0:
        _store(Ptr.to(state).address)


@never_inlined
def load_vectors(state: VectorState) -> None:
    """Load the registers; for a thread that never used them they are what it would be given at its first use."""
    _load(Ptr.to(state).address)
    OWN.vectors_open = state.used
    cpu.set_vector_access(cpu.VECTORS_KERNEL + (state.used << cpu.VECTORS_USER_BIT))


def take_vectors() -> None:
    """The current thread uses the registers, for the first time."""
    state = Ptr.at(VectorState, VirtAddr(OWN.frame + FRAME_SIZE)).value
    state.used = U64(1)
    load_vectors(state)
