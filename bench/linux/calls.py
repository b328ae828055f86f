"""Linux' system calls, as a program without a C library makes them.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux. A result above
`ERRORS` is an error number, negated (man 2 syscall).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cloudos.lang import U64, Assembly, Template, VirtAddr, external, machine

F = TypeVar("F", bound=Callable[..., Any])

ERRORS = 2**64 - 4096
X86_64_REGISTERS = ("D", "S", "d", "{r10}", "{r8}", "{r9}")


def linux(x86_64: int, aarch64: int) -> Callable[[F], F]:
    """Make a function the stub of a system call that has these numbers."""

    def decorate(function: F) -> F:
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        return machine(
            x86_64=Template(
                f"movl ${x86_64}, %%eax; syscall",
                result="=a",
                inputs=dict(zip(names, X86_64_REGISTERS, strict=False)),
                clobbers=("rcx", "r11", "memory", "cc"),
            ),
            aarch64=Template(
                f"mov x8, #{aarch64}; svc #0",
                result="={x0}",
                inputs={name: f"{{x{index}}}" for index, name in enumerate(names)},
                clobbers=("x8", "memory", "cc"),
            ),
        )(function)

    return decorate


@linux(0, 63)
def read(descriptor: U64, data: U64, length: U64) -> U64:
    raise NotImplementedError


@linux(1, 64)
def write(descriptor: U64, data: U64, length: U64) -> U64:
    raise NotImplementedError


@linux(3, 57)
def close(descriptor: U64) -> U64:
    raise NotImplementedError


@linux(9, 222)
def mmap(address: U64, length: U64, access: U64, flags: U64, descriptor: U64, offset: U64) -> U64:
    raise NotImplementedError


@linux(11, 215)
def munmap(address: U64, length: U64) -> U64:
    raise NotImplementedError


@linux(28, 233)
def madvise(address: U64, length: U64, advice: U64) -> U64:
    raise NotImplementedError


@linux(13, 134)
def rt_sigaction(number: U64, action: U64, before: U64, size: U64) -> U64:
    raise NotImplementedError


@linux(24, 124)
def sched_yield() -> U64:
    raise NotImplementedError


@linux(32, 23)
def dup(descriptor: U64) -> U64:
    raise NotImplementedError


@linux(39, 172)
def getpid() -> U64:
    raise NotImplementedError


@linux(56, 220)
def clone(flags: U64, stack: U64, parent_id: U64, fourth: U64, fifth: U64) -> U64:
    raise NotImplementedError


@linux(59, 221)
def execve(path: U64, arguments: U64, environment: U64) -> U64:
    raise NotImplementedError


@linux(60, 93)
def exit(status: U64) -> U64:
    raise NotImplementedError


@linux(61, 260)
def wait4(process: U64, status: U64, options: U64, usage: U64) -> U64:
    raise NotImplementedError


@linux(62, 129)
def kill(process: U64, number: U64) -> U64:
    raise NotImplementedError


@linux(99, 179)
def sysinfo(into: U64) -> U64:
    raise NotImplementedError


@linux(110, 173)
def getppid() -> U64:
    raise NotImplementedError


@linux(144, 119)
def sched_setscheduler(process: U64, policy: U64, parameters: U64) -> U64:
    raise NotImplementedError


@linux(169, 142)
def reboot(magic: U64, magic2: U64, command: U64, argument: U64) -> U64:
    raise NotImplementedError


@linux(202, 98)
def futex(word: U64, operation: U64, value: U64, timeout: U64, second: U64, third: U64) -> U64:
    raise NotImplementedError


@linux(228, 113)
def clock_gettime(clock: U64, into: U64) -> U64:
    raise NotImplementedError


@linux(230, 115)
def clock_nanosleep(clock: U64, flags: U64, request: U64, rest: U64) -> U64:
    raise NotImplementedError


@linux(231, 94)
def exit_group(status: U64) -> U64:
    raise NotImplementedError


@linux(290, 19)
def eventfd2(value: U64, flags: U64) -> U64:
    raise NotImplementedError


@linux(293, 59)
def pipe2(descriptors: U64, flags: U64) -> U64:
    raise NotImplementedError


# A thread begins with its function and the argument on its stack. What lies at `word` is set to 0, and the futex
# there woken, when it ends (CLONE_CHILD_CLEARTID). Only here the order of clone's arguments matters.
THREAD = Assembly(
    "linux_thread",
    x86_64="""
.text
.globl linux_thread
linux_thread:
  subq $16, %rsi
  movq %rdx, (%rsi)
  movq %rcx, 8(%rsi)
  xorl %edx, %edx
  movq %r8, %r10
  xorl %r8d, %r8d
  movl $56, %eax
  syscall
  testq %rax, %rax
  jz 1f
  ret
1:
  xorl %ebp, %ebp
  popq %rax
  popq %rdi
  call *%rax
  xorl %edi, %edi
  movl $60, %eax
  syscall
  ud2
""",
    aarch64="""
.text
.globl linux_thread
linux_thread:
  stp x2, x3, [x1, #-16]!
  mov x2, xzr
  mov x3, xzr
  mov x8, #220
  svc #0
  cbz x0, 1f
  ret
1:
  mov x29, xzr
  mov x30, xzr
  ldp x9, x0, [sp], #16
  blr x9
  mov x0, xzr
  mov x8, #93
  svc #0
  brk #0
""",
)


@external(THREAD, "linux_thread")
def thread(flags: U64, stack: U64, function: VirtAddr, argument: U64, word: U64) -> U64:
    """clone into `function(argument)` on the stack that ends at `stack`, a multiple of 16."""
    raise NotImplementedError


# What a signal handler returns to: rt_sigreturn.
RESTORER = Assembly(
    "linux_restorer",
    x86_64="""
.text
.globl linux_restorer
linux_restorer:
  movl $15, %eax
  syscall
  ud2
""",
    aarch64="""
.text
.globl linux_restorer
linux_restorer:
  mov x8, #139
  svc #0
  brk #0
""",
)


@external(RESTORER, "linux_restorer")
def restorer() -> None:
    """Where a signal handler returns to."""
    raise NotImplementedError
