"""Threads of a program.

    def work(argument: U64) -> None: ...

    thread = start(code_address(work), U64(1))

A thread has a stack of 64 KB, and ends when its function returns. Memory that several threads change needs `Atomic`
or messages; the heap of the SDK is for one thread.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U64, Assembly, Ptr, VirtAddr, code_address, external
from cloudos.sdk import system

STACK_SIZE = 64 << 10
_EXIT = next(call.number for call in SYSTEM_CALLS if call.name == "thread_exit")

# The function's address lies at the top of the stack, the argument is in its register already.
ENTRY = Assembly(
    "thread_entry",
    x86_64=f"""
.text
.globl thread_entry
thread_entry:
  movq (%rsp), %rax
  xorl %ebp, %ebp
  call *%rax
  movl ${_EXIT}, %eax
  syscall
  ud2
""",
    aarch64=f"""
.text
.globl thread_entry
thread_entry:
  ldr x9, [sp]
  mov x29, xzr
  mov x30, xzr
  blr x9
  mov x8, #{_EXIT}
  svc #0
  brk #0
""",
)


@external(ENTRY, "thread_entry")
def entry() -> None:
    """Where threads begin."""
    raise NotImplementedError


def start(function: VirtAddr, argument: U64) -> U64:
    """Run `function(argument)` in a new thread of this process, on the schedule of its first thread; its handle.

    Raises QuotaExceeded, OutOfMemory, TooManyHandles.
    """
    return start_on(function, argument, U64(initial.SCHEDULE))


def start_on(function: VirtAddr, argument: U64, schedule: U64) -> U64:
    """`start` with a schedule of its own."""
    top = system.memory_map(U64(STACK_SIZE)) + (STACK_SIZE - 16)
    Ptr.at(U64, VirtAddr(top)).value = function.value
    thread = system.thread_create(U64(initial.PROCESS), schedule, code_address(entry).value, top, argument)
    system.thread_start(thread)
    return thread
