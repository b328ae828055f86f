"""The simulated address space in which structs, arrays and slices live under CPython.

A `Region` is one allocation. Every access goes through it and is checked: bounds, permitted widths, memory
never written, memory already freed. Regions get an address when somebody asks for one, from addresses
that are never used twice, with unmapped gaps between them, so that a stray pointer never hits a neighbour.

A region holds bytes, as the machine would. Beside them it keeps *shadows*: for a stored pointer or
reference, the live Python object it came from, valid for as long as the bytes beneath have not changed.
"""

from __future__ import annotations

import struct
import weakref
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable
from typing import Any

from cloudos.lang.panics import Panic, PanicKind

_FIRST_ADDRESS = 0x7000_0000_0000
_GAP = 4096
_LIMIT = 1 << 64
LARGEST = 1 << 29
"""Bytes of a region: what a module needs while it is imported is far less, and a computer has little more."""


class _Rules:
    """What few regions have: shared by all that have none of it."""

    __slots__ = ("freed", "readonly", "widths")

    def __init__(self, freed: bool, readonly: bool, widths: frozenset[int] | None) -> None:
        self.freed = freed
        self.readonly = readonly
        self.widths = widths


_NO_RULES = _Rules(False, False, None)
_WRITTEN = b"\1" * 16
STRETCH = 12
"""Binary logarithm of how many bytes `Region.whole` knows about at a time."""
_NOTHING: set[int] = set()
_WORD = struct.Struct("<Q")
_WORD_MASK = (1 << 64) - 1


class Region:
    """One allocation of simulated memory.

    `size` and `align` are in bytes. `owner` is the root struct or array instance, None for raw memory.
    `plain` says that an access needs no check but that of its bounds, and that what it reads was written where there
    is a `mask` (a byte for each, 0 where nothing was): it may then go to `data` directly.
    Subclasses may override `read` and `write` to model devices. Raises MemoryError beyond `LARGEST`.
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "_rules",
        "align",
        "data",
        "mask",
        "owner",
        "placement",
        "plain",
        "shadows",
        "size",
        "views",
        "whole",
    )

    def __init__(self, size: int, align: int = 1, *, owner: Any = None, initialised: bool = True) -> None:
        if size > LARGEST:
            raise MemoryError(f"a value of {size:,} bytes: at most {LARGEST:,} are held while Python runs the code")
        self.size = size
        self.align = align
        self.data = bytearray(size)
        self.owner = owner
        self.mask: bytearray | None = None if initialised else bytearray(size)
        # Numbers of stretches of `STRETCH` bytes of which all is known to have been written.
        self.whole: set[int] = _NOTHING if initialised else set()
        self.plain = self.__class__ is Region
        self.shadows: dict[int, tuple[int, Any]] | None = None
        self.views: dict[tuple[int, type], Any] | None = None
        self.placement: Any = None
        self._rules = _NO_RULES
        self._address: int | None = None

    @property
    def freed(self) -> bool:
        """Whether the memory was given back."""
        return self._rules.freed

    @freed.setter
    def freed(self, freed: bool) -> None:
        self._rules = _Rules(freed, self.readonly, self.widths)
        self.plain = False

    @property
    def readonly(self) -> bool:
        """Whether writes are refused."""
        return self._rules.readonly

    @readonly.setter
    def readonly(self, readonly: bool) -> None:
        self._rules = _Rules(self.freed, readonly, self.widths)
        self.plain = False

    @property
    def widths(self) -> frozenset[int] | None:
        """The only access widths, in bytes, that the region takes (device registers); None for all."""
        return self._rules.widths

    @widths.setter
    def widths(self, widths: frozenset[int] | None) -> None:
        self._rules = _Rules(self.freed, self.readonly, widths)
        self.plain = False

    @property
    def address(self) -> int:
        """Where the region lies in the current address space; given on first use."""
        if self._address is None:
            current_address_space().place(self)
        assert self._address is not None
        return self._address

    def __repr__(self) -> str:
        where = "unplaced" if self._address is None else f"at {self._address:#x}"
        return f"<Region {where}, {self.size} bytes{', freed' if self.freed else ''}>"

    def read(self, offset: int, size: int) -> int:
        """The little-endian number of `size` bytes at `offset`; panics when the access is not allowed."""
        end = offset + size
        if not self.plain or offset < 0 or end > self.size:
            self.check(offset, size)
        if self.mask is not None and offset >> STRETCH not in self.whole and self.mask.find(0, offset, end) >= 0:
            raise Panic(PanicKind.UNINITIALISED, f"{size} bytes at offset {offset} of {self!r}")
        if size == 8:
            word: int = _WORD.unpack_from(self.data, offset)[0]
            return word
        return int.from_bytes(self.data[offset:end], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Store the low `size` bytes of `value`, little-endian; panics when the access is not allowed."""
        end = offset + size
        if not self.plain or offset < 0 or end > self.size:
            self.check(offset, size, write=True)
        if self.mask is not None:
            self.mask[offset:end] = _WRITTEN[:size]
        if size == 8:
            _WORD.pack_into(self.data, offset, value & _WORD_MASK)
        else:
            self.data[offset:end] = (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")

    def check(self, offset: int, size: int, *, write: bool = False, scalar: bool = True) -> None:
        """Panic unless an access of `size` bytes at `offset` is allowed."""
        rules = self._rules
        if rules.freed:
            raise Panic(PanicKind.USE_AFTER_FREE, f"{size} bytes at offset {offset} of {self!r}")
        if offset < 0 or offset + size > self.size:
            raise Panic(PanicKind.BAD_ACCESS, f"{size} bytes at offset {offset} of {self!r}")
        if write and rules.readonly:
            raise Panic(PanicKind.BAD_ACCESS, f"write to read-only {self!r}")
        if scalar and rules.widths is not None and size not in rules.widths:
            raise Panic(PanicKind.BAD_ACCESS, f"access {size} bytes wide to {self!r}, which takes {set(rules.widths)}")

    def view(self, offset: int, cls: type[Any], size: int) -> Any:
        """The one view object of class `cls` at `offset`: the same object every time."""
        if offset < 0 or offset + size > self.size or self._rules.freed:
            self.check(offset, size, scalar=False)
        if offset == 0 and self.owner.__class__ is cls:
            return self.owner
        views = self.views
        if views is None:
            views = self.views = {}
        view = views.get((offset, cls))
        if view is None:
            view = views[offset, cls] = object.__new__(cls)
            view._region = self
            view._offset = offset
        return view

    def shadow(self, offset: int, raw: int) -> Any:
        """The live object stored at `offset` when its bytes are still `raw`, else None."""
        if self.shadows is None:
            return None
        entry = self.shadows.get(offset)
        return entry[1] if entry is not None and entry[0] == raw else None

    def write_shadowed(self, offset: int, raw: int, value: Any) -> None:
        """Store the 8-byte number `raw` and remember the live object that it stands for."""
        self.write(offset, 8, raw)
        if self.shadows is None:
            self.shadows = {}
        self.shadows[offset] = (raw, value)

    def copy_from(self, offset: int, source: Region, source_offset: int, size: int) -> None:
        """Move `size` bytes from another region (or this one, overlapping or not), shadows included."""
        if size == 0:
            return
        self.check(offset, size, write=True, scalar=False)
        source.check(source_offset, size, scalar=False)
        self.data[offset : offset + size] = source.data[source_offset : source_offset + size]
        if self.mask is not None or source.mask is not None:
            self._copy_mask(offset, source, source_offset, size)
        if source.shadows or self.shadows:
            self._copy_shadows(offset, source, source_offset, size)

    def _copy_shadows(self, offset: int, source: Region, source_offset: int, size: int) -> None:
        """Move the shadows of a stretch, and forget those that were at its new place."""
        moved = [(at - source_offset + offset, entry) for at, entry in _shadows_in(source, source_offset, size)]
        shadows = self.shadows
        if shadows is None:
            shadows = self.shadows = {}
        for at, _ in _shadows_in(self, offset, size):
            del shadows[at]
        shadows.update(moved)

    def _copy_mask(self, offset: int, source: Region, source_offset: int, size: int) -> None:
        if self.mask is None:
            self.mask = bytearray(b"\1") * self.size
            self.whole = set(range(self.size >> STRETCH))
        if source.mask is None:
            self.mask[offset : offset + size] = b"\1" * size
            self.whole.update(_stretches(offset, size))
        else:
            self.mask[offset : offset + size] = source.mask[source_offset : source_offset + size]
            self.whole.difference_update(range(offset >> STRETCH, (offset + size >> STRETCH) + 1))

    def repeat(self, offset: int, size: int, count: int) -> None:
        """Copy the `size` bytes at `offset`, which were written, over the `count` - 1 places behind them."""
        self.check(offset, size * count, write=True, scalar=False)
        self.data[offset : offset + size * count] = self.data[offset : offset + size] * count
        if self.mask is not None:
            self.mask[offset : offset + size * count] = b"\1" * (size * count)
            self.whole.update(_stretches(offset, size * count))

    def content(self, offset: int, size: int) -> bytes:
        """The bytes of a stretch, all of which must have been written."""
        self.check(offset, size, scalar=False)
        if self.mask is not None and self.mask.find(0, offset, offset + size) >= 0:
            raise Panic(PanicKind.UNINITIALISED, f"{size} bytes at offset {offset} of {self!r}")
        return bytes(self.data[offset : offset + size])

    def clear(self, offset: int, size: int) -> None:
        """Fill with zero bytes."""
        if size == 0:
            return
        self.check(offset, size, write=True, scalar=False)
        self.data[offset : offset + size] = bytes(size)
        if self.mask is not None:
            self.mask[offset : offset + size] = b"\1" * size
            self.whole.update(_stretches(offset, size))


def _stretches(offset: int, size: int) -> range:
    """Those that lie within a piece of memory."""
    return range(-(-offset >> STRETCH), offset + size >> STRETCH)


def _shadows_in(region: Region, start: int, size: int) -> list[tuple[int, tuple[int, Any]]]:
    """The shadows of a stretch; looks at its bytes or at all shadows, whichever are fewer."""
    shadows = region.shadows
    if not shadows:
        return []
    if size < len(shadows):
        return [(at, shadows[at]) for at in range(start, start + size) if at in shadows]
    return [(at, entry) for at, entry in shadows.items() if start <= at < start + size]


class AddressSpace:
    """Which region lies at which address. Address 0 is never mapped.

    Memory from `allocate` stays until `free`; regions of instances live as long as somebody refers to
    them. `budget`, when set, is how many more bytes `allocate` gives before it is exhausted.
    """

    def __init__(self) -> None:
        self._next = _FIRST_ADDRESS
        self._addresses: list[int] = []
        self._regions: dict[int, weakref.ref[Region]] = {}
        self._held: dict[int | None, Region] = {}
        # The last freed regions stay findable, so that access by address also says "freed".
        self._graveyard: deque[Region] = deque(maxlen=4096)
        self._dead = 0
        self.budget: int | None = None

    def place_from(self, address: int) -> int:
        """Place regions that ask for an address here and above from now on; returns where the next would have gone."""
        before, self._next = self._next, address
        return before

    def allocate(self, size: int, align: int = 16, *, initialised: bool = False, address: int | None = None) -> Region:
        """A new region of `size` bytes, at `address` when given; MemoryError when the budget is used up."""
        if self.budget is not None:
            if size > self.budget:
                raise MemoryError(f"{size} bytes asked, {self.budget} left")
            self.budget -= size
        return self.map(Region(size, align, initialised=initialised), address)

    def map(self, region: Region, address: int | None = None) -> Region:
        """Keep a region made elsewhere (the model of a device) at an address until `free`; returns it."""
        self.place(region, address)
        self._held[region.address] = region
        return region

    def free(self, region: Region) -> None:
        """Give a region back: every later access through it panics USE_AFTER_FREE.

        BAD_ACCESS panic for a region that did not come from `allocate`.
        """
        if region.freed:
            raise Panic(PanicKind.USE_AFTER_FREE, f"freed twice: {region!r}")
        if self._held.pop(region._address, None) is not region:
            raise Panic(PanicKind.BAD_ACCESS, f"freed, but not allocated: {region!r}")
        self._graveyard.append(region)
        region.freed = True
        region.data = bytearray()
        region.shadows = region.views = region.mask = None
        if self.budget is not None:
            self.budget += region.size

    def release(self, region: Region) -> None:
        """Forget a region wholly, so that its addresses may be mapped again (a simulated machine going away)."""
        if not region.freed:
            self.free(region)
        self._regions.pop(region.address, None)
        self._addresses.remove(region.address)

    def live_allocations(self) -> list[Region]:
        """Every region from `allocate` that was not freed: what a leak check counts."""
        return list(self._held.values())

    def place(self, region: Region, address: int | None = None) -> None:
        """Give a region its address; ValueError when that is taken, zero or misaligned."""
        if region._address is not None:
            raise ValueError(f"{region!r} has an address already")
        if address is None:
            address = self._next + -self._next % max(region.align, 16)
            self._next = address + region.size + _GAP
        else:
            self._check_free(region, address)
        region._address = address
        # First this: others may be collected now, and addresses of which no region is known are then forgotten.
        self._regions[address] = weakref.ref(region, self._dropper(address))
        self._addresses.append(address) if self._is_last(address) else insort(self._addresses, address)

    def _dropper(self, address: int) -> Callable[[weakref.ref[Region]], None]:
        return lambda _: self._drop(address)

    def _is_last(self, address: int) -> bool:
        return not self._addresses or self._addresses[-1] < address

    def _check_free(self, region: Region, address: int) -> None:
        if address <= 0 or address % region.align or address + region.size > _LIMIT:
            raise ValueError(f"{region.size} bytes cannot lie at address {address:#x}")
        index = bisect_right(self._addresses, address + region.size - 1)
        below = self._regions.get(self._addresses[index - 1]) if index else None
        neighbour = below() if below is not None else None
        if neighbour is not None and neighbour.address + neighbour.size > address:
            raise ValueError(f"address {address:#x} is taken by {neighbour!r}")

    def _drop(self, address: int) -> None:
        """A region is gone: forget it, and from time to time the addresses of all that are gone."""
        if self._regions.pop(address, None) is None:
            return
        self._dead += 1
        if self._dead > 1024 and self._dead * 2 > len(self._addresses):
            self._addresses = [at for at in self._addresses if at in self._regions]
            self._dead = 0

    def find(self, address: int) -> tuple[Region, int] | None:
        """The region at `address` and the offset in it; None where nothing is mapped.

        An address just past a region (a slice's end) belongs to it when nothing else is there.
        """
        index = bisect_right(self._addresses, address)
        while index:
            index -= 1
            reference = self._regions.get(self._addresses[index])
            region = reference() if reference is not None else None
            if region is not None:
                offset = address - self._addresses[index]
                return (region, offset) if offset <= region.size else None
        return None


_current = AddressSpace()


def current_address_space() -> AddressSpace:
    """The address space in which new regions get their addresses."""
    return _current
