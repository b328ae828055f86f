"""Memory objects: memory that can be shown in several places and processes, cloned, and supplied by a pager.

    memory = Memory()
    memory.create(U64(initial.QUOTA), U64(1 << 20), U64(MEMORY_ON_DEMAND))
    address = memory.map(U64(0), U64(1 << 20), U64(READ | WRITE))
    Ptr.at(U64, VirtAddr(address)).value = U64(1)
    copy = Memory()
    copy.clone(memory, U64(initial.QUOTA))
    unmap(address, U64(1 << 20))
    memory.close()

Lengths, offsets and addresses are bytes, whole pages. The functions without a space work on the program's own, which
they know by `initial.SPACE`: a further process needs a handle to its space, and names it. Errors are those of the
system calls: see docs/system-calls.md.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout
from cloudos.abi.errors import BadArgument
from cloudos.lang import U8, U64, Array, Ptr, Slice, UserPtr, VirtAddr, place, struct
from cloudos.sdk import system

READ = 1
WRITE = 2
EXECUTE = 4
PAGE = layout.PAGE_SIZE
LARGE_PAGE = layout.LARGE_PAGE_SIZE
# Where mappings that choose no address lie: below the guard of the stack.
END = layout.STACK_TOP - layout.STACK_SIZE - layout.STACK_GUARD_SIZE
# Places that are tried before the arguments themselves are taken for bad.
ATTEMPTS = 64


@struct
class Places:
    """Where the next mapping goes that chooses no address."""

    next: U64 = U64(layout.SHARED_START)

    def take(self, length: U64) -> U64:
        """So many bytes from the next address on; multiples of 2 MB where large pages can be."""
        alignment = U64(LARGE_PAGE) if length >= LARGE_PAGE else U64(PAGE)
        found = (self.next + (alignment - 1)) // alignment * alignment
        if length > END - found:
            found = U64(layout.SHARED_START)
        self.next = found + min(length, U64(END - layout.SHARED_START))
        return found

    def give_back(self, address: U64, length: U64) -> None:
        """What was taken last is the first to be taken again."""
        if address + length == self.next and address >= layout.SHARED_START:
            self.next = address


PLACES = place(Places())


@struct
class Usage:
    """What `memory_inspect` says. `physical` is 0 unless the memory is contiguous and the handle has CONTROL."""

    length: U64 = U64(0)
    paid: U64 = U64(0)
    physical: U64 = U64(0)


@struct
class Memory:
    """A handle to a memory object."""

    handle: U64 = U64(0)

    def create(self, quota: U64, length: U64, kind: U64) -> None:
        """Make a new object; `kind` is one of MEMORY_… of `cloudos.abi.objects`. Raises what `memory_create` does.

        With `(1 + n) * MEMORY_NODE` added, it gets memory of node n, as long as that has any.
        """
        self.handle = system.memory_create(quota, length, kind)

    def create_paged(self, quota: U64, pager: U64, length: U64) -> None:
        """Make a new object whose pages come from who receives from `pager`. Raises what `memory_create_paged` does."""
        self.handle = system.memory_create_paged(quota, pager, length)

    def clone(self, origin: Memory, quota: U64) -> None:
        """Become a copy of another object, paid by `quota`. Raises what `memory_clone` does."""
        self.handle = system.memory_clone(origin.handle, quota, U64(0))

    def map(self, offset: U64, length: U64, access: U64) -> U64:
        """Show a part in the program's own space; the address, a multiple of 2 MB from that length on.

        `access`: READ, WRITE, EXECUTE. Raises what `space_map` does.
        """
        for _ in U64.range(ATTEMPTS - 1):
            address = PLACES.take(length)
            try:
                self.map_at(U64(initial.SPACE), address, offset, length, access)
                return address
            except BadArgument:
                # Somebody has mapped there; or it is the arguments.
                pass
        address = PLACES.take(length)
        self.map_at(U64(initial.SPACE), address, offset, length, access)
        return address

    def map_at(self, space: U64, address: U64, offset: U64, length: U64, access: U64) -> None:
        """Show a part in any space, at a chosen address. Raises what `space_map` does."""
        system.space_map(space, self.handle, address, offset, length, access)

    def supply(self, source: Memory, offset: U64, source_offset: U64, length: U64) -> None:
        """Move pages of `source` into this object, all of them. Raises what `memory_supply` does: some may have."""
        done = U64(0)
        while done < length:
            at = source_offset + done
            done = done + system.memory_supply(self.handle, source.handle, offset + done, at, length - done)

    def discard(self, offset: U64, length: U64) -> None:
        """Forget pages, everywhere they are mapped. Raises what `memory_discard` does."""
        system.memory_discard(self.handle, offset, length)

    def inspect(self) -> Usage:
        """How much it holds and costs. Raises what `memory_inspect` does."""
        words = Array[U64, Literal[3]]()
        system.memory_inspect(self.handle, UserPtr.at(U8, Ptr.to(words).address.value))
        return Usage(words[0], words[1], words[2])

    def close(self) -> None:
        """Give up the handle. What is mapped stays. Raises BadHandle."""
        system.handle_close(self.handle)


def unmap(address: U64, length: U64) -> None:
    """Take a mapping, or a part of it, out of the program's own space. Raises what `space_unmap` does."""
    system.space_unmap(U64(initial.SPACE), address, length)
    PLACES.give_back(address, length)


def protect(address: U64, length: U64, access: U64) -> None:
    """Change what the program may do with mapped memory. Raises what `space_protect` does."""
    system.space_protect(U64(initial.SPACE), address, length, access)


def view(address: U64, length: U64) -> Slice[U8]:
    """Mapped memory as bytes: valid while it is mapped."""
    return Slice.of(Ptr.at(U8, VirtAddr(address)), length)
