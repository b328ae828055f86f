"""Machine primitives of AArch64, and the start of a processor.

Bodies are the model that runs under CPython. Register and field names are those of the Arm Architecture Reference
Manual (DDI 0487), chapter D.
"""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.shared.registers import device_read_u32 as device_read_u32
from cloudos.kernel.hal.shared.registers import device_write_u32 as device_write_u32
from cloudos.kernel.hal.shared.registers import pause as pause
from cloudos.lang import U8, U16, U32, U64, Ptr, Template, VirtAddr, machine

# SCTLR_EL1.
CONTROL_SPAN = 1 << 23
CONTROL_WXN = 1 << 19
# CPACR_EL1: who may use the vector registers.
VECTORS_KERNEL = 1 << 20
VECTORS_USER_BIT = 21
# CNTKCTL_EL1: programs may read the counter of the virtual timer, as they can everywhere else.
COUNTER_VIRTUAL = 1 << 1


def _read(register: str) -> Template:
    return Template(f"mrs %[result], {register}", result="=r", clobbers=("memory",))


def _write(register: str, after: str = "") -> Template:
    return Template(f"msr {register}, %[value]{after}", inputs={"value": "r"}, clobbers=("memory",))


@machine(aarch64=_read("far_el1"))
def fault_address() -> U64:
    """The address that the last page fault tried to reach."""
    return U64(0)


@machine(aarch64=_read("sctlr_el1"))
def control() -> U64:
    """SCTLR_EL1: which protections are on."""
    return U64(0)


@machine(aarch64=_write("sctlr_el1", "; isb"))
def load_control(value: U64) -> None:
    """Turn protections on and off."""


@machine(aarch64=_read("id_aa64mmfr1_el1"))
def memory_features() -> U64:
    """Which protections of memory there are."""
    return U64(0)


@machine(aarch64=_read("id_aa64dfr0_el1"))
def debug_features() -> U64:
    """What there is for debuggers and profilers."""
    return U64(0)


@machine(
    aarch64=Template(
        "clz %[result], %[value]; eor %[result], %[result], #63", result="=r", inputs={"value": "r"}, volatile=False
    )
)
def highest_bit(value: U64) -> U64:
    """The number of the highest bit that is set; there must be one."""
    return U64(int(value).bit_length() - 1)


@machine(aarch64=_read("ctr_el0"))
def cache_type() -> U64:
    """Sizes of cache lines, and what must be done before new code can run."""
    return U64(0x3000_0000)


@machine(aarch64=_read("mpidr_el1"))
def _affinity() -> U64:
    return U64(0)


def affinity() -> U64:
    """Which processor this is, in four levels of 8 bits, the highest in bits 32 to 39."""
    return _affinity() & 0xFF_00FF_FFFF


@machine(aarch64=_read("tcr_el1"))
def translation_control() -> U64:
    """How translation is done."""
    return U64(0)


@machine(aarch64=_write("cpacr_el1"))
def set_vector_access(value: U64) -> None:
    """Who may use the vector registers: takes effect with the return to user mode."""


@machine(aarch64=_write("ttbr0_el1"))
def load_user_root(value: U64) -> None:
    """Use other page tables for user addresses: the root's physical address, and above it the ASID.

    It takes effect with the return to user mode, and before the copies of `user_access.py`.
    """


@machine(aarch64=Template("isb", clobbers=("memory",)))
def synchronize() -> None:
    """What was written to system registers takes effect here."""


@machine(aarch64=_write("ttbr1_el1", "; isb; tlbi vmalle1; dsb nsh; isb"))
def load_kernel_root(value: U64) -> None:
    """Use other page tables for kernel addresses, and forget all translations."""


@machine(aarch64=Template("dsb ishst; tlbi vmalle1is; dsb ish; isb", clobbers=("memory",)))
def invalidate_all() -> None:
    """Forget all translations, on every processor."""


@machine(aarch64=Template("dsb ishst; tlbi vale1is, %[page]; dsb ish; isb", inputs={"page": "r"}, clobbers=("memory",)))
def invalidate_page(page: U64) -> None:
    """Forget the translation of one page on every processor. `page`: its number, and in the top 16 bits the ASID."""


@machine(aarch64=Template("dsb ishst; tlbi aside1is, %[tag]; dsb ish; isb", inputs={"tag": "r"}, clobbers=("memory",)))
def invalidate_space(tag: U64) -> None:
    """Forget all translations of an ASID, which stands in the top 16 bits, on every processor."""


@machine(aarch64=Template("dsb ishst", clobbers=("memory",)))
def publish_tables() -> None:
    """What was written to page tables is there for those who walk them."""


@machine(aarch64=Template("dc cvau, %[address]", inputs={"address": "r"}, clobbers=("memory",)))
def _clean_line(address: VirtAddr) -> None:
    """Write a line of the data cache back to where instructions are fetched from."""


@machine(aarch64=Template("dsb ish; ic ialluis; dsb ish", clobbers=("memory",)))
def _forget_instructions() -> None:
    """Empty the instruction caches of all processors."""


@machine(aarch64=Template("isb; mrs %[result], cntvct_el0", result="=r", clobbers=("memory",)))
def cycle_counter() -> U64:
    """The virtual counter."""
    return U64(0)


@machine(aarch64=_read("cntfrq_el0"))
def counter_frequency() -> U64:
    """How often it counts in a second."""
    return U64(1_000_000_000)


@machine(aarch64=_write("cntv_cval_el0"))
def set_timer(value: U64) -> None:
    """The count at which the timer interrupts, once it is on."""


@machine(aarch64=_write("cntv_ctl_el0"))
def control_timer(value: U64) -> None:
    """1 on, 0 off."""


@machine(
    aarch64=Template(
        "mul %[result0], %[value], %[factor]; umulh %[result1], %[value], %[factor]; "
        "extr %[result0], %[result1], %[result0], #32",
        results=("=&r", "=&r"),
        inputs={"value": "r", "factor": "r"},
    )
)
def _scale(value: U64, factor: U64) -> tuple[U64, U64]:
    return U64.truncate((int(value.__index__()) * int(factor.__index__())) >> 32), U64(0)


def scale(value: U64, factor: U64) -> U64:
    """`value` times a factor with 32 fractional bits, modulo 2**64."""
    scaled, _ = _scale(value, factor)
    return scaled


@machine(
    aarch64=Template(
        "mrs x9, dczid_el0; mov x10, #4; lsl x10, x10, x9; sub x9, x10, #1; tst %[result0], x9; b.ne 3f; "
        "1: subs %[result1], %[result1], x10; b.lo 2f; dc zva, %[result0]; add %[result0], %[result0], x10; b 1b; "
        "2: adds %[result1], %[result1], x10; b.eq 4f; "
        "3: str xzr, [%[result0]], #8; subs %[result1], %[result1], #8; b.ne 3b; 4:",
        results=("=r", "=r"),
        inputs={"address": "0", "length": "1"},
        clobbers=("x9", "x10", "memory", "cc"),
    )
)
def _zero(address: VirtAddr, length: U64) -> tuple[U64, U64]:
    """A block of DCZID_EL0's size at a time, whatever that is; where it must not be used, that is very large."""
    for index in U64.range(length // 8):
        Ptr.at(U64, address.offset(index * 8)).value = U64(0)
    return address.value + length, U64(0)


def zero(address: VirtAddr, length: U64) -> None:
    """Zero `length` bytes, a multiple of 8."""
    _zero(address, length)


@machine(aarch64=Template("dsb sy; wfi; msr daifclr, #2; isb; msr daifset, #2", clobbers=("memory",)))
def wait_for_interrupt() -> None:
    """Sleep until an interrupt has been handled. WFI ends with one that is pending, though it is masked."""


@machine(aarch64=Template("msr daifclr, #2; isb; msr daifset, #2", clobbers=("memory",)))
def take_interrupts() -> None:
    """Let interrupts that are pending be handled."""


@machine(aarch64=Template("wfi", clobbers=("memory",)))
def halt() -> None:
    """Stop this processor for a while; interrupts are masked."""


@machine(aarch64=Template("brk #0"))
def trap() -> NoReturn:
    """Enter `kernel_trap` from here."""
    raise NotImplementedError


def port_read(port: U16, width: U8) -> U32:
    """There are no I/O ports: no device has any."""
    return U32(0)


def port_write(port: U16, width: U8, value: U32) -> None:
    """There are no I/O ports: no device has any."""


@machine(
    aarch64=Template(
        "msr cpacr_el1, %[vectors]; msr cntkctl_el1, %[counters]; msr mdscr_el1, xzr; msr tpidr_el0, xzr; "
        "mrs x9, mpidr_el1; msr tpidrro_el0, x9; msr contextidr_el1, xzr; isb",
        inputs={"vectors": "r", "counters": "r"},
        clobbers=("x9", "memory"),
    )
)
def _close(vectors: U64, counters: U64) -> None:
    """Timers, debugger and vector registers are the kernel's. Programs may read which processor they run on."""


@machine(aarch64=Template("msr pmuserenr_el0, xzr", clobbers=("memory",)))
def _close_profiler() -> None:
    """The performance counters are the kernel's."""


# PSTATE.PAN by its encoding: assemblers know the name only for processors that have it.
@machine(aarch64=Template(".inst 0xd500419f", clobbers=("memory",)))
def _forbid_user_memory() -> None:
    """From here on the kernel cannot reach user memory but by unprivileged instructions."""


def start() -> None:
    """Turn on what protects the kernel from user memory, and keep for it what is not the programs'."""
    _close(U64(VECTORS_KERNEL), U64(COUNTER_VIRTUAL))
    if (debug_features() >> 8) & 15 != 0:
        _close_profiler()
    if (memory_features() >> 20) & 15 != 0:
        load_control(control() & ~U64(CONTROL_SPAN))
        _forbid_user_memory()


def forbid_writable_code() -> None:
    """From here on nothing that can be written can be executed, whatever page tables say."""
    load_control(control() | CONTROL_WXN)


def synchronize_code(address: VirtAddr, length: U64) -> None:
    """Let what was written at a kernel address be fetched as code, by whoever sees it at an address of its own."""
    kind = cache_type()
    if not kind.bit(28):
        line = U64(4) << ((kind >> 16) & 15)
        done = U64(0)
        while done < length:
            _clean_line(address.offset(done))
            done = done + line
    if not kind.bit(29):
        _forget_instructions()
