"""`Array[T, Literal[n]]`: n elements in place, in a struct or as a local."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, get_args, overload

from cloudos.lang.generics import is_open, specialise
from cloudos.lang.integers import U64
from cloudos.lang.layout import AggregateLayout, Layout, layout_of, type_name
from cloudos.lang.memory import Region
from cloudos.lang.panics import Panic, PanicKind, intrinsic
from cloudos.lang.pointers import make_pointer
from cloudos.lang.slices import Index, Slice, bounds, fill_elements, index_value, make_slice
from cloudos.lang.structs import View, copy_view

LONGEST = 1 << 32
T = TypeVar("T")
N = TypeVar("N", bound=int)


class Array(View, Generic[T, N]):
    """A fixed number of elements. `Array[U64, Literal[4]]()` makes one, zeroed."""

    __slots__ = ()
    element: Any = None
    count: int
    _item: Layout | None = None

    if not TYPE_CHECKING:

        def __class_getitem__(cls, arguments: Any) -> Any:
            return specialise(cls, arguments, _finish)

        @classmethod
        def __layout__(cls) -> Layout:
            item = layout_of(cls.element)
            return AggregateLayout(cls, item.size * cls.count, item.align)

        def __new__(cls) -> Any:
            if "__args__" not in cls.__dict__:
                raise TypeError("an array needs its element type and length, as Array[U64, Literal[4]]()")
            return object.__new__(cls)

    @classmethod
    def _find_item(cls) -> Layout:
        """The layout of the elements, kept in the class once it is known."""
        layout = cls._item = layout_of(cls.element)
        return layout

    def __init__(self) -> None:
        layout = layout_of(type(self))
        self._region = Region(layout.size, layout.align, owner=self)
        self._offset = 0

    @property
    @intrinsic("Array.length")
    def length(self) -> U64:
        """How many elements there are: a constant."""
        return U64(self.count)

    @overload
    def __getitem__(self, index: Index) -> T: ...
    @overload
    def __getitem__(self, index: builtins.slice) -> Slice[T]: ...

    @intrinsic("Array.get")
    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is slice:
            start, end = bounds(index, self.count)
            return make_slice(make_pointer(self.element, self._region, self._offset).offset(start), end - start)
        layout = self._item or self._find_item()
        position = index._value if index.__class__ is U64 else index_value(index, self.count)
        if not position < self.count:
            raise Panic(PanicKind.INDEX, f"index {position}, length {self.count}")
        return layout.load(self._region, self._offset + position * layout.size)

    @intrinsic("Array.set")
    def __setitem__(self, index: Index, value: T) -> None:
        layout = self._item or self._find_item()
        layout.store(self._region, self._offset + index_value(index, self.count) * layout.size, value)

    def __iter__(self) -> Iterator[T]:
        layout = self._item or self._find_item()
        for position in range(self.count):
            yield layout.load(self._region, self._offset + position * layout.size)

    @intrinsic("Array.slice")
    def slice(self) -> Slice[T]:
        """All elements, as a slice of the same memory."""
        return make_slice(make_pointer(self.element, self._region, self._offset), self.count)

    @intrinsic("copy")
    def copy(self) -> Self:
        """A fresh array with the same elements."""
        return copy_view(self)

    @intrinsic("Array.fill")
    def fill(self, value: T) -> None:
        """Store the same value into every element."""
        fill_elements(self.slice(), value)

    def __eq__(self, other: object) -> bool:
        raise TypeError("arrays do not compare: use slice().equals()")

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __bool__(self) -> bool:
        raise TypeError("an array is not a condition")

    def __repr__(self) -> str:
        return f"<{type_name(type(self))} at offset {self._offset} of {self._region!r}>"


def _finish(cls: type[Any]) -> None:
    element, length = cls.__args__
    cls.element = element
    if is_open(length):
        return
    numbers = get_args(length)
    if len(numbers) != 1 or type(numbers[0]) is not int or not 0 <= numbers[0] <= LONGEST:
        raise TypeError(f"an array's length is Literal[n] with 0 <= n <= 2**32, not {length!r}")
    cls.count = numbers[0]
