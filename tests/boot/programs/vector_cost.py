"""What a switch between two threads costs: while neither uses vector registers, while only a third does, and when both
do. Prints the three, in instructions."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.messages import NEVER
from cloudos.lang import U64, Template, code_address, machine, place, struct
from cloudos.sdk import print, system
from cloudos.sdk.threads import start_on

ROUNDS = 100


@machine(
    x86_64=Template("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax", result="=a", clobbers=("rdx",)),
    aarch64=Template("mrs %[result], cntvct_el0", result="=r"),
)
def cycles() -> U64:
    """The time stamp counter: under -icount it counts instructions."""
    return U64(0)


@machine(
    x86_64=Template("pxor %%xmm0, %%xmm0; nop", clobbers=()),
    aarch64=Template("movi v0.2d, #0; nop", clobbers=()),
)
def use_vectors() -> None:
    """From here on the thread is one that uses them."""


@struct
class Shared:
    """Between the threads."""

    use: bool = False


SHARED = place(Shared())


def other(argument: U64) -> None:
    """Yields for ever; uses vector registers when it is asked to."""
    while True:
        system.thread_yield()
        if SHARED.use:
            use_vectors()
            SHARED.use = False


def third(never: U64) -> None:
    """Uses vector registers and waits for ever."""
    use_vectors()
    system.notification_wait(never, U64(NEVER))


def cost() -> U64:
    """Of a yield to the other thread and back, on average."""
    start = cycles()
    for _ in U64.range(ROUNDS):
        system.thread_yield()
    return (cycles() - start) // ROUNDS


def main() -> None:
    print("vector registers")
    start_on(code_address(other), U64(0), U64(initial.SCHEDULE))
    cost()
    nobody = cost()
    start_on(code_address(third), system.notification_create(U64(initial.QUOTA)), U64(initial.SCHEDULE))
    cost()
    only_third = cost()
    SHARED.use = True
    use_vectors()
    cost()
    print(f"{nobody} {only_third} {cost()}")
