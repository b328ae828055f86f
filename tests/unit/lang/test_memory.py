"""The simulated address space: what is caught, and what is not."""

from __future__ import annotations

import gc
import itertools
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.lang import (
    U8,
    U16,
    U32,
    U64,
    AddressSpace,
    Array,
    Panic,
    PanicKind,
    Ptr,
    Region,
    Slice,
    VirtAddr,
    current_address_space,
    data,
    free_slice,
    new_slice,
    null,
    place,
    struct,
    zeroed,
)
from tests.unit.lang.faults import panics


@struct
class Pair:
    low: U32
    high: U32 = U32(0)


def raw(size: int, *, initialised: bool = True) -> Region:
    return current_address_space().allocate(size, initialised=initialised)


def at(region: Region, offset: int = 0) -> VirtAddr:
    return VirtAddr(U64(region.address + offset))


@given(st.integers(0, 40), st.integers(1, 8))
def test_bounds(offset: int, size: int) -> None:
    region = Region(32)
    if offset + size <= 32:
        region.write(offset, size, 0x0102030405060708)
        assert region.read(offset, size) == 0x0102030405060708 % (1 << 8 * size)
    else:
        with panics(PanicKind.BAD_ACCESS):
            region.read(offset, size)
        with panics(PanicKind.BAD_ACCESS):
            region.write(offset, size, 0)
    with panics(PanicKind.BAD_ACCESS):
        region.read(-1, size)


def test_uninitialised_memory_is_caught_byte_by_byte() -> None:
    region = raw(16, initialised=False)
    word = Ptr.at(U32, at(region))
    with panics(PanicKind.UNINITIALISED):
        word.value
    for offset in range(3):
        Ptr.at(U8, at(region, offset)).value = U8(1)
    with panics(PanicKind.UNINITIALISED):
        word.value
    Ptr.at(U8, at(region, 3)).value = U8(1)
    assert word.value == 0x01010101


def test_uninitialised_stays_so_when_copied() -> None:
    source = Ptr.at(Pair, at(raw(8, initialised=False)))
    source.value.low = U32(7)
    target = new_slice(Pair, 1)
    target[0] = source.value
    assert target[0].low == 7
    with panics(PanicKind.UNINITIALISED):
        target[0].high


def test_freed_memory_is_caught() -> None:
    memory = new_slice(Pair, 2)
    alias = memory[1]
    pointer = memory.pointer
    free_slice(memory)
    for action in (lambda: memory[0], lambda: alias.low, lambda: pointer.value, lambda: memory.fill(zeroed())):
        with panics(PanicKind.USE_AFTER_FREE):
            action()
    with panics(PanicKind.USE_AFTER_FREE):
        free_slice(memory)
    with panics(PanicKind.USE_AFTER_FREE):
        alias.low = U32(1)


def test_only_whole_heap_slices_are_freed() -> None:
    memory = new_slice(U8, 4)
    for part in (memory[1:3], memory[1:4], memory[0:3]):
        with panics(PanicKind.BAD_ACCESS):
            free_slice(part)
    with panics(PanicKind.BAD_ACCESS):
        free_slice(Array[U8, Literal[4]]().slice())
    free_slice(memory)
    empty: Slice[U8] = zeroed()
    free_slice(empty)


def test_null_and_unmapped_pointers() -> None:
    nothing: Ptr[Pair] = null()
    assert nothing.is_null()
    with panics(PanicKind.NULL):
        nothing.value
    with panics(PanicKind.NULL):
        Ptr.at(U8, VirtAddr(0)).value = U8(1)
    with panics(PanicKind.BAD_ACCESS):
        Ptr.at(U8, VirtAddr(0xDEAD_0000)).value
    with panics(PanicKind.BAD_ACCESS):
        Ptr.to(Pair(U32(1))).offset(1).value.low
    with panics(PanicKind.BAD_ACCESS):
        Ptr.to(Pair(U32(1))).offset(-1).value.low


def test_misaligned_access_is_caught() -> None:
    region = raw(16)
    with panics(PanicKind.BAD_ACCESS):
        Ptr.at(U32, at(region, 2)).value
    assert Ptr.at(U16, at(region, 2)).value == 0


def test_device_registers_take_their_widths_only() -> None:
    region = raw(16)
    region.widths = frozenset({4})
    Ptr.at(U32, at(region)).value = U32(1)
    with panics(PanicKind.BAD_ACCESS):
        Ptr.at(U8, at(region)).value
    with panics(PanicKind.BAD_ACCESS):
        Ptr.at(U64, at(region)).value = U64(1)


def test_regions_can_model_devices() -> None:
    class Counter(Region):
        """Each read gives one more; a write sets it."""

        __slots__ = ("count",)

        def read(self, offset: int, size: int) -> int:
            self.check(offset, size)
            self.count += 1
            return self.count

        def write(self, offset: int, size: int, value: int) -> None:
            self.check(offset, size, write=True)
            self.count = value

    device = Counter(8, 8)
    device.count = 0
    current_address_space().map(device)
    register = Ptr.at(U32, at(device))
    assert register.value == 1 and register.value == 2
    register.value = U32(40)
    assert Slice.of(register, 2)[1] == 41
    with panics(PanicKind.BAD_ACCESS):
        register.offset(2).value
    current_address_space().free(device)
    with panics(PanicKind.USE_AFTER_FREE):
        register.value


def test_bulk_reads_find_uninitialised_bytes() -> None:
    region = raw(8, initialised=False)
    memory = Slice.of(Ptr.at(U8, at(region)), 8)
    memory[0:7].fill(U8(5))
    assert bytes(memory[0:7]) == b"\5" * 7
    with panics(PanicKind.UNINITIALISED):
        memory.equals(data(b"12345678"))
    memory.fill(U8(0))
    assert memory.equals(data(bytes(8)))


def test_bytes_that_are_no_bool() -> None:
    @struct
    class Flag:
        value: bool = True

    flag = Flag()
    byte = Ptr.to(flag).cast(U8)
    assert byte.value == 1 and flag.value is True
    byte.value = U8(0)
    assert flag.value is False
    byte.value = U8(2)
    with panics(PanicKind.BAD_ENUM):
        flag.value


def test_writes_give_up_no_neighbour() -> None:
    region = raw(8)
    Ptr.at(U64, at(region)).value = U64(0x1122334455667788)
    Ptr.at(U16, at(region, 2)).value = U16(0xABCD)
    assert Ptr.at(U64, at(region)).value == 0x11223344ABCD7788


def test_read_only_data() -> None:
    text = data(b"hello")
    assert bytes(text) == b"hello" and text[1] == 0x65
    with panics(PanicKind.BAD_ACCESS):
        text[0] = U8(1)
    with panics(PanicKind.BAD_ACCESS):
        text.fill(U8(1))
    assert bytes(data(b"hello")) == b"hello"


def test_addresses_lead_back_to_their_objects() -> None:
    pair = Pair(U32(1), U32(2))
    address = Ptr.to(pair).address
    assert Ptr.at(Pair, address).value is pair
    assert Ptr.at(U32, address.offset(4)).value == 2
    assert Ptr.at(Pair, address) == Ptr.to(pair)
    assert Ptr.to(pair) != Ptr.to(pair).offset(1) and Ptr.to(pair) != Ptr.to(Pair(U32(1)))
    assert Ptr.to(pair).offset(2).offset(-2) == Ptr.to(pair) and Ptr.to(pair) != null()


def test_address_of_a_collected_object_is_dead() -> None:
    address = Ptr.to(Pair(U32(1))).address
    gc.collect()
    with panics(PanicKind.BAD_ACCESS):
        Ptr.at(Pair, address).value


def test_stored_pointer_keeps_its_target_alive() -> None:
    @struct
    class Holder:
        pair: Ptr[Pair] = null()

    holder = Holder(Ptr.to(Pair(U32(9))))
    gc.collect()
    assert holder.pair.value.low == 9


def test_pointer_bytes_are_the_address() -> None:
    pair = Pair(U32(5))
    cell = new_slice(Ptr[Pair], 1)
    cell[0] = Ptr.to(pair)
    word = cell.pointer.cast(U64)
    assert word.value == cell[0].address.value
    word.value = Ptr.to(pair).address.value
    assert cell[0].value is pair
    word.value = U64(0)
    assert cell[0].is_null()


def test_fixed_addresses() -> None:
    space = AddressSpace()
    region = space.allocate(4096, 4096, address=0x1000)
    assert space.find(0x1FFF) == (region, 0xFFF)
    assert space.find(0xFFF) is None and space.find(0) is None and space.find(0x9000) is None
    for bad in (0x1000, 0x1800, 0x0, 0x800):
        with pytest.raises(ValueError, match=r"cannot lie|is taken"):
            space.allocate(4096, 2048, address=bad)
    second = space.allocate(4096, 4096, address=0x2000)
    assert space.find(0x2000) == (second, 0)
    space.release(region)
    assert space.find(0x1800) is None
    space.allocate(4096, 4096, address=0x1000)


@given(st.lists(st.integers(0, 200), max_size=30))
def test_regions_do_not_overlap(sizes: list[int]) -> None:
    space = AddressSpace()
    regions = [space.allocate(size) for size in sizes]
    taken = sorted((region.address, region.address + region.size) for region in regions)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(taken))
    for region in regions:
        for offset in {0, region.size // 2, max(region.size - 1, 0)}:
            assert space.find(region.address + offset) == (region, offset)


def test_exhausted_heap_panics() -> None:
    space = current_address_space()
    space.budget = 100
    try:
        first = new_slice(U8, 60)
        with panics(PanicKind.OUT_OF_MEMORY):
            new_slice(U8, 60)
        free_slice(first)
        free_slice(new_slice(U8, 100))
    finally:
        space.budget = None


def test_leaks_can_be_counted() -> None:
    space = current_address_space()
    before = len(space.live_allocations())
    memory = new_slice(U64, 1)
    assert len(space.live_allocations()) == before + 1
    free_slice(memory)
    assert len(space.live_allocations()) == before


def test_placement_is_of_whole_objects() -> None:
    table: Array[Pair, Literal[2]] = Array[Pair, Literal[2]]()
    place(table, section=".tables", symbol="table")
    with pytest.raises(TypeError, match="whole"):
        place(table[1], section=".tables")


def test_slices_of_unmapped_memory_panic_on_access_only() -> None:
    window = Slice.of(Ptr.at(U8, VirtAddr(0xBAD0000)), 4)
    assert window.length == 4
    with panics(PanicKind.BAD_ACCESS):
        window[0]
    assert Slice.of(Ptr.at(U8, VirtAddr(0)), 0).length == 0


def test_panic_names_its_kind() -> None:
    assert str(Panic(PanicKind.NULL)) == "NULL"
    assert str(Panic(PanicKind.INDEX, "index 3, length 2")) == "INDEX: index 3, length 2"


def test_a_region_is_found_that_was_placed_while_others_were_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    space = AddressSpace()
    other, made = Region(16), Region(16)
    space.place(other)
    dropper = space._dropper

    def collecting(address: int) -> Any:
        space._dead = 1 << 20
        space._drop(other.address)
        return dropper(address)

    monkeypatch.setattr(space, "_dropper", collecting)
    space.place(made)
    assert space.find(made.address) == (made, 0)
