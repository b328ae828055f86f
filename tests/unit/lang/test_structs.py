"""Structs as views: identity, aliasing, copying, and what is refused."""

from __future__ import annotations

import ctypes
from typing import Any, Literal, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.lang import (
    I64,
    U8,
    U32,
    U64,
    Array,
    Copyable,
    PanicKind,
    Ptr,
    Slice,
    copy,
    new_slice,
    null,
    size_of,
    struct,
    zeroed,
)
from tests.unit.lang.faults import panics


@struct
class Point:
    x: I64
    y: I64 = I64(0)

    @property
    def sum(self) -> I64:
        return self.x + self.y

    def moved(self, dx: I64) -> Point:
        return Point(self.x + dx, self.y)

    @staticmethod
    def origin() -> Point:
        return Point(I64(0))


@struct
class Line:
    start: Point
    end: Point = Point(I64(7), I64(8))
    marks: Array[Point, Literal[3]] = zeroed()


@struct
class Node:
    value: U64
    next: Ptr[Node] = null()
    other: Ptr[Line] = null()


class Drawable(Protocol):
    def draw(self) -> U64: ...


@struct
class Canvas:
    shape: Drawable
    count: U32 = U32(0)


@struct
class Circle:
    radius: U64

    def draw(self) -> U64:
        return self.radius * 2


def test_constructor_and_methods() -> None:
    point = Point(x=I64(3), y=I64(4))
    assert point.sum == 7
    assert point.moved(I64(1)).x == 4
    assert Point.origin().sum == 0
    assert repr(Point(I64(1))) == "Point(x=I64(1), y=I64(0))"
    for arguments in ((), (I64(1), I64(2), I64(3))):
        with pytest.raises(TypeError):
            Point(*arguments)
    with pytest.raises(TypeError):
        Point(I64(1), z=I64(2))  # type: ignore[call-arg]


def test_loading_aliases_and_keeps_identity() -> None:
    line = Line(Point(I64(1)))
    start = line.start
    assert line.start is start
    start.x = I64(9)
    assert line.start.x == 9
    assert line.marks is line.marks and line.marks[1] is line.marks[U64(1)]
    assert Ptr.to(line).value is line and Ptr.to(line.start).value is start


def test_storing_copies() -> None:
    point = Point(I64(1), I64(2))
    line = Line(point)
    end = line.end
    point.x = I64(100)
    assert line.start.x == 1
    line.end = point
    assert line.end is end and end.x == 100
    point.x = I64(5)
    assert end.x == 100
    line.marks[2] = point
    point.x = I64(6)
    assert line.marks[2].x == 5


def test_defaults_are_fresh_for_each_instance() -> None:
    first, second = Line(Point.origin()), Line(Point.origin())
    first.end.x = I64(1)
    assert second.end.x == 7


def test_overlapping_store_is_a_move() -> None:
    line = Line(Point.origin())
    for index in U64.range(3):
        line.marks[index] = Point(I64(index))
    line.marks[1:3].copy_from(line.marks[0:2])
    assert [mark.x.__index__() for mark in line.marks] == [0, 0, 1]


def test_copy_is_deep_for_embedded_and_shallow_for_pointers() -> None:
    line = Line(Point(I64(1)))
    node = Node(U64(1), other=Ptr.to(line))
    twin = copy(node)
    twin.value = U64(2)
    assert node.value == 1
    assert twin.other.value is line
    other = copy(line)
    other.start.x = I64(2)
    assert line.start.x == 1


def test_copyable_shows_copy_to_type_checkers() -> None:
    @struct
    class Cell(Copyable):
        number: U64

    cell = Cell(U64(1))
    twin = cell.copy()
    twin.number = U64(2)
    assert cell.number == 1 and size_of(Cell) == 8


def test_linked_nodes() -> None:
    tail = Node(U64(2))
    head = Node(U64(1), Ptr.to(tail))
    assert head.next.value is tail and tail.next.is_null()
    head.next.value.value += 5
    assert tail.value == 7
    head.next = null()
    with panics(PanicKind.NULL):
        head.next.value
    assert size_of(Node) == 24


def test_wrong_types_are_refused() -> None:
    point: Any = Point(I64(1))
    for value in (1, U64(1), True, None, Point(I64(1))):
        with pytest.raises(TypeError, match="expected I64"):
            point.x = value
    with pytest.raises(AttributeError):
        point.z = I64(1)
    node: Any = Node(U64(1))
    with pytest.raises(TypeError, match="expected Ptr"):
        node.next = Ptr.to(point)
    with pytest.raises(TypeError, match="defines no __eq__"):
        point == Point(I64(1))  # noqa: B015
    with pytest.raises(TypeError, match="no pointer"):
        Ptr.to(U64(1))


def test_a_field_of_an_unknown_type_is_named() -> None:
    @struct
    class Broken:
        other: Missing  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(NameError, match=r"Broken\.other: name 'Missing'"):
        size_of(Broken)


@pytest.mark.parametrize("name", ("self", "_region", "_offset", "cloudos_store0"))
def test_a_field_with_a_name_of_the_structs_own_is_refused(name: str) -> None:
    made: Any = struct(type("Named", (), {"__annotations__": {name: U32}, "__module__": __name__}))
    with pytest.raises(TypeError, match=f"Named.{name}: structs have something else"):
        size_of(made)


@pytest.mark.parametrize("name", ("Region", "store0", "default1", "_set"))
def test_other_names_of_fields_mean_nothing_to_the_constructor(name: str) -> None:
    made: Any = struct(type("Named", (), {"__annotations__": {name: U32, "other": U32}, "__module__": __name__}))
    assert getattr(made(U32(7), U32(8)), name) == 7


def test_own_equality_and_item_access() -> None:
    @struct
    class Key:
        number: U64

        def __eq__(self, other: Key) -> bool:  # type: ignore[override]
            return self.number == other.number

        def __hash__(self) -> int:
            return hash(self.number)

        def __getitem__(self, index: U64) -> U64:
            return self.number + index

        def __contains__(self, number: U64) -> bool:
            return self.number == number

    assert Key(U64(1)) == Key(U64(1)) and Key(U64(1)) != Key(U64(2))
    assert Key(U64(1))[U64(2)] == 3
    assert U64(1) in Key(U64(1))


def test_protocol_field_is_a_reference() -> None:
    circle = Circle(U64(2))
    canvas = Canvas(circle)
    circle.radius = U64(5)
    assert canvas.shape is circle and canvas.shape.draw() == 10
    twin = copy(canvas)
    assert twin.shape is circle
    with pytest.raises(TypeError, match="expected Drawable"):
        Canvas(Point(I64(1)))  # type: ignore[arg-type]
    empty = Canvas(zeroed())
    with panics(PanicKind.NULL):
        empty.shape
    assert size_of(Canvas) == 24


def test_explicit_protocol_base_refuses_unknown_names() -> None:
    @struct
    class Square(Drawable):
        side: U64

        def draw(self) -> U64:
            return self.side

    square: Any = Square(U64(3))
    assert square.draw() == 3
    with pytest.raises(AttributeError):
        square.colour = U64(1)
    square.side = U64(4)
    assert square.side == 4


def test_local_classes_refer_to_each_other() -> None:
    @struct
    class First:
        second: Ptr[Second] = null()

    @struct
    class Second:
        first: First

    second = Second(First())
    second.first.second = Ptr.to(second)
    assert second.first.second.value is second


def test_zeroed_locals_take_their_annotation() -> None:
    line: Line = zeroed()
    assert line.end.x == 0 and type(line) is Line
    numbers: Array[U32, Literal[5]] = zeroed()
    assert numbers.length == 5 and numbers[4] == 0
    pointer: Ptr[Node] = zeroed()
    assert pointer.is_null() and pointer.element is Node
    text: Slice[U8] = zeroed()
    assert text.length == 0
    count: U64 = zeroed()
    assert count == 0


def test_fields_of_slice_type() -> None:
    @struct
    class Named:
        name: Slice[U8] = zeroed()

    memory = new_slice(U8, 4)
    named = Named(memory)
    named.name[1] = U8(7)
    assert memory[1] == 7
    assert named.name.length == 4
    assert copy(named).name[1] == 7
    assert Named().name.length == 0


class CPoint(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int64), ("y", ctypes.c_int64)]


class CLine(ctypes.Structure):
    _fields_ = [("start", CPoint), ("end", CPoint), ("marks", CPoint * 3)]


PATHS = ["start", "end", "marks[0]", "marks[1]", "marks[2]"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(PATHS), st.sampled_from("xy"), st.integers(-9, 9)),
        st.tuples(st.sampled_from(PATHS), st.sampled_from(PATHS)),
    ),
    max_size=20,
)


@given(STEPS)
def test_aliasing_and_copying_are_those_of_ctypes(steps: list[tuple[Any, ...]]) -> None:
    ours = Line(Point.origin(), Point.origin())
    theirs = CLine()
    for step in steps:
        if len(step) == 3:
            path, name, number = step
            exec(f"line.{path}.{name} = number", {"line": ours, "number": I64(number)})
            exec(f"line.{path}.{name} = number", {"line": theirs, "number": number})
        else:
            for line in (ours, theirs):
                exec(f"line.{step[0]} = line.{step[1]}", {"line": line})
    assert bytes(ours._region.data) == bytes(theirs)  # type: ignore[attr-defined]
