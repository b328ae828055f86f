"""Managed classes: references, checked fields, managed elements of slices."""

from __future__ import annotations

from typing import Any

import pytest

from cloudos.lang import (
    U8,
    U64,
    Atomic,
    PanicKind,
    Slice,
    data,
    forget,
    free_slice,
    is_managed,
    managed,
    new_slice,
    size_of,
    struct,
    zeroed,
)
from tests.unit.lang.faults import panics


@struct
class Point:
    x: U64
    y: U64 = U64(0)


@managed
class Shape:
    name: Slice[U8]
    place: Point
    inside: Shape | None = None
    used: Atomic[U64] = Atomic(U64(0))

    def outermost(self) -> Shape:
        inside = self.inside
        return self if inside is None else inside.outermost()


@managed
class Stack:
    items: Slice[Shape]
    count: U64

    def __init__(self, capacity: U64) -> None:
        self.items = new_slice(Shape, capacity)
        self.count = U64(0)


def test_references_and_embedded_fields() -> None:
    point = Point(U64(1))
    outer = Shape(data(b"outer"), point)
    inner = Shape(data(b"inner"), Point(U64(2)), outer)
    assert inner.inside is outer and inner.outermost() is outer
    point.x = U64(9)
    assert outer.place.x == 1
    place = outer.place
    outer.place = point
    assert outer.place is place and place.x == 9
    outer.used.fetch_add(1)
    assert outer.used.load() == 1 and inner.used.load() == 0
    inner.inside = None
    assert inner.inside is None


def test_fields_are_checked() -> None:
    shape: Any = Shape(data(b""), Point(U64(1)))
    for name, value in (("name", U64(1)), ("place", None), ("inside", Point(U64(1))), ("name", None)):
        with pytest.raises(TypeError, match="expected"):
            setattr(shape, name, value)
    with pytest.raises(AttributeError, match="no field"):
        shape.colour = U64(1)
    with pytest.raises(TypeError, match="missing"):
        Shape(data(b""))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected or repeated"):
        Shape(data(b""), Point(U64(1)), name=data(b""))  # type: ignore[misc]
    with pytest.raises(TypeError, match="takes 4 fields"):
        Shape(*[None] * 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="defines no __eq__"):
        shape == shape  # noqa: B015


def test_own_constructor_must_set_every_field() -> None:
    @managed
    class Half:
        first: U64
        second: U64

        def __init__(self) -> None:
            self.first = U64(1)

    half = Half()
    assert half.first == 1
    with pytest.raises(AttributeError, match="never set"):
        half.second


def test_drop_runs_with_the_last_reference() -> None:
    dropped: list[int] = []

    @managed
    class Owner:
        number: U64
        storage: Slice[U8]

        def drop(self) -> None:
            dropped.append(self.number.__index__())
            free_slice(self.storage)

    @managed
    class Pair:
        first: Owner
        second: Owner | None = None

        def drop(self) -> None:
            dropped.append(100 + self.first.number.__index__())

    pair = Pair(Owner(U64(1), new_slice(U8, 3)), Owner(U64(2), zeroed()))
    kept = pair.first
    view = kept.storage
    pair.second = None
    assert dropped == [2]
    pair = Pair(kept)
    assert dropped == [2, 101]
    del pair, kept
    assert dropped == [2, 101, 101, 1]
    with panics(PanicKind.USE_AFTER_FREE):
        view[0]


def test_what_was_not_made_whole_is_not_dropped() -> None:
    dropped: list[int] = []

    @managed
    class Owner:
        number: U64
        storage: Slice[U8]

        def __init__(self, fail: bool) -> None:
            self.number = U64(1)
            if fail:
                raise ValueError
            self.storage = zeroed()

        def drop(self) -> None:
            dropped.append(self.number.__index__())

    with pytest.raises(ValueError, match="^$"):
        Owner(True)
    assert dropped == []
    Owner(False)
    assert dropped == [1]


def test_zeroed_fields() -> None:
    @managed
    class Empty:
        storage: Slice[U64]
        other: Shape | None

        def __init__(self) -> None:
            self.storage = zeroed()
            self.other = zeroed()

    assert Empty().storage.length == 0 and Empty().other is None


def test_managed_elements() -> None:
    stack = Stack(U64(3))
    shape = Shape(data(b"a"), Point(U64(1)))
    stack.items[1] = shape
    assert stack.items[1] is shape
    with panics(PanicKind.NULL):
        stack.items[0]
    bigger = new_slice(Shape, 6)
    bigger[0:3].copy_from(stack.items)
    assert bigger[1] is shape
    forget(bigger)
    with panics(PanicKind.NULL):
        bigger[1]
    assert stack.items[1] is shape
    free_slice(bigger)
    forget(new_slice(U64, 2))
    assert size_of(Shape) == 8 and is_managed(Shape) and not is_managed(Point)


def test_optional_elements() -> None:
    optional: Any = Shape | None
    slots = new_slice(optional, 2)
    assert slots[0] is None
    shape = Shape(data(b"a"), Point(U64(1)))
    slots[0] = shape
    assert slots[0] is shape
    slots[0] = None
    assert slots[0] is None


def test_structs_hold_no_managed_references() -> None:
    @struct
    class Wrong:
        shape: Shape

    with pytest.raises(TypeError, match="cannot hold a reference"):
        size_of(Wrong)


def test_info() -> None:
    info = Shape.__managed__  # type: ignore[attr-defined]
    assert [(field.name, field.offset) for field in info.fields] == [
        ("name", 0),
        ("place", 16),
        ("inside", 32),
        ("used", 40),
    ]
    assert (info.size, info.align, info.has_init, info.has_drop) == (48, 8, False, False)
    assert Stack.__managed__.has_init  # type: ignore[attr-defined]
