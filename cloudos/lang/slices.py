"""`Slice[T]`: a pointer and a length, every access checked.

Indices are U64 (or another unsigned type) or int constants from 0; others panic INDEX. Structs load as
aliases and store by copying, as everywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from cloudos.lang.generics import specialise
from cloudos.lang.integers import U8, U16, U32, U64, UnsignedInteger
from cloudos.lang.layout import POINTER_SIZE, ZEROED, AggregateLayout, Layout, ReferenceLayout, layout_of, type_name
from cloudos.lang.memory import Region, current_address_space
from cloudos.lang.panics import Panic, PanicKind, intrinsic
from cloudos.lang.pointers import Ptr, make_pointer, pointer_at, raw_address, resolve

T = TypeVar("T")
_new = object.__new__
_PAIR = struct.Struct("<2Q")
U = TypeVar("U")
Index = U64 | U32 | U16 | U8 | int


def index_value(index: object, limit: int) -> int:
    """The position that an index means; INDEX panic unless it is below `limit`."""
    if index.__class__ is int:
        position: int = index
    elif isinstance(index, UnsignedInteger):
        position = index._value
    else:
        raise TypeError(f"an index is an unsigned integer or an int constant, not {type(index).__name__}")
    if not 0 <= position < limit:
        raise Panic(PanicKind.INDEX, f"index {position}, length {limit}")
    return position


def bounds(part: slice, limit: int) -> tuple[int, int]:
    """Start and end of `[a:b]`; INDEX panic unless 0 <= a <= b <= limit."""
    if part.step is not None:
        raise TypeError("a slice of a slice has no step")
    start, end = part.start, part.stop
    if start.__class__ is U64:
        start = start._value
    if start.__class__ is not int or not 0 <= start <= limit:
        start = 0 if start is None else index_value(start, limit + 1)
    if end.__class__ is U64:
        end = end._value
    if end.__class__ is not int or not 0 <= end <= limit:
        end = limit if end is None else index_value(end, limit + 1)
    if start > end:
        raise Panic(PanicKind.INDEX, f"slice [{start}:{end}]")
    return start, end


class Slice(Generic[T]):
    """Elements of type T, one after the other in memory that somebody else owns."""

    __slots__ = ("_count", "_layout", "_offset", "_region", "_size", "pointer")
    pointer: Ptr[T]
    """Where the first element lies."""
    _count: int
    # Where the elements are, found on the first access: the region is None before.
    _region: Any
    _offset: int
    _layout: Layout
    _size: int
    element: Any = None

    if not TYPE_CHECKING:

        def __class_getitem__(cls, arguments: Any) -> Any:
            return specialise(cls, arguments, _finish)

        def __new__(cls, *args: Any) -> Any:
            raise TypeError("make slices with Slice.of(), an array's slice(), data() or new_slice()")

        @classmethod
        def __layout__(cls) -> Layout:
            return SliceLayout(cls, 2 * POINTER_SIZE, POINTER_SIZE)

    @staticmethod
    @intrinsic("Slice.of")
    def of(pointer: Ptr[U], length: U64 | int) -> Slice[U]:
        """The `length` elements from `pointer` on."""
        return make_slice(pointer, U64(length)._value)

    @property
    @intrinsic("Slice.length")
    def length(self) -> U64:
        """How many elements there are."""
        length = _new(U64)
        length._value = self._count
        return length

    def _find(self) -> None:
        """Find the memory and how to access it; panics as any access through the pointer would."""
        pointer = self.pointer
        layout = pointer.layout or layout_of(self.element)
        region, offset = pointer.region, pointer.region_offset
        if region is None or region.align % layout.align or offset % layout.align:
            region, offset = resolve(pointer, layout.align)
        self._layout, self._offset = layout, offset
        self._size = layout.size
        self._region = region

    @overload
    def __getitem__(self, index: Index) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Slice[T]: ...

    @intrinsic("Slice.get")
    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is slice:
            start, end = bounds(index, self._count)
            part = _new(self.__class__)
            part.pointer = self.pointer.offset(start) if start else self.pointer
            part._count = end - start
            part._region = None
            return part
        position = index._value if index.__class__ is U64 else index_value(index, self._count)
        if not position < self._count:
            raise Panic(PanicKind.INDEX, f"index {position}, length {self._count}")
        if self._region is None:
            self._find()
        return self._layout.load(self._region, self._offset + position * self._size)

    @intrinsic("Slice.set")
    def __setitem__(self, index: Index, value: T) -> None:
        position = index_value(index, self._count)
        if self._region is None:
            self._find()
        self._layout.store(self._region, self._offset + position * self._size, value)

    def __iter__(self) -> Iterator[T]:
        for position in range(self._count):
            if self._region is None:
                self._find()
            yield self._layout.load(self._region, self._offset + position * self._size)

    @intrinsic("Slice.copy_from")
    def copy_from(self, other: Slice[T]) -> None:
        """Copy the elements of a slice of the same length (else INDEX panic); they may overlap."""
        if self._count != other._count:
            raise Panic(PanicKind.INDEX, f"copy of {other._count} elements into {self._count}")
        if self.element is not other.element:
            raise TypeError(f"cannot copy {type_name(type(other))} into {type_name(type(self))}")
        if self._count:
            if self._region is None:
                self._find()
            if other._region is None:
                other._find()
            self._region.copy_from(self._offset, other._region, other._offset, self._count * self._size)

    @intrinsic("Slice.fill")
    def fill(self, value: T) -> None:
        """Store the same value into every element."""
        fill_elements(self, value)

    @intrinsic("Slice.equals")
    def equals(self, other: Slice[T]) -> bool:
        """Whether length and all elements are equal; for slices of scalars only."""
        if isinstance(layout_of(self.element), (AggregateLayout, ReferenceLayout)):
            raise TypeError(f"{type_name(self.element)} has no equality to compare slices with")
        if self._count != other._count:
            return False
        if layout_of(self.element).bitwise and self.element is other.element:
            return bytes(self) == bytes(other)
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __eq__(self, other: object) -> bool:
        raise TypeError("slices do not compare: use equals()")

    def __hash__(self) -> int:
        return hash((self.pointer, self._count))

    def __bool__(self) -> bool:
        raise TypeError("a slice is not a condition: compare its length")

    def __bytes__(self) -> bytes:
        """The bytes of the elements: for tests and models that run under CPython."""
        if not self._count:
            return b""
        if self._region is None:
            self._find()
        content: bytes = self._region.content(self._offset, self._count * self._size)
        return content

    def __repr__(self) -> str:
        return f"<{type_name(type(self))} of {self._count} at {self.pointer!r}>"


def _finish(cls: type[Any]) -> None:
    cls.element = cls.__args__[0]


_classes: dict[Any, Any] = {}


def make_slice(pointer: Ptr[U], count: int) -> Slice[U]:
    """A slice from its parts."""
    element = pointer.element
    cls = _classes.get(element)
    if cls is None:
        made: Any = Slice
        cls = _classes[element] = made[element] if element is not None else made
    result: Slice[U] = object.__new__(cls)
    result.pointer = pointer
    result._count = count
    result._region = None
    return result


def fill_elements(slice_: Slice[Any], value: Any) -> None:
    """Store `value` into every element."""
    if slice_._count == 0:
        return
    slice_._find()
    region, offset, layout = slice_._region, slice_._offset, slice_._layout
    region.check(offset, slice_._count * layout.size, write=True, scalar=False)
    if value is ZEROED:
        region.clear(offset, slice_._count * layout.size)
    elif layout.bitwise:
        layout.store(region, offset, value)
        region.repeat(offset, layout.size, slice_._count)
    else:
        for position in range(slice_._count):
            layout.store(region, offset + position * layout.size, value)


class SliceLayout(Layout):
    """Slice: pointer, then length."""

    def load(self, region: Region, offset: int) -> Any:
        raw, count = _PAIR.unpack(region.content(offset, 2 * POINTER_SIZE))
        known = region.shadow(offset, raw)
        if known.__class__ is self.type and known._count == count:
            return known
        element = self.type.element
        if isinstance(known, Slice):
            return make_slice(make_pointer(element, known.pointer.region, known.pointer.region_offset), count)
        return make_slice(pointer_at(element, raw), count)

    def store(self, region: Region, offset: int, value: Any) -> None:
        if value is ZEROED:
            region.clear(offset, self.size)
        elif type(value) is self.type or (isinstance(value, Slice) and value.element is None):
            region.write(offset + POINTER_SIZE, 8, value._count)
            region.write_shadowed(offset, raw_address(value.pointer), value)
        else:
            raise self.refuse(value)


@intrinsic("data")
def data(content: bytes) -> Slice[U8]:
    """The bytes as read-only data (a bytes literal when compiled); a write panics BAD_ACCESS."""
    return make_slice(make_pointer(U8, _static_data(content), 0), len(content))


def read_only(content: bytes) -> Slice[U8]:
    """The bytes as read-only memory of their own, for as long as somebody refers to it."""
    region = Region(len(content), 1)
    region.data[:] = content
    region.readonly = True
    return make_slice(make_pointer(U8, region, 0), len(content))


@lru_cache(maxsize=4096)
def _static_data(content: bytes) -> Region:
    region = read_only(content).pointer.region
    assert region is not None
    return region


@intrinsic("new_slice")
def new_slice(type_: type[U], count: U64 | int) -> Slice[U]:
    """`count` zero-filled elements from the program's heap, until `free_slice`; panics OUT_OF_MEMORY."""
    layout = layout_of(type_)
    number = U64(count)._value
    try:
        region = current_address_space().allocate(number * layout.size, max(layout.align, 16), initialised=True)
    except (MemoryError, OverflowError) as error:
        raise Panic(PanicKind.OUT_OF_MEMORY, str(error)) from None
    return make_slice(make_pointer(type_, region, 0), number)


@intrinsic("free_slice")
def free_slice(slice_: Slice[Any]) -> None:
    """Give back a slice from `new_slice`, whole: nothing happens to one without memory.

    BAD_ACCESS panic for any other slice, USE_AFTER_FREE the second time.
    """
    region = slice_.pointer.region
    if region is None and not slice_._count:
        return
    size = slice_._count * layout_of(slice_.element).size
    if region is None or slice_.pointer.region_offset != 0 or size != region.size:
        raise Panic(PanicKind.BAD_ACCESS, "free_slice of what new_slice did not give")
    current_address_space().free(region)


@intrinsic("forget")
def forget(slice_: Slice[Any]) -> None:
    """Release every managed reference in the slice and leave its elements empty."""
    layout = layout_of(slice_.element)
    if not isinstance(layout, ReferenceLayout) or not slice_._count:
        return
    slice_._find()
    region, offset = slice_._region, slice_._offset
    region.clear(offset, slice_._count * layout.size)
    for position in range(slice_._count):
        if region.shadows is not None:
            region.shadows.pop(offset + position * layout.size, None)
