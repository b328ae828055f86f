"""How the kernel lies in memory and in its ELF file, of which the loader's `Image` is made."""

from __future__ import annotations

from cloudos.kernel.hal.aarch64.boot import BOOT, KERNEL_BASE, TEXT_OFFSET
from cloudos.kernel.hal.aarch64.trap import ENTRY
from cloudos.kernel.hal.aarch64.user_access import USER_ACCESS

ENTRY_SYMBOL = "exception_vectors"
ASSEMBLIES = (BOOT, ENTRY, USER_ACCESS)

# The boot tables map 2 MB, and behind them nothing is ever mapped: failed checks branch there, which reach 1 MB.
# Each part starts on a page of its own so that `mmu.start` can give it its own permissions.
MAPPED = 0x20_0000
NO_CODE = KERNEL_BASE + TEXT_OFFSET + 0x10_0000
LINKER_SCRIPT = f"""
ENTRY(exception_vectors)
PHDRS
{{
  text PT_LOAD FLAGS(5);
  rodata PT_LOAD FLAGS(4);
  data PT_LOAD FLAGS(6);
}}
SECTIONS
{{
  . = {KERNEL_BASE + TEXT_OFFSET:#x};
  kernel_text_start = .;
  cloudos_no_code = {NO_CODE:#x};
  .text : AT(ADDR(.text) - {KERNEL_BASE:#x}) {{ *(.text.vectors) *(.text.boot) *(.text .text.*) }} :text
  . = ALIGN(4096);
  kernel_rodata_start = .;
  .rodata : AT(ADDR(.rodata) - {KERNEL_BASE:#x}) {{ *(.rodata .rodata.*) }} :rodata
  . = ALIGN(4096);
  kernel_data_start = .;
  .data : AT(ADDR(.data) - {KERNEL_BASE:#x}) {{ *(.data .data.*) . = ALIGN(16); }} :data
  kernel_bss_start = .;
  .bss : AT(ADDR(.bss) - {KERNEL_BASE:#x}) {{ *(.bss.stacks) *(.bss.processor) *(.bss .bss.* COMMON) }} :data
  . = ALIGN(4096);
  kernel_end = .;
  ASSERT(processor == kernel_stack_top, "the processor's data stand where its stack begins")
  kernel_image_size = kernel_end - kernel_text_start;
  ASSERT(kernel_end - {KERNEL_BASE:#x} <= {MAPPED:#x}, "the boot tables map 2 MB")
  cloudos_files 0 : {{ KEEP(*(cloudos_files)) }}
  cloudos_sites 0 : {{ KEEP(*(cloudos_sites)) }}
  /DISCARD/ : {{ *(.comment) *(.eh_frame*) *(.note.GNU-stack) *(.note.gnu.property) }}
}}
"""
