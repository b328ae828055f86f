"""The plugin's entries: QEMU loads it, and calls it for every block of instructions that it translates and executes."""

from __future__ import annotations

from typing import Literal, NoReturn

from cloudos.host.observer import plugin_api, recorder
from cloudos.host.observer.arena import BLOCKS, INSTRUCTIONS, MAGIC, Arena, Ending, Probe
from cloudos.lang import (
    U8,
    U32,
    U64,
    Array,
    ProgramImage,
    Ptr,
    VirtAddr,
    code_address,
    exported,
    fast,
    null,
    offset_of,
    place,
    struct,
)

READ_AND_WRITE = 3
SHARED = 1
EXECUTED = offset_of(Arena, "executed")
FNV_BASIS = 0xCBF2_9CE4_8422_2325
FNV_PRIME = 0x100_0000_01B3

API_VERSION = place(Array[U32, Literal[1]](), symbol="qemu_plugin_version")
API_VERSION[0] = U32(plugin_api.VERSION)


@struct
class Plugin:
    """Where the arena is."""

    arena: Ptr[Arena] = null()


PLUGIN = Plugin()


@exported("cloudos_panic")
def on_panic(site: U32) -> NoReturn:
    """A defect of the plugin: say where, and end QEMU."""
    if not PLUGIN.arena.is_null():
        PLUGIN.arena.value.panic = U64(site) | 1 << 32
    plugin_api.abort()
    while True:
        pass


@exported("qemu_plugin_install")
def install(plugin: U64, information: U64, count: U32, arguments: Ptr[Ptr[U8]]) -> U32:
    """QEMU's first call. The one argument is "arena=N", with the number of the file that is the arena.

    0, or 1 when that is not so.
    """
    if count != 1 or API_VERSION[0] != plugin_api.VERSION:
        return U32(1)
    text = arguments.value
    at = U64(0)
    while text.offset(at).value != 61:  # "="
        if text.offset(at).value == 0:
            return U32(1)
        at += 1
    file = U32(0)
    at += 1
    while 48 <= text.offset(at).value <= 57:
        file = file * 10 + U32(text.offset(at).value - 48)
        at += 1
    header = plugin_api.map_file(U64(0), U64(4096), U32(READ_AND_WRITE), U32(SHARED), file, U64(0))
    if header >= U64.MAX - 4095 or Ptr.at(Arena, VirtAddr(header)).value.magic != MAGIC:
        return U32(1)
    size = Ptr.at(Arena, VirtAddr(header)).value.size
    whole = plugin_api.map_file(U64(0), size, U32(READ_AND_WRITE), U32(SHARED), file, U64(0))
    if whole >= U64.MAX - 4095:
        return U32(1)
    PLUGIN.arena = Ptr.at(Arena, VirtAddr(whole))
    recorder.start(PLUGIN.arena.value)
    plugin_api.on_translation(plugin, code_address(on_translate).value)
    return U32(0)


@exported("observer_on_execute")
@fast
def on_execute(processor: U32, index: U64) -> None:
    """A block is about to be executed, by the one processor that is watched."""
    recorder.execute(PLUGIN.arena.value, index)


@exported("observer_on_reach")
@fast
def on_reach(processor: U32, index: U64) -> None:
    """A block is about to be executed, and nothing more is wanted. Processors may be here at the same time."""
    recorder.block_at(PLUGIN.arena.value, index).value.executed = U64(1)


@exported("observer_on_translate")
def on_translate(plugin: U64, block: U64) -> None:
    """A block is translated: describe it, and ask to be called when it is executed."""
    arena = PLUGIN.arena.value
    count = plugin_api.length(block)
    # Several processors may translate at the same time.
    first = arena.instructions.fetch_add(count)
    number = arena.blocks.fetch_add(U64(1))
    if number >= BLOCKS or first + count > INSTRUCTIONS:
        arena.lost_blocks += 1
        return
    digest = U64(FNV_BASIS)
    last = U64(0)
    for index in U64.range(count):
        last = plugin_api.instruction(block, index)
        recorder.instruction_at(arena, first + index).value = plugin_api.address(last)
        digest = digested(digest, Ptr.at(U8, VirtAddr(plugin_api.code(last))), plugin_api.size(last))
        if arena.only_lines == 0:
            plugin_api.count_instruction(last, U64(plugin_api.ADD), Ptr.to(arena).address.value + EXECUTED, U64(1))
    begin = plugin_api.instruction(block, U64(0))
    locate(arena, plugin_api.address(begin), plugin_api.host_address(begin))
    made = recorder.block_at(arena, number).value
    made.address = plugin_api.address(begin)
    made.first = U32(first)
    made.count = U32(count)
    made.digest = digest
    made.ending = ending(arena, Ptr.at(U8, VirtAddr(plugin_api.code(last))), plugin_api.size(last))
    made.probe = probe(arena, made.address)
    made.cached_node = U32(0xFFFF_FFFF)
    called = code_address(on_execute) if arena.only_lines == 0 else code_address(on_reach)
    plugin_api.on_execution(block, called.value, U64(plugin_api.NO_REGISTERS), number)


def digested(digest: U64, code: Ptr[U8], size: U64) -> U64:
    """FNV-1a of more bytes."""
    for index in U64.range(size):
        digest = (digest ^ U64(code.offset(index).value)).wrapping_mul(FNV_PRIME)
    return digest


def locate(arena: Arena, address: U64, host: U64) -> None:
    """Learn from an instruction where the guest's memory is in this process."""
    if host == 0:
        return
    if arena.memory_host == 0 and arena.anchor_start <= address < arena.anchor_end:
        arena.memory_host = host - (arena.anchor_physical - arena.memory_start) - (address - arena.anchor_start)
    if arena.kernel_host == 0 and address >= arena.kernel_base:
        arena.kernel_host = host - (address - arena.kernel_base)


def probe(arena: Arena, address: U64) -> Probe:
    """What a block is that begins at an address."""
    if address == arena.system_call:
        return Probe.CALL
    return Probe.TRAP if address == arena.user_trap else Probe.NONE


def ending(arena: Arena, code: Ptr[U8], size: U64) -> Ending:
    """What the last instruction of a block does."""
    return ending_arm(code) if arena.coding != 0 else ending_x86(code, size)


def ending_x86(code: Ptr[U8], size: U64) -> Ending:
    """AMD64 manual volume 3: CALL is E8 and FF /2, RET is C3 and C2; prefixes may come first."""
    at = U64(0)
    while at + 1 < size and is_prefix(code.offset(at).value):
        at += 1
    first = code.offset(at).value
    if first == 0xE8:
        return Ending.CALL
    if first == 0xFF and at + 1 < size and code.offset(at + 1).value & 0x38 == 0x10:
        return Ending.CALL
    return Ending.RETURN if first == 0xC3 or first == 0xC2 else Ending.OTHER


def is_prefix(byte: U8) -> bool:
    """Of a near call or return: REX, operand size, segment or branch hint, bound, repetition."""
    return byte & 0xF0 == 0x40 or byte == 0x66 or byte == 0x2E or byte == 0x3E or byte == 0xF2 or byte == 0xF3


def ending_arm(code: Ptr[U8]) -> Ending:
    """Arm architecture manual, C4.1: BL, BLR and RET, and those that check a signature."""
    word = code.cast(U32).value
    if word >> 26 == 0b100101 or word & 0xFEFF_F000 == 0xD63F_0000:
        return Ending.CALL
    return Ending.RETURN if word & 0xFFFF_F000 == 0xD65F_0000 else Ending.OTHER


IMAGE = ProgramImage(entries=(install, on_translate, on_execute, on_reach, on_panic), assemblies=())
