"""Generic classes: specialisation, and type variables found from the values at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Literal, TypeVar

import pytest

from cloudos.lang import (
    U8,
    U16,
    U64,
    Array,
    Ptr,
    Slice,
    VirtAddr,
    interpreted,
    iterate,
    managed,
    new_slice,
    null,
    sequence,
    size_of,
    specialised,
    struct,
    zeroed,
)

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
N = TypeVar("N", bound=int)


@struct
class Box(Generic[T]):
    item: T
    next: Ptr[Box[T]] = null()
    item_type: type[T] = specialised()

    def twin(self) -> Box[T]:
        return Box[T](self.item)


@struct
class Entry(Generic[K, V]):
    key: K
    value: V


@struct
class Ring(Generic[T, N]):
    items: Array[T, N] = zeroed()
    used: U64 = U64(0)


@managed
class Map(Generic[K, V]):
    entries: Slice[Entry[K, V]]
    key_type: type[K]

    def __init__(self) -> None:
        self.entries = zeroed()

    def grow(self, count: U64) -> None:
        self.entries = new_slice(Entry[K, V], count)

    def keys(self) -> Keys[K, V]:
        return Keys[K, V](self)

    def first(self) -> Entry[K, V]:
        blank: Entry[K, V] = zeroed()
        return blank

    @staticmethod
    def of(key: K, value: V) -> Map[K, V]:
        return Map[K, V]()


@managed
class Keys(Generic[K, V]):
    map: Map[K, V]


def pair_of(item_type: type[T], value: V) -> Entry[Ptr[T], V]:
    return Entry[Ptr[T], V](null(), value)


def default_map(key_type: type[K], value: V) -> Map[K, V]:
    return Map[K, V]()


def boxed(slice_: Slice[T]) -> Box[T]:
    return Box[T](slice_[0])


def test_specialised_classes_are_real_and_cached() -> None:
    special: Any = Box[U64]
    other: Any = Box[U8]
    assert id(special) == id(Box[U64]) and special is not other
    assert special.__origin__ is Box and special.__args__ == (U64,)
    assert special.__name__ == "Box[U64]" and issubclass(special, Box)
    assert (size_of(Box[U64]), size_of(Box[U8]), size_of(Entry[U8, U16])) == (16, 16, 4)
    box = Box[U8](U8(1))
    assert isinstance(box, Box) and type(box) is Box[U8]
    assert box.item_type is U8
    fields = {field.name: field.type for field in special.__struct__.fields}
    assert fields == {"item": U64, "next": Ptr[Box[U64]]}
    assert special.__struct__.type_fields == {"item_type": U64}


def test_type_arguments_are_found_from_the_constructor() -> None:
    assert type(Box(U64(1))) is Box[U64]
    assert type(Entry(U8(1), value=Box(U16(2)))) is Entry[U8, Box[U16]]
    head = Box(U64(1))
    assert type(Box(U64(2), Ptr.to(head)).next.value) is Box[U64]
    with pytest.raises(TypeError):
        Box(U64(1), Ptr.to(Box(U8(1))))  # type: ignore[misc]
    with pytest.raises(TypeError, match="give its type arguments"):
        Ring()


def test_lengths_are_arguments_too() -> None:
    ring = Ring[U16, Literal[5]]()
    assert ring.items.length == 5
    assert size_of(Ring[U16, Literal[5]]) == 24
    same: Any = Ring
    assert same[U16, 5] is Ring[U16, Literal[5]]


def test_type_variables_in_running_code() -> None:
    assert type(Box[U8](U8(4)).twin()) is Box[U8]
    numbers = Map[U64, U8]()
    numbers.grow(U64(3))
    entry: Any = numbers.entries[2]
    assert type(entry) is Entry[U64, U8]
    assert type(numbers.keys()) is Keys[U64, U8] and numbers.keys().map is numbers
    assert type(numbers.first()) is Entry[U64, U8]
    assert type(Map.of(U8(1), U16(2))) is Map[U8, U16]
    assert numbers.key_type is U64
    assert default_map(U8, U16(1)).entries.length == 0
    assert type(pair_of(U8, U16(3))) is Entry[Ptr[U8], U16]
    assert type(boxed(Array[U16, Literal[2]]().slice())) is Box[U16]


def test_open_specialisations_called_where_only_the_arguments_tell() -> None:
    def local_box(item: T) -> Box[T]:
        return Box[T](item)

    def local_keys(map: Map[K, V]) -> Keys[K, V]:
        return Keys[K, V](map)

    box = local_box(U16(3))
    assert type(box) is Box[U16] and box.item == 3
    numbers = Map[U8, U64]()
    assert type(local_keys(numbers)) is Keys[U8, U64] and local_keys(numbers).map is numbers


def test_wrong_numbers_of_arguments() -> None:
    wrong: Any = Box
    with pytest.raises(TypeError, match="takes 1 type arguments, not 2"):
        wrong[U8, U8]
    with pytest.raises(TypeError, match="is generic"):
        size_of(Box)


def test_forward_references_in_generic_local_classes() -> None:
    @struct
    class Tree(Generic[T]):
        left: Ptr[Tree[T]] = null()
        leaf: Ptr[Leaf[T]] = null()

    @struct
    class Leaf(Generic[T]):
        value: T

    leaf = Leaf[U64](U64(3))
    tree = Tree[U64](leaf=Ptr.to(leaf))
    assert Tree[U64](Ptr.to(tree)).left.value.leaf.value.value == 3


def test_pointer_types() -> None:
    assert Ptr[Box[U64]] is Ptr[Box[U64]]
    pointer = Ptr.at(Box[U64], VirtAddr(0x1000))
    assert pointer.element is Box[U64] and type(pointer) is Ptr[Box[U64]]


@sequence
@managed
class Numbers:
    items: Slice[U64]

    @property
    def length(self) -> U64:
        return self.items.length

    def __getitem__(self, index: U64 | int) -> U64:
        return self.items[index]

    @interpreted
    def __iter__(self) -> Iterator[U64]:
        return iterate(self)


def test_sequences_read_their_length_each_round() -> None:
    numbers = Numbers(new_slice(U64, 5))
    seen = 0
    for _ in numbers:
        seen += 1
        if numbers.length > 3:
            numbers.items = numbers.items[0:3]
    assert seen == 3
    assert Numbers.__sequence__ is True  # type: ignore[attr-defined]


def test_sequence_adds_iteration() -> None:
    @sequence
    @struct
    class Fixed:
        items: Array[U8, Literal[3]] = zeroed()

        @property
        def length(self) -> U64:
            return self.items.length

        def __getitem__(self, index: U64 | int) -> U8:
            return self.items[index]

    fixed: Any = Fixed()
    assert [item.__index__() for item in fixed] == [0, 0, 0]
    with pytest.raises(TypeError, match="has no length"):
        sequence(Box)
