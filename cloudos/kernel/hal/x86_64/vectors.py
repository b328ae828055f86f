"""Which vector stands for what, and the piece of code at which the processor begins for each of them.

Each stub pushes its vector, and before that a zero where the processor has not pushed an error code.
"""

from __future__ import annotations

from cloudos.lang import LinkerSymbol

# Those that follow are reserved, or belong to extensions that are off.
EXCEPTIONS = 22
EXCEPTION_STUB_SIZE = 6
# A use of the vector registers by a thread that is kept from them.
DEVICE_NOT_AVAILABLE = 7
# Interrupts: 48 lines, and what the kernel itself needs.
VECTOR_LINES = 32
VECTOR_TIMER = 80
VECTOR_CONSOLE = 81
VECTOR_CHANNEL = 82
VECTOR_SPURIOUS = 83
VECTOR_PROCESSOR = 84
VECTORS = 85
INTERRUPT_STUB_SIZE = 4
# Exceptions that push an error code: AMD64 manual volume 2, section 8.2.
WITH_ERROR_CODE = (8, 10, 11, 12, 13, 14, 17, 21)
PARANOID = {1: 1, 2: 2, 8: 3, 18: 4}
# Five bytes, however near the target is. Braces stand twice because the compiler fills in names.
LONG_JUMP = "{{disp32}} jmp"


def _exception_stub(vector: int) -> str:
    """Six bytes: the jump to the target is within reach of a short one."""
    push = "xchgw %ax, %ax" if vector in WITH_ERROR_CODE else "pushq $0"
    target = "to_trap_paranoid" if vector in PARANOID else "to_trap_common"
    if vector == DEVICE_NOT_AVAILABLE:
        target = "to_trap_vectors"
    return f"  {push}; pushq ${vector}; jmp {target}\n"


def _interrupt_stub(vector: int) -> str:
    """Four bytes: one of the two hubs is within reach of a short jump."""
    return f"  pushq ${vector}; jmp interrupt_hub_{2 * (vector - VECTOR_LINES) // (VECTORS - VECTOR_LINES)}\n"


def _hub(number: int) -> str:
    """The vector stands where other traps have their error code, too."""
    return f"interrupt_hub_{number}:\n  pushq (%rsp); {LONG_JUMP} trap_common\n"


STUBS_TEXT = f"""trap_stubs:
{"".join(_exception_stub(vector) for vector in range(EXCEPTIONS))}to_trap_common:
  {LONG_JUMP} trap_common
to_trap_paranoid:
  {LONG_JUMP} trap_paranoid
to_trap_vectors:
  {LONG_JUMP} trap_vectors
{_hub(0)}interrupt_stubs:
{"".join(_interrupt_stub(vector) for vector in range(VECTOR_LINES, VECTORS))}{_hub(1)}"""
STUBS = LinkerSymbol("trap_stubs")
INTERRUPT_STUBS = LinkerSymbol("interrupt_stubs")
