"""From the machine's loader to `kernel_main`: the image header, EL1, the higher half.

Linux's boot protocol (Documentation/arch/arm64/booting.rst; QEMU, UEFI stubs, U-Boot): the file begins with a header of
64 bytes, lies at TEXT_OFFSET from a multiple of 2 MB, and is entered at its first byte with the MMU off, interrupts
masked, at EL2 or EL1, x0 pointing to the device tree.

Or nothing but the machine itself has loaded it: QEMU that was told where to put the kernel and nothing else, whose
processors begin with zeros. Then x0 is zero, the device tree lies at the start of memory, which has to be that multiple
of 2 MB, and TEXT_OFFSET leaves it the megabyte that it takes.

The tables made here map the kernel, and as memory of the direct map and at its own address the gigabyte that the kernel
lies in and that of the device tree; everything in them may be written and executed. `mmu.start` replaces them, but for
the two tables of the devices' window. They stay, because all other processors begin with them: at the same entry, with
the address of their data, which is a kernel address, in x0.
"""

from __future__ import annotations

from cloudos.kernel.hal.aarch64.processor import GUARD_PAGE, OVERFLOW_PAGE, STACK_BYTES
from cloudos.lang import Assembly, LinkerSymbol

KERNEL_BASE = 0xFFFF_FFFF_8000_0000
# Above 1 MB for failed checks, which go behind 2 MB: see `image.py`.
TEXT_OFFSET = 0x11_0000
# Little endian, pages of 4 KB, any place that is a multiple of 2 MB.
HEADER_FLAGS = 0b1010

# Attributes by index: 0 is a device (nGnRE), 1 ordinary memory (write-back).
MEMORY_ATTRIBUTES = 0xFF04
# Valid, attribute 1, inner shareable, accessed: a block of memory.
BLOCK = 0x705
# Both halves 48 bits, write-back inner shareable tables, pages of 4 KB.
TRANSLATION = 16 | 1 << 8 | 1 << 10 | 3 << 12 | 16 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30
# What must be one, EL0 may zero cache lines, read the cache type and wait for events, stack alignment is checked.
CONTROL = 1 << 29 | 1 << 28 | 1 << 23 | 1 << 22 | 1 << 20 | 1 << 18 | 1 << 15 | 1 << 14 | 1 << 11 | 1 << 8 | 1 << 7
CONTROL |= 1 << 4 | 1 << 3
# With instruction cache, data cache and MMU.
CONTROL_ON = CONTROL | 1 << 12 | 1 << 2 | 1
HYPERVISOR_64_BIT = 1 << 31
# EL1 with its own stack pointer, everything masked.
STATE_EL1 = 0x3C5


def _constant(register: str, value: int) -> str:
    """Load a constant, in as many instructions as it takes."""
    parts = [(value >> shift & 0xFFFF, shift) for shift in (0, 16, 32, 48) if value >> shift & 0xFFFF]
    (first, at), *others = parts or [(0, 0)]
    text = f"  movz {register}, #{first}, lsl #{at}\n"
    return text + "".join(f"  movk {register}, #{part}, lsl #{shift}\n" for part, shift in others)


# The file's first bytes. Where the first exception vector would be, which is never used: see `trap.py`.
HEADER = f"""
  b boot_start
  .long 0
  .quad {TEXT_OFFSET:#x}, kernel_image_size, {HEADER_FLAGS}, 0, 0, 0
  .ascii "ARM\\x64"
  .long 0
"""


def _hypervisor() -> str:
    """At EL2: EL1 is AArch64, and has counter, timer, vector registers and interrupt controller for itself."""
    return f"""
from_hypervisor:
{_constant("x1", HYPERVISOR_64_BIT)}
  msr hcr_el2, x1
  isb
  mrs x1, cnthctl_el2
  orr x1, x1, #3
  msr cnthctl_el2, x1
  msr cntvoff_el2, xzr
  mov x1, #0x33ff
  msr cptr_el2, x1
  msr hstr_el2, xzr
  msr vttbr_el2, xzr
  mrs x1, midr_el1
  msr vpidr_el2, x1
  mrs x1, mpidr_el1
  msr vmpidr_el2, x1
  mrs x1, id_aa64pfr0_el1
  ubfx x1, x1, #24, #4
  cbz x1, 1f
  // ICC_SRE_EL2 and ICH_HCR_EL2: system registers of the GIC, for EL1 too.
  mov x1, #15
  msr s3_4_c12_c9_5, x1
  isb
  msr s3_4_c12_c11_0, xzr
1:
{_constant("x1", CONTROL)}
  msr sctlr_el1, x1
  mov x1, #{STATE_EL1}
  msr spsr_el2, x1
  adr x1, from_kernel_level
  msr elr_el2, x1
  eret
"""


def _tables() -> str:
    """x20: the device tree, x21: what stands at KERNEL_BASE, x6: the tables."""
    return f"""
make_tables:
  add x5, x6, #0x1000
  mov x4, #{BLOCK}
  // The gigabytes of kernel and device tree.
  lsr x3, x21, #30
  orr x7, x4, x3, lsl #30
  str x7, [x5, x3, lsl #3]
  lsr x3, x20, #30
  orr x7, x4, x3, lsl #30
  str x7, [x5, x3, lsl #3]
  // The kernel at its own address: 2 MB.
  orr x7, x21, x4
  str x7, [x6, #0x3000]
  orr x7, x5, #3
  str x7, [x6]
  str x7, [x6, #256*8]
  add x7, x5, #0x1000
  orr x7, x7, #3
  str x7, [x6, #511*8]
  add x7, x7, #0x1000
  str x7, [x6, #0x2000+510*8]
  // Devices.
  add x7, x7, #0x1000
  str x7, [x6, #510*8]
  add x7, x7, #0x1000
  str x7, [x6, #0x4000]
  b tables_made
"""


def _translation() -> str:
    """With x6: the tables."""
    return f"""
turn_on_translation:
  mov x1, #{MEMORY_ATTRIBUTES}
  msr mair_el1, x1
{_constant("x1", TRANSLATION)}
  // Physical addresses of up to 48 bits, ASIDs of 16 bits where there are such.
  mrs x2, id_aa64mmfr0_el1
  and x3, x2, #15
  mov x4, #5
  cmp x3, x4
  csel x3, x3, x4, lo
  orr x1, x1, x3, lsl #32
  ubfx x2, x2, #5, #1
  orr x1, x1, x2, lsl #36
  msr tcr_el1, x1
  msr ttbr0_el1, x6
  msr ttbr1_el1, x6
  dsb sy
  ic iallu
  tlbi vmalle1
  dsb sy
  isb
{_constant("x1", CONTROL_ON)}
  ldr x2, 1f
  msr sctlr_el1, x1
  isb
  br x2
.p2align 3
1:
  .quad at_own_address
"""


# These parts stand where the table of exception vectors has room: see `trap.py`.
CLEAN = """
// What was written, from x1 to x2, went around the caches: nothing old may come out of them.
tables_made:
  mrs x3, ctr_el0
  ubfx x3, x3, #16, #4
  mov x4, #4
  lsl x4, x4, x3
1:
  dc ivac, x1
  add x1, x1, x4
  cmp x1, x2
  b.lo 1b
  b turn_on_translation
"""
BEGIN = """
at_own_address:
  bti j
  tbnz x20, #63, begin_processor
  adrp x18, kernel_stack_top
  mov sp, x18
  adr x1, boot_facts
  stp x20, x21, [x1]
  mov x29, xzr
  mov x30, xzr
  mov x0, x20
  bl kernel_main
"""
BEGIN_PROCESSOR = """
// x0: the address of its data. Its stack is mapped by the final page tables only.
begin_processor:
  adr x1, kernel_space
  ldp x2, x3, [x1]
  msr ttbr0_el1, x2
  msr ttbr1_el1, x3
  isb
  tlbi vmalle1
  dsb nsh
  isb
  mov sp, x0
  mov x18, x0
  bl kernel_processor
"""

HYPERVISOR, TABLES, TURN_ON = _hypervisor(), _tables(), _translation()

BOOT = Assembly(
    "boot",
    aarch64=f"""
.section .text.boot, "ax", %progbits
.globl boot_start
boot_start:
  msr daifset, #15
  adr x21, exception_vectors
  sub x21, x21, #{TEXT_OFFSET >> 12}, lsl #12
  cmp x0, #0
  csel x20, x21, x0, eq
  mrs x1, currentel
  cmp x1, #8
  b.eq from_hypervisor
from_kernel_level:
  msr spsel, #1
  adrp x6, boot_tables
  // Another processor than the first: x0 is the address of its data.
  tbnz x20, #63, turn_on_translation
  adr x1, kernel_bss_start
  adrp x2, kernel_end
  mov x4, x1
1:
  stp xzr, xzr, [x4], #16
  cmp x4, x2
  b.lo 1b
  b make_tables

// The unmapped page below the stack turns an overflow into a fault, which is handled on a stack of its own.
.section .bss.stacks, "aw", %nobits
.p2align 15
.globl boot_tables, kernel_stack_guard, kernel_stack_top
boot_tables:
  .skip {OVERFLOW_PAGE} * 4096
  .skip ({GUARD_PAGE} - {OVERFLOW_PAGE}) * 4096
kernel_stack_guard:
  .skip 4096
  .skip {STACK_BYTES}
kernel_stack_top:
.section .bss.boot_facts, "aw", %nobits
.p2align 4
.globl boot_facts
// Where the device tree lies, and what lies at KERNEL_BASE.
boot_facts:
  .skip 16
.text
""",
)

START = LinkerSymbol("boot_start")
