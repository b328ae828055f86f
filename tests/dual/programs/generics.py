"""Generic structs and functions, and Protocols bound when compiling or when running."""

from __future__ import annotations

from typing import Generic, Literal, Protocol, TypeVar

from cloudos.lang import I32, U8, U32, U64, Array, Ptr, Slice, size_of, specialised, struct, zeroed

T = TypeVar("T")
K = TypeVar("K")


class Shape(Protocol):
    def area(self) -> U32: ...

    def scale(self, by: U32) -> None: ...


S = TypeVar("S", bound=Shape)


@struct
class Square:
    side: U32 = U32(1)

    def area(self) -> U32:
        return self.side * self.side

    def scale(self, by: U32) -> None:
        self.side *= by


@struct
class Rectangle:
    width: U32 = U32(1)
    height: U32 = U32(2)

    def area(self) -> U32:
        return self.width * self.height

    def scale(self, by: U32) -> None:
        self.width *= by


@struct
class Pair(Generic[T]):
    left: T
    right: T

    def swap(self) -> None:
        self.left, self.right = self.right, self.left

    def second(self) -> T:
        return self.right


@struct
class Entry(Generic[K, T]):
    key: K
    value: T


@struct
class Stack(Generic[T]):
    item_type: type[T] = specialised()
    items: Array[T, Literal[4]] = zeroed()
    used: U64 = U64(0)

    def push(self, item: T) -> bool:
        if self.used == self.items.length:
            return False
        self.items[self.used] = item
        self.used += 1
        return True

    def pop(self) -> T:
        self.used -= 1
        return self.items[self.used]

    def item_size(self) -> U64:
        return U64(size_of(self.item_type))


@struct
class Drawing:
    shape: Shape
    other: Shape


NUMBERS = Stack[U32]()
SQUARE = Square(U32(3))
RECTANGLE = Rectangle(U32(2), U32(5))
DRAWING = Drawing(SQUARE, RECTANGLE)


def pair(a: U8, b: U8) -> tuple[U8, U8]:
    p = Pair[U8](a, b)
    p.swap()
    return p.left, p.second()


def pair_of_other_type(a: U64, b: U64) -> tuple[U64, U64]:
    p = Pair[U64](a, b)
    p.swap()
    return p.left, p.right


def two_parameters(a: U8, b: I32) -> I32:
    entry = Entry[U8, I32](a, b)
    return entry.value if entry.key > 5 else I32(entry.key)


def nested(a: U8) -> U32:
    outer = Entry[U8, Pair[U32]](a, Pair[U32](U32(a), U32(2)))
    outer.value.swap()
    return outer.value.left * 1000 + outer.value.right


def stack(n: U8) -> U32:
    NUMBERS.used = U64(0)
    pushed = U32(0)
    for i in U32.range(U32(n % 7)):
        if NUMBERS.push(i * 3):
            pushed += 1
    return pushed * 1000 + NUMBERS.pop()


def stack_on_the_stack(a: U8) -> U64:
    items = Stack[U64]()
    items.push(U64(a))
    items.push(U64(a) + 1)
    return items.pop() * 1000 + items.pop() + items.item_size() * 1_000_000


def stack_of_structs(a: U8) -> U32:
    items = Stack[Square]()
    items.push(Square(U32(a)))
    items.items[0].side += 1
    return items.pop().side


def sizes() -> tuple[U64, U64]:
    return NUMBERS.item_size(), Stack[U8]().item_size()


def function(a: U8, b: U8) -> U8:
    return _first(a, b)


def function_of_other_type(a: U64, b: bool) -> U64:
    return _first(a, U64(3)) if _first(b, not b) else _first(U64(4), a)


def _first(a: T, b: T) -> T:
    return a


def generic_parameter(a: U8, b: U8) -> tuple[U8, U64]:
    return _left(Pair[U8](a, b)), _left(Pair[U64](U64(b), U64(a)))


def _left(pair: Pair[T]) -> T:
    return pair.left


def generic_slice(text: Slice[U8], i: U8) -> U8:
    return _at(text, U64(i % 6))


def _at(items: Slice[T], index: U64) -> T:
    return items[index]


def generic_pointer(a: U8) -> U32:
    square = Square(U32(a))
    return _load(Ptr.to(square)).side


def _load(pointer: Ptr[T]) -> T:
    return pointer.value


def type_argument(a: U8) -> tuple[U64, U64]:
    return _size(U8) + U64(a), _size(Rectangle)


def _size(kind: type[T]) -> U64:
    return U64(size_of(kind))


def bounded(a: U8, b: U8) -> U32:
    """The TypeVar's bound is a Protocol: one copy of the function for each class."""
    return _scaled(Square(U32(a)), U32(2)) * 100 + _scaled(Rectangle(U32(a), U32(b)), U32(3))


def _scaled(shape: S, by: U32) -> U32:
    shape.scale(by)
    return shape.area()


def dynamic(a: U8, first: bool) -> U32:
    """A parameter of Protocol type: one function, a table of methods."""
    square = Square(U32(a))
    rectangle = Rectangle(U32(a), U32(3))
    total = _area(square, U32(2)) + _area(rectangle, U32(1))
    return total * 10 + square.side


def _area(shape: Shape, by: U32) -> U32:
    shape.scale(by)
    return shape.area() + _forward(shape)


def _forward(shape: Shape) -> U32:
    return shape.area()


def dynamic_static_fields(by: U8) -> U32:
    SQUARE.side = U32(3)
    DRAWING.shape.scale(U32(by))
    return DRAWING.shape.area() * 100 + DRAWING.other.area() + SQUARE.side


def dynamic_choice(a: U8, first: bool) -> U32:
    square = Square(U32(a))
    rectangle = Rectangle(U32(a), U32(3))
    shape: Shape = square
    if first:
        shape = rectangle
    shape.scale(U32(2))
    return square.side * 1000 + rectangle.width
