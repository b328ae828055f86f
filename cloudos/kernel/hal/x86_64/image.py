"""How the kernel lies in memory and in its ELF file."""

from __future__ import annotations

from cloudos.kernel.hal.x86_64.boot import BOOT, KERNEL_BASE
from cloudos.kernel.hal.x86_64.trap import ENTRY
from cloudos.kernel.hal.x86_64.user_access import USER_ACCESS

ENTRY_SYMBOL = "pvh_entry"
ASSEMBLIES = (BOOT, ENTRY, USER_ACCESS)

# Loaded at 1 MB; each part starts on a page of its own so that `mmu.start` can give it its own permissions.
LINKER_SCRIPT = f"""
ENTRY(pvh_entry)
PHDRS
{{
  text PT_LOAD FLAGS(5);
  rodata PT_LOAD FLAGS(4);
  data PT_LOAD FLAGS(6);
  note PT_NOTE FLAGS(4);
}}
SECTIONS
{{
  . = {KERNEL_BASE:#x} + 0x100000;
  kernel_text_start = .;
  .text : AT(ADDR(.text) - {KERNEL_BASE:#x}) {{ *(.text.boot) *(.text .text.*) }} :text
  . = ALIGN(4096);
  kernel_rodata_start = .;
  .note : AT(ADDR(.note) - {KERNEL_BASE:#x}) {{ KEEP(*(.note.pvh)) }} :rodata :note
  .rodata : AT(ADDR(.rodata) - {KERNEL_BASE:#x}) {{ *(.rodata .rodata.*) }} :rodata
  . = ALIGN(4096);
  kernel_data_start = .;
  .data : AT(ADDR(.data) - {KERNEL_BASE:#x}) {{ *(.data .data.*) }} :data
  .bss : AT(ADDR(.bss) - {KERNEL_BASE:#x}) {{ *(.bss .bss.* COMMON) }} :data
  . = ALIGN(4096);
  kernel_end = .;
  cloudos_files 0 : {{ KEEP(*(cloudos_files)) }}
  cloudos_sites 0 : {{ KEEP(*(cloudos_sites)) }}
  /DISCARD/ : {{ *(.comment) *(.eh_frame*) *(.note.GNU-stack) }}
}}
"""
