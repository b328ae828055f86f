"""The clock of all benchmarks: a counter that, under QEMU's `-icount shift=0`, counts instructions."""

from __future__ import annotations

from cloudos.lang import U64, Template, machine


@machine(
    x86_64=Template("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax", result="=a", clobbers=("rdx",)),
    aarch64=Template("mrs %[result], cntvct_el0", result="=r"),
)
def cycles() -> U64:
    """The time stamp counter, or AArch64's virtual counter, which the tool lets count nanoseconds."""
    return U64(0)
