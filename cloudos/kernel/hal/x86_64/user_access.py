"""Copying between kernel and user memory: the only instructions in the kernel that touch user addresses.

A fault inside the copy is not a bug: the trap handler asks `recovery` and continues at the address that it gives,
so that the copy reports failure. With SMAP the access is open for these instructions alone (STAC, CLAC).
"""

from __future__ import annotations

from cloudos.kernel.hal.x86_64.processor import HAS_SMAP
from cloudos.lang import U8, U64, Assembly, LinkerSymbol, Ptr, VirtAddr, external

USER_ACCESS = Assembly(
    "user_access",
    x86_64=f"""
.text
.globl user_copy, user_copy_start, user_copy_end, user_copy_failed
# rdi destination, rsi source, rdx length in bytes; rax: 0 copied, 1 failed
user_copy:
  cmpb $0, %gs:{HAS_SMAP}
  je 1f
  stac
1:
  movq %rdx, %rcx
  shrq $3, %rcx
  andl $7, %edx
user_copy_start:
  rep movsq
  movl %edx, %ecx
  rep movsb
user_copy_end:
  xorl %eax, %eax
2:
  cmpb $0, %gs:{HAS_SMAP}
  je 3f
  clac
3:
  ret
user_copy_failed:
  movl $1, %eax
  jmp 2b
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
