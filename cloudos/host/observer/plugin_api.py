"""QEMU's interface for plugins (include/qemu/qemu-plugin.h, version 1), and what the plugin takes from its process.

Pointers and enumerations are plain words here.
"""

from __future__ import annotations

from cloudos.lang import U32, U64, imported

VERSION = 1
NO_REGISTERS = 0
"""QEMU_PLUGIN_CB_NO_REGS: the callback looks at no registers."""
ADD = 0
"""QEMU_PLUGIN_INLINE_ADD_U64."""


@imported("qemu_plugin_register_vcpu_tb_trans_cb")
def on_translation(plugin: U64, callback: U64) -> None:
    """Have `callback(plugin, block)` called for every block that is translated."""
    raise NotImplementedError


@imported("qemu_plugin_register_vcpu_tb_exec_cb")
def on_execution(block: U64, callback: U64, flags: U64, data: U64) -> None:
    """Have `callback(processor, data)` called before every execution of a block."""
    raise NotImplementedError


@imported("qemu_plugin_register_vcpu_insn_exec_inline")
def count_instruction(instruction: U64, operation: U64, counter: U64, amount: U64) -> None:
    """Add to the word at `counter` before every execution of an instruction."""
    raise NotImplementedError


@imported("qemu_plugin_tb_n_insns")
def length(block: U64) -> U64:
    """Number of instructions of a block."""
    raise NotImplementedError


@imported("qemu_plugin_tb_get_insn")
def instruction(block: U64, index: U64) -> U64:
    """One of a block's instructions."""
    raise NotImplementedError


@imported("qemu_plugin_insn_data")
def code(instruction: U64) -> U64:
    """Where an instruction's bytes are, in this process."""
    raise NotImplementedError


@imported("qemu_plugin_insn_size")
def size(instruction: U64) -> U64:
    """Number of an instruction's bytes."""
    raise NotImplementedError


@imported("qemu_plugin_insn_vaddr")
def address(instruction: U64) -> U64:
    """An instruction's address in the guest."""
    raise NotImplementedError


@imported("qemu_plugin_insn_haddr")
def host_address(instruction: U64) -> U64:
    """Where the guest's memory with the instruction is, in this process; 0 when it is not memory."""
    raise NotImplementedError


# The C library's.


@imported("mmap")
def map_file(address: U64, size: U64, protection: U32, flags: U32, file: U32, offset: U64) -> U64:
    """mmap(2)."""
    raise NotImplementedError


@imported("abort")
def abort() -> None:
    """abort(3)."""
    raise NotImplementedError
