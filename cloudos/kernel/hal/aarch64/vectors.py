"""The vector registers of threads: in the processor only while their owner uses them.

A thread that uses none pays nothing. After the switch to another thread programs are kept from the registers; the
first use is a trap that saves them for their owner, and loads those of the thread, unless it is the owner itself. With
several processors they are saved before another thread runs, for their owner may go on elsewhere.
"""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal.aarch64 import cpu
from cloudos.kernel.hal.aarch64.processor import OWN
from cloudos.kernel.hal.shared.lock import are_several
from cloudos.lang import U64, Array, Template, VirtAddr, inlined, machine, never_inlined, struct, zeroed


@struct(align=16)
class VectorState:
    """The control and status registers, and the 32 vector registers of 128 bits."""

    control: U64 = U64(0)
    status: U64 = U64(0)
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
        f"{WITH_VECTORS}{_pairs('stp')}mrs x9, fpcr; mrs x10, fpsr; stp x9, x10, [%[state]]; {WITHOUT_VECTORS}",
        inputs={"state": "r"},
        clobbers=("x9", "x10", "memory"),
    )
)
def _store_here(state: VirtAddr) -> None:
    pass


@never_inlined
def _store(state: VirtAddr) -> None:
    """Keep the vector registers in a VectorState."""
    _store_here(state)


@machine(
    aarch64=Template(
        f"{WITH_VECTORS}{_pairs('ldp')}ldp x9, x10, [%[state]]; msr fpcr, x9; msr fpsr, x10; {WITHOUT_VECTORS}",
        inputs={"state": "r"},
        clobbers=("x9", "x10", "memory"),
    )
)
def _load(state: VirtAddr) -> None:
    """Load the vector registers from a VectorState."""


@inlined
def save_vectors(state: VirtAddr) -> None:
    """The current thread's, if it has used them, are kept there before it can run on another processor."""
    if OWN.vectors_open != 0:
        _close()


@inlined
def load_vectors(state: VirtAddr) -> None:
    """From here on these are the current thread's; also if they are in the processor, its first use is a trap."""
    if OWN.vectors_open != 0:
        _close()
    OWN.vectors = state.value


@never_inlined
def _close() -> None:
    """Keep programs from the registers. Where there is one processor, they stay until another thread uses them."""
    OWN.vectors_open = U64(0)
    cpu.set_vector_access(U64(cpu.VECTORS_KERNEL))
    if are_several():
        OWN.vector_owner = U64(0)
        _store(VirtAddr(OWN.vectors))


def forget_vectors(state: VirtAddr) -> None:
    """A VectorState is about to go: what is in the processor is not to be saved there."""
    if OWN.vector_owner == state.value:
        OWN.vector_owner = U64(0)
        OWN.vectors_open = U64(0)
        cpu.set_vector_access(U64(cpu.VECTORS_KERNEL))


def take_vectors() -> None:
    """The current thread uses the vector registers."""
    owner = OWN.vector_owner
    if owner != OWN.vectors:
        if owner != 0:
            _store(VirtAddr(owner))
        OWN.vector_owner = OWN.vectors
        _load(VirtAddr(OWN.vectors))
    OWN.vectors_open = U64(1)
    cpu.set_vector_access(U64(cpu.VECTORS_ALL))
