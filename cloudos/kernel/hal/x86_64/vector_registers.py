"""The vector and floating-point registers of threads: saved and loaded only for threads that use them.

While a thread runs that never did, CR0.TS keeps it from them, and they hold what a new thread is given: no other's
values are in the processor, not even for speculation. Its first use is a trap, after which it pays at every switch.
"""

from __future__ import annotations

from typing import Literal

from cloudos.kernel.hal.x86_64.boot import CONTROL, TASK_SWITCHED
from cloudos.kernel.hal.x86_64.processor import FRAME, OWN, VECTORS_OPEN
from cloudos.lang import U16, U32, U64, Array, Ptr, Template, VirtAddr, inlined, machine, offset_of, struct, zeroed


@struct(align=16)
class VectorState:
    """What FXSAVE stores: AMD64 manual volume 2, section 11.4.4. AVX is off, so this is all there is."""

    control: U16 = U16(0)
    status: U16 = U16(0)
    tags: U32 = U32(0)
    pointers: Array[U64, Literal[2]] = zeroed()
    vector_control: U32 = U32(0)
    vector_control_mask: U32 = U32(0)
    registers: Array[U64, Literal[54]] = zeroed()
    # The last 48 bytes are left to software. Whether the thread ever used the registers.
    used: U32 = U32(0)
    available: Array[U32, Literal[11]] = zeroed()

    def prepare(self) -> None:
        """Become what FNINIT and a reset of MXCSR give: all registers zero, no exceptions."""
        self.control = U16(0x37F)
        self.vector_control = U32(0x1F80)


USED = offset_of(VectorState, "used")

# Of a UserFrame, which a VectorState follows in a thread.
FRAME_SIZE = 176
# The trap of a first use, entered with GS still the user's, the rest of the trap's frame already in the thread's.
TAKE_VECTORS = f"""trap_vectors:
  testb $3, 24(%rsp)
  jz trap_in_kernel
  swapgs
  pushq %rax
  clts
  movq %gs:{FRAME}, %rax
  fxrstor64 {FRAME_SIZE}(%rax)
  movb $1, {FRAME_SIZE + USED}(%rax)
  movb $1, %gs:{VECTORS_OPEN}
  popq %rax
  addq $16, %rsp
  swapgs
  iretq
"""


@machine(x86_64=Template("fxsave64 (%[state])", inputs={"state": "r"}, clobbers=("memory",)))
def _store(state: VirtAddr) -> None:
    """Keep the registers in a VectorState."""


@machine(x86_64=Template("clts; fxrstor64 (%[state])", inputs={"state": "r"}, clobbers=("memory",)))
def _load(state: VirtAddr) -> None:
    """Load the registers from a VectorState."""


@machine(x86_64=Template("movq %[value], %%cr0", inputs={"value": "r"}, clobbers=("memory",)))
def _set_control(value: U64) -> None:
    """CR0."""


@inlined
def vectors_matter(state: VectorState) -> bool:
    """Whether a switch to this thread has to save or load any."""
    return state.used | OWN.vectors_open != 0


@inlined
def save_vectors(state: VectorState) -> None:
    """Keep the registers in a VectorState, if its thread ever used them."""
    if OWN.vectors_open != 0:
        _store(Ptr.to(state).address)


@inlined
def load_vectors(state: VectorState) -> None:
    """Load the registers; for a thread that never used them they are what it would be given at its first use."""
    _load(Ptr.to(state).address)
    OWN.vectors_open = state.used
    if state.used == 0:
        _set_control(U64(CONTROL | TASK_SWITCHED))
