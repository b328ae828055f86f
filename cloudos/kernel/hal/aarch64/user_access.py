"""Copying between kernel and user memory: the only instructions in the kernel that touch user addresses.

They are the unprivileged ones (LDTR, STTR), which may do what the program itself may and nothing else, whatever PAN
says. A fault inside the copy is not a bug: the trap handler asks `recovery` and continues at the address that it gives,
so that the copy reports failure.
"""

from __future__ import annotations

from cloudos.lang import U8, U64, Assembly, LinkerSymbol, Ptr, VirtAddr, external


def _steps(load: str, store: str) -> str:
    """A copy with two instructions for a word; with "b" behind them they are those for a byte."""
    return f"""
1:
  subs x2, x2, #32
  b.lo 2f
  {load} x3, [x1]
  {load} x4, [x1, #8]
  {load} x5, [x1, #16]
  {load} x6, [x1, #24]
  {store} x3, [x0]
  {store} x4, [x0, #8]
  {store} x5, [x0, #16]
  {store} x6, [x0, #24]
  add x1, x1, #32
  add x0, x0, #32
  b 1b
2:
  adds x2, x2, #24
  b.mi 4f
3:
  {load} x3, [x1]
  {store} x3, [x0]
  add x1, x1, #8
  add x0, x0, #8
  subs x2, x2, #8
  b.pl 3b
4:
  adds x2, x2, #8
  b.eq 6f
5:
  {load}b w3, [x1]
  {store}b w3, [x0]
  add x1, x1, #1
  add x0, x0, #1
  subs x2, x2, #1
  b.ne 5b
6:
  mov x0, xzr
  ret
"""


# The other page tables of another thread may have been chosen and not be in use yet.
# x0 destination, x1 source, x2 length in bytes; x0: 0 copied, 1 failed. Kernel addresses have bit 63 set.
USER_ACCESS = Assembly(
    "user_access",
    aarch64=f"""
.text
.p2align 2
.globl user_copy, user_copy_start, user_copy_end, user_copy_failed
user_copy:
user_copy_start:
  isb
  tbz x0, #63, 7f
{_steps("ldtr", "str")}
7:
{_steps("ldr", "sttr")}
user_copy_end:
user_copy_failed:
  mov x0, #1
  ret
""",
)

COPY_START = LinkerSymbol("user_copy_start")
COPY_END = LinkerSymbol("user_copy_end")
COPY_FAILED = LinkerSymbol("user_copy_failed")


@external(USER_ACCESS, "user_copy")
def copy(destination: VirtAddr, source: VirtAddr, length: U64) -> U64:
    """Copy `length` bytes of which one side is user memory; 0, or 1 when a fault stopped the copy.

    The caller has checked that the user range lies below the end of user space.
    """
    for index in U64.range(length):
        Ptr.at(U8, destination.offset(index)).value = Ptr.at(U8, source.offset(index)).value
    return U64(0)


def is_recoverable(ip: U64) -> bool:
    """Whether a fault at this kernel address is one of the copy's."""
    return COPY_START.address.value <= ip and ip < COPY_END.address.value


def recovery() -> U64:
    """Where to continue after a fault in the copy."""
    return COPY_FAILED.address.value
