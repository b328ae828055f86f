"""From the machine's loader to `kernel_main`: PVH entry, long mode, the higher half.

PVH (Xen's docs/misc/pvh.pandoc, also QEMU, Firecracker, Cloud Hypervisor): the loader finds a note of type 18, jumps
to its address in 32-bit protected mode without paging, interrupts off, EBX pointing to the start information.

The tables made here map the first gigabyte, at address 0, at the direct map and at the kernel's own base; everything
in it may be written and executed. `mmu.start` replaces them by the final ones. They stay, because all other processors
begin with them: in real mode, at a copy of `processor_start` below 1 MB, from where they come to `to_long_mode`.

Addresses have 57 bits and tables five levels where the processor knows them (CR4.LA57, AMD64 manual volume 2, section
5.3), which can be chosen only while paging is off.
"""

from __future__ import annotations

from cloudos.kernel.hal.x86_64.processor import GUARD_PAGES, STACK_PAGES, TRAP_STACKS
from cloudos.lang import Assembly, LinkerSymbol

KERNEL_BASE = 0xFFFF_FFFF_8000_0000
# CR0: paging, write protection in the kernel too, numeric error, extension type, monitor, protection. With the other
# bit, any use of the vector registers is a trap: AMD64 manual volume 2, section 3.1.1.
CONTROL = 0x8001_0033
TASK_SWITCHED = 1 << 3
# CR4: PAE, OSFXSR, OSXMMEXCPT. Programs use SSE; the kernel does not touch those registers.
CONTROL_4 = 0x620
# The bit for addresses of 57 bits.
CONTROL_4_WIDE = 1 << 12

BOOT = Assembly(
    "boot",
    x86_64=f"""
.set KERNEL_BASE, {KERNEL_BASE:#x}
.section .note.pvh, "a", @note
  .long 4, 8, 18
  .asciz "Xen"
  .quad pvh_entry - KERNEL_BASE

.section .text.boot, "ax", @progbits
.code32
.globl pvh_entry
pvh_entry:
  cld
  movl %ebx, %esi
  lgdt boot_gdt_pointer - KERNEL_BASE
  movl $(boot_tables - KERNEL_BASE), %edi
  # 512 pages of 2 MB: present, writable, large.
  leal 0x3000(%edi), %ecx
  movl $0x83, %eax
1:
  movl %eax, (%ecx)
  addl $0x200000, %eax
  addl $8, %ecx
  cmpl $0x40000083, %eax
  jne 1b
  # Third level: the first gigabyte, and the last but one, where the kernel is linked.
  leal 0x3003(%edi), %eax
  movl %eax, 0x2000(%edi)
  movl %eax, 0x2000+510*8(%edi)
  # Fourth level: identity, direct map, kernel.
  leal 0x2003(%edi), %eax
  movl %eax, (%edi)
  movl %eax, 256*8(%edi)
  movl %eax, 511*8(%edi)
  # Fifth level, {CONTROL_4_WIDE:#x} bytes further on: identity, and all that the kernel has.
  leal 3(%edi), %eax
  movl %eax, {CONTROL_4_WIDE:#x}(%edi)
  movl %eax, {CONTROL_4_WIDE:#x}+511*8(%edi)
to_long_mode:
  # Leaf 7, ECX, bit 16. Of the 64-bit processors that do not have this leaf, none shows another one with this bit.
  movl $7, %eax
  xorl %ecx, %ecx
  cpuid
  shrl $4, %ecx
  andl ${CONTROL_4_WIDE:#x}, %ecx
  leal boot_tables - KERNEL_BASE(%ecx), %eax
  movl %eax, %cr3
  addl ${CONTROL_4:#x}, %ecx
  movl %ecx, %cr4
  # EFER: no-execute, long mode, SYSCALL.
  movl $0xc0000080, %ecx
  rdmsr
  orl $0x901, %eax
  wrmsr
  # CR0: no thread has used the vector registers.
  movl ${CONTROL | TASK_SWITCHED:#x}, %eax
  movl %eax, %cr0
  ljmp $8, $(2f - KERNEL_BASE)
.code64
2:
  movq $3f, %rax
  jmp *%rax
3:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  xorl %eax, %eax
  movl %eax, %fs
  movl %eax, %gs
  xorl %ebp, %ebp
  movq start_stack(%rip), %rsp
  movq %rsp, %rdi
  testq %rsp, %rsp
  jnz 4f
  movq $kernel_stack_top, %rsp
  movl %esi, %edi
  call kernel_main
# Its stack is mapped by the final page tables only.
4:
  movq kernel_space(%rip), %rax
  movq %rax, %cr3
  call kernel_processor
  ud2

.code16
.globl processor_start, start_stack
processor_start:
  lgdtl %cs:(boot_gdt_pointer - processor_start)
  # Protection. Data segments stay those of real mode, which reach no further than 64 KB.
  movw $1, %ax
  lmsw %ax
  ljmpl $0x18, $(to_long_mode - KERNEL_BASE)
boot_gdt_pointer:
  .word 31
  .long boot_gdt - KERNEL_BASE
.code64
.p2align 3
boot_gdt:
  # Selectors 8, 0x10 and 0x18: code, data, and code of 32 bits.
  .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff

# Unmapped pages below each group of stacks turn an overflow into a fault.
.section .bss.stacks, "aw", @nobits
.p2align 12
.globl trap_stacks_guard, trap_stacks, kernel_stack_guard, kernel_stack_top
trap_stacks_guard:
  .skip 4096
trap_stacks:
  .skip {TRAP_STACKS} * 4096
kernel_stack_guard:
  .skip {GUARD_PAGES} * 4096
  .skip {STACK_PAGES} * 4096
kernel_stack_top:

.section .bss.boot_tables, "aw", @nobits
.p2align 12
boot_tables:
  .skip 4*4096
# Where a processor that starts has its stack; 0 for the first one.
.bss
.p2align 3
start_stack:
  .skip 8
.text
""",
)

KERNEL_STACK_TOP = LinkerSymbol("kernel_stack_top")
START = LinkerSymbol("processor_start")
START_STACK = LinkerSymbol("start_stack")
