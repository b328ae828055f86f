"""What the kernel in the guest knows, read from its memory through the kernel's own declarations.

Pointers of the guest mean nothing here: each is translated before it is followed. The kernel changes what is read only
while it runs, and it does not while the plugin does.
"""

from __future__ import annotations

from cloudos.host.observer.arena import Arena
from cloudos.kernel.hal import ARCHITECTURE, trap
from cloudos.kernel.objects.header import SLOTS_PER_CHUNK, Capability, Directory, Header
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.sched.processor import Processor
from cloudos.lang import U32, U64, Ptr, VirtAddr, data, null, offset_of, size_of

_X86_MESSAGE = ["rax", "rdx", "rdi", "rsi", "rbx", "rdx", "r10", "r8", "r9", "r12", "r13", "r14", "r15"]
_ARM_MESSAGE = ["x0", "x1", "x12", "x1", "x11", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10"]
MESSAGE = {"x86_64": _X86_MESSAGE, "aarch64": _ARM_MESSAGE}[ARCHITECTURE]
"""Registers in which a thread gets something: error, value; badge, tag, reply handle and words of a message."""
OFFSETS = data(bytes(offset_of(trap.UserFrame, name) // 8 for name in MESSAGE))
REGISTERS = len(MESSAGE)
NOTHING = 0


def host(arena: Arena, address: U64) -> U64:
    """Where the memory at an address of the kernel's is in this process; 0 when that cannot be known."""
    if address >= arena.kernel_base:
        at = address - arena.kernel_base
        return arena.kernel_host + at if arena.kernel_host != 0 and at < arena.kernel_size else U64(NOTHING)
    if address < arena.direct_base or arena.memory_host == 0:
        return U64(NOTHING)
    physical = address - arena.direct_base
    if physical < arena.memory_start or physical - arena.memory_start >= arena.memory_size:
        return U64(NOTHING)
    return arena.memory_host + (physical - arena.memory_start)


def current(arena: Arena) -> U64:
    """The guest's address of the thread that runs, or whose system call or trap the kernel deals with; 0: none."""
    at = host(arena, arena.processor)
    return U64(NOTHING) if at == 0 else Ptr.at(Processor, VirtAddr(at)).value.current.address.value


def thread_at(arena: Arena, thread: U64) -> Ptr[Thread]:
    """A thread by its address in the guest; null when there is no memory."""
    at = host(arena, thread)
    return null() if at == 0 else Ptr.at(Thread, VirtAddr(at))


def owner(arena: Arena, thread: U64) -> U64:
    """The number of a thread's process, which no other process ever has; 0 when that cannot be known."""
    found = thread_at(arena, thread)
    if found.is_null():
        return U64(NOTHING)
    at = host(arena, found.value.process.address.value)
    return U64(NOTHING) if at == 0 else Ptr.at(Process, VirtAddr(at)).value.table.owner


def capability(arena: Arena, thread: U64, handle: U64) -> Ptr[Capability]:
    """What a handle of a thread's process names; null when it is none."""
    none: Ptr[Capability] = null()
    found = thread_at(arena, thread)
    if found.is_null():
        return none
    at = host(arena, found.value.process.address.value)
    if at == 0:
        return none
    table = Ptr.at(Process, VirtAddr(at)).value.table
    index = handle & 0xFFFF_FFFF
    if index >= table.fresh:
        return none
    chunk = table.first.address.value
    if index >= SLOTS_PER_CHUNK:
        directory = host(arena, table.directory.address.value)
        if directory == 0:
            return none
        chunk = Ptr.at(Directory, VirtAddr(directory)).value.chunks[index // SLOTS_PER_CHUNK].address.value
    slot = host(arena, chunk + (index % SLOTS_PER_CHUNK) * size_of(Capability))
    if slot == 0:
        return none
    one = Ptr.at(Capability, VirtAddr(slot))
    return one if U64(one.value.generation) == handle >> 32 and not one.value.object.is_null() else none


def kind(arena: Arena, object: U64) -> U64:
    """The kind of a kernel object, as `cloudos.abi.objects.Kind` numbers them."""
    at = host(arena, object)
    return U64(NOTHING) if at == 0 else U64(U32(Ptr.at(Header, VirtAddr(at)).value.kind))


def register(arena: Arena, thread: U64, index: U64) -> U64:
    """What the thread's frame has in the register MESSAGE[index]."""
    found = thread_at(arena, thread)
    if found.is_null():
        return U64(NOTHING)
    return Ptr.to(found.value.frame).cast(U64).offset(U64(OFFSETS[index])).value
