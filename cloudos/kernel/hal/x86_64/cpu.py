"""Machine primitives of x86_64, and the start of a processor.

Bodies are the model that runs under CPython: a machine whose ports read as nothing attached (all ones).
"""

from __future__ import annotations

from typing import NoReturn

from cloudos.kernel.hal.shared.registers import device_read_u32 as device_read_u32
from cloudos.kernel.hal.shared.registers import device_write_u32 as device_write_u32
from cloudos.kernel.hal.shared.registers import pause as pause
from cloudos.kernel.hal.x86_64.processor import State
from cloudos.lang import U8, U16, U32, U64, LinkerSymbol, Ptr, Slice, Template, VirtAddr, machine

SYSTEM_CALL_ENTRY = LinkerSymbol("system_call_entry")

# Model specific registers: AMD64 manual volume 2, appendix A.
MSR_EFER = 0xC000_0080
MSR_STAR = 0xC000_0081
MSR_LSTAR = 0xC000_0082
MSR_FMASK = 0xC000_0084
MSR_GS_BASE = 0xC000_0101
MSR_KERNEL_GS_BASE = 0xC000_0102

# Kernel code and stack selectors 0x08 and 0x10; SYSRET takes stack 0x10 + 8 and code 0x10 + 16, both with privilege 3.
STAR_VALUE = (0x10 << 48) | (0x08 << 32)
# Cleared on entry: TF, IF, DF, IOPL, NT, AC.
FLAGS_MASK = 0x4_7700

CR4_PAGE_GLOBAL = 1 << 7
CR4_UMIP = 1 << 11
CR4_SMEP = 1 << 20
CR4_SMAP = 1 << 21

CPUID_EXTENDED_FEATURES = 7
FEATURE_SMEP = 7
FEATURE_SMAP = 20
FEATURE_UMIP = 2


@machine(x86_64=Template("outb %[value], %[port]", inputs={"port": "Nd", "value": "a"}, clobbers=("memory",)))
def port_write_u8(port: U16, value: U8) -> None:
    """Write one byte to an I/O port."""


@machine(x86_64=Template("inb %[port], %[result]", result="=a", inputs={"port": "Nd"}, clobbers=("memory",)))
def port_read_u8(port: U16) -> U8:
    """Read one byte from an I/O port."""
    return U8(0xFF)


@machine(
    x86_64=Template(
        "xorl %%eax, %%eax; cmpb $2, %%cl; je 2f; ja 4f; inb %%dx, %%al; jmp 0f; "
        "2: inw %%dx, %%ax; jmp 0f; 4: inl %%dx, %%eax; 0:",
        result="=a",
        inputs={"port": "d", "width": "c"},
        clobbers=("memory", "cc"),
    )
)
def port_read(port: U16, width: U8) -> U32:
    """Read 1, 2 or 4 bytes from an I/O port."""
    return U32((1 << (8 * int(width))) - 1)


@machine(
    x86_64=Template(
        "cmpb $2, %%cl; je 2f; ja 4f; outb %%al, %%dx; jmp 0f; 2: outw %%ax, %%dx; jmp 0f; 4: outl %%eax, %%dx; 0:",
        inputs={"port": "d", "width": "c", "value": "a"},
        clobbers=("memory", "cc"),
    )
)
def port_write(port: U16, width: U8, value: U32) -> None:
    """Write 1, 2 or 4 bytes to an I/O port."""


@machine(
    x86_64=Template(
        "rdmsr; shlq $32, %%rdx; orq %%rdx, %%rax",
        result="=a",
        inputs={"msr": "c"},
        clobbers=("rdx",),
    )
)
def msr_read(msr: U32) -> U64:
    """Read a model specific register."""
    return U64(0)


@machine(
    x86_64=Template(
        "movq %%rax, %%rdx; shrq $32, %%rdx; wrmsr",
        inputs={"msr": "c", "value": "a"},
        clobbers=("rdx", "memory"),
    )
)
def msr_write(msr: U32, value: U64) -> None:
    """Write a model specific register."""


@machine(
    x86_64=Template(
        "movq %%rax, %%rdx; shrq $32, %%rdx; mfence; lfence; wrmsr",
        inputs={"msr": "c", "value": "a"},
        clobbers=("rdx", "memory"),
    )
)
def msr_write_last(msr: U32, value: U64) -> None:
    """Write one that others notice, such as a command to them, after all that was written before.

    Intel SDM volume 3, section 11.12.3: writes to the x2APIC do not wait for that by themselves.
    """


@machine(
    x86_64=Template("cpuid", results=("=a", "=b", "=c", "=d"), inputs={"leaf": "a", "subleaf": "c"}),
)
def cpuid(leaf: U32, subleaf: U32) -> tuple[U32, U32, U32, U32]:
    """EAX, EBX, ECX, EDX of a CPUID leaf."""
    return U32(0), U32(0), U32(0), U32(0)


@machine(x86_64=Template("movq %%cr2, %[result]", result="=r"))
def fault_address() -> U64:
    """The address that the last page fault tried to reach."""
    return U64(0)


@machine(x86_64=Template("movq %%cr3, %[result]", result="=r"))
def page_table_root() -> U64:
    """Physical address of the page tables in use."""
    return U64(0)


@machine(x86_64=Template("movq %[root], %%cr3", inputs={"root": "r"}, clobbers=("memory",)))
def load_page_table_root(root: U64) -> None:
    """Use other page tables; forgets all non-global translations."""


@machine(x86_64=Template("movq %%cr4, %[result]", result="=r"))
def control_register_4() -> U64:
    """CR4: which extensions are on."""
    return U64(0)


@machine(x86_64=Template("movq %[value], %%cr4", inputs={"value": "r"}, clobbers=("memory",)))
def load_control_register_4(value: U64) -> None:
    """Turn extensions on and off."""


@machine(x86_64=Template("invlpg (%[address])", inputs={"address": "r"}, clobbers=("memory",)))
def invalidate_page(address: U64) -> None:
    """Forget the translation of one page."""


@machine(
    x86_64=Template(
        "rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax",
        result="=a",
        clobbers=("rdx",),
    )
)
def cycle_counter() -> U64:
    """The time stamp counter."""
    return U64(0)


@machine(
    x86_64=Template(
        "mulq %[factor]; shrdq $32, %%rdx, %%rax",
        result="=a",
        inputs={"value": "a", "factor": "r"},
        clobbers=("rdx", "cc"),
    )
)
def scale(value: U64, factor: U64) -> U64:
    """`value` times a factor with 32 fractional bits, modulo 2**64."""
    return U64.truncate((int(value.__index__()) * int(factor.__index__())) >> 32)


@machine(
    x86_64=Template(
        "rep stosq",
        results=("=D", "=c"),
        inputs={"address": "D", "words": "c", "value": "a"},
        clobbers=("memory",),
    )
)
def _fill_words(address: VirtAddr, words: U64, value: U64) -> tuple[U64, U64]:
    Slice.of(Ptr.at(U64, address), words).fill(value)
    return address.value + words * 8, U64(0)


def zero(address: VirtAddr, length: U64) -> None:
    """Zero `length` bytes, a multiple of 8."""
    _fill_words(address, length // 8, U64(0))


@machine(
    x86_64=Template("bsrq %[value], %[result]", result="=r", inputs={"value": "r"}, clobbers=("cc",), volatile=False)
)
def highest_bit(value: U64) -> U64:
    """The number of the highest bit that is set; there must be one."""
    return U64(int(value).bit_length() - 1)


@machine(x86_64=Template("sti; hlt; cli", clobbers=("memory",)))
def wait_for_interrupt() -> None:
    """Sleep until an interrupt has been handled. STI takes effect after HLT began, so that none is lost in between."""


@machine(x86_64=Template("sti; nop; cli", clobbers=("memory",)))
def take_interrupts() -> None:
    """Let interrupts that are pending be handled. STI takes effect after the instruction that follows it."""


@machine(x86_64=Template("cli; hlt", clobbers=("memory",)))
def halt() -> None:
    """Stop this processor until a non-maskable interrupt."""


@machine(x86_64=Template("pushq $0; pushq $0; lidt (%%rsp); ud2"))
def shut_down() -> NoReturn:
    """Fault with an empty interrupt table: the third fault shuts the processor down, which resets the machine."""
    raise NotImplementedError


@machine(x86_64=Template("ud2"))
def trap() -> NoReturn:
    """Enter `kernel_trap` from here."""
    raise NotImplementedError


def start(own: State) -> None:
    """Turn on what protects the kernel from user memory, and point SYSCALL at its entry. `own`: of this processor."""
    control = control_register_4() | CR4_PAGE_GLOBAL
    _, features, features_c, _ = cpuid(U32(CPUID_EXTENDED_FEATURES), U32(0))
    if features.bit(FEATURE_SMEP):
        control = control | CR4_SMEP
    if features.bit(FEATURE_SMAP):
        control = control | CR4_SMAP
        own.has_smap = U32(1)
    if features_c.bit(FEATURE_UMIP):
        control = control | CR4_UMIP
    load_control_register_4(control)
    msr_write(U32(MSR_GS_BASE), Ptr.to(own).address.value)
    msr_write(U32(MSR_KERNEL_GS_BASE), U64(0))
    msr_write(U32(MSR_STAR), U64(STAR_VALUE))
    msr_write(U32(MSR_LSTAR), SYSTEM_CALL_ENTRY.address.value)
    msr_write(U32(MSR_FMASK), U64(FLAGS_MASK))
