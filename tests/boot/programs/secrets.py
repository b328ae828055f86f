"""A process fills its vector registers with a pattern, calls another, and neither sees what the other had.

The other process looks at all of its vector registers when it starts and after every message.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.lang import U8, U64, Template, code_address, machine
from cloudos.sdk import print, system
from cloudos.sdk.ipc import Message, call, receive, reply_and_receive
from cloudos.sdk.processes import Child

SECRET = 0x5EC2_E75E_C2E7_5EC2
FILL = "movq %[value], %%xmm0; " + "".join(f"movdqa %%xmm0, %%xmm{n}; " for n in range(1, 16))
# One bit for each register that holds anything.
LOOK = "xorl %%eax, %%eax; " + "".join(
    f"movq %%xmm{n}, %%rcx; testq %%rcx, %%rcx; setnz %%cl; movzbl %%cl, %%ecx; shll ${n}, %%ecx; orl %%ecx, %%eax; "
    for n in range(16)
)
COMPARE = "xorl %%eax, %%eax; " + "".join(
    f"movq %%xmm{n}, %%rcx; cmpq %%rcx, %[value]; setne %%cl; movzbl %%cl, %%ecx; orl %%ecx, %%eax; " for n in range(16)
)

FILL_32 = "".join(f"dup v{n}.2d, %[value]; " for n in range(32))
LOOK_32 = "mov %[result], xzr; " + "".join(
    f"fmov x9, d{n}; cmp x9, #0; cset x9, ne; orr %[result], %[result], x9, lsl #{n}; " for n in range(32)
)
COMPARE_32 = "mov %[result], xzr; " + "".join(
    f"mov x9, v{n}.d[1]; cmp x9, %[value]; cset x9, ne; orr %[result], %[result], x9; " for n in range(32)
)


@machine(
    x86_64=Template(FILL + "nop", inputs={"value": "r"}, clobbers=()),
    aarch64=Template(FILL_32 + "nop", inputs={"value": "r"}, clobbers=()),
)
def fill(value: U64) -> None:
    """Put a value into all registers."""


@machine(
    x86_64=Template(LOOK + "nop", result="=a", clobbers=("rcx", "cc")),
    aarch64=Template(LOOK_32 + "nop", result="=&r", clobbers=("x9", "cc")),
)
def look() -> U64:
    """Which registers are not zero."""
    return U64(0)


@machine(
    x86_64=Template(COMPARE + "nop", result="=&a", inputs={"value": "r"}, clobbers=("rcx", "cc")),
    aarch64=Template(COMPARE_32 + "nop", result="=&r", inputs={"value": "r"}, clobbers=("x9", "cc")),
)
def changed(value: U64) -> U64:
    """Whether a register holds something else."""
    return U64(0)


def peeper(endpoint: U64) -> None:
    """Answers with what it found in its registers before it used any."""
    seen = look()
    message = Message()
    receive(endpoint, message)
    while True:
        message.words[0] = seen
        fill(U64(0x1111))
        reply_and_receive(endpoint, message)
        seen = changed(U64(0x1111))


def main() -> U8:
    there = system.endpoint_create(U64(initial.QUOTA))
    child = Child()
    child.make(U64(initial.QUOTA))
    fill(U64(SECRET))
    child.start(code_address(peeper), system.process_install(child.process, there, U64(0), U64(0)))
    message = Message()
    call(there, message)
    first = message.words[0]
    bad = U64(0)
    for _ in U64.range(100):
        fill(U64(SECRET))
        system.thread_yield()
        bad = bad | changed(U64(SECRET))
    call(there, message)
    print(f"{first} {bad} {message.words[0]}")
    if first != 0 or bad != 0 or message.words[0] != 0:
        return U8(1)
    print("end")
    return U8(0)
