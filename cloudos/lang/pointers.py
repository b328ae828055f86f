"""`Ptr[T]`, `UserPtr[T]` and `null()`.

Under CPython a pointer knows the region it points into. It may be moved anywhere, as in C; the access is
what is checked: null, bounds, alignment, freed and uninitialised memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from cloudos.lang.addresses import VirtAddr
from cloudos.lang.generics import specialise
from cloudos.lang.integers import I64, U64, Integer
from cloudos.lang.layout import POINTER_SIZE, ZEROED, Layout, layout_of, type_name
from cloudos.lang.memory import Region, current_address_space
from cloudos.lang.panics import Panic, PanicKind, intrinsic

T = TypeVar("T")
U = TypeVar("U")

_LIMIT = 1 << 64
_new = object.__new__


class Ptr(Generic[T]):
    """A pointer to a T. `region` is None when it points to no known memory (null above all).

    `region_offset` counts bytes in the region; without region it is the address itself.
    """

    __slots__ = ("_view", "region", "region_offset")
    region: Region | None
    region_offset: int
    # What it points to, once that was used: a struct, array or atomic is one object for as long as its region is there.
    _view: Any
    element: Any = None
    """The type pointed to; None only for the untyped `null()`."""
    layout: ClassVar[Layout | None] = None
    """Of the element, once a pointer of this type was used."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, arguments: Any) -> Any:
            return specialise(cls, arguments, _finish)

        def __new__(cls, *args: Any) -> Any:
            raise TypeError("make pointers with Ptr.to(), Ptr.at() or null()")

        @classmethod
        def __layout__(cls) -> Layout:
            return PointerLayout(cls, POINTER_SIZE, POINTER_SIZE)

    @staticmethod
    @intrinsic("Ptr.to")
    def to(target: U) -> Ptr[U]:
        """The pointer to a struct, array or atomic; TypeError for anything else."""
        if hasattr(type(target), "__located__"):
            target = target._view()  # type: ignore[attr-defined]
        region = getattr(target, "_region", None)
        if not isinstance(region, Region):
            raise TypeError(f"no pointer to {target!r}: only structs, arrays and atomics have an address")
        return make_pointer(type(target), region, target._offset)  # type: ignore[attr-defined]

    @staticmethod
    @intrinsic("Ptr.at")
    def at(type_: type[U], address: VirtAddr) -> Ptr[U]:
        """The pointer to a U at an address, mapped or not."""
        return pointer_at(type_, address._value)

    @intrinsic("Ptr.is_null")
    def is_null(self) -> bool:
        """Whether this is the null pointer."""
        return self.region is None and self.region_offset == 0

    @property
    @intrinsic("Ptr.address")
    def address(self) -> VirtAddr:
        """The address pointed to."""
        return VirtAddr(raw_address(self))

    @intrinsic("Ptr.cast")
    def cast(self, type_: type[U]) -> Ptr[U]:
        """The same address, seen as pointing to a U."""
        return make_pointer(type_, self.region, self.region_offset)

    @intrinsic("Ptr.offset")
    def offset(self, count: I64 | U64 | int) -> Ptr[T]:
        """The pointer `count` elements further (or nearer, when negative); not checked until used."""
        if not (isinstance(count, (I64, U64)) or type(count) is int):
            raise TypeError(f"expected I64, U64 or an int constant, not {type(count).__name__}")
        layout = self.layout or _find_layout(type(self))
        moved = self.region_offset + count.__index__() * layout.size
        result: Ptr[T] = _new(self.__class__)
        result.region = region = self.region
        result.region_offset = moved if region is not None else moved % _LIMIT
        result._view = None
        return result

    @property
    @intrinsic("Ptr.value")
    def value(self) -> T:
        """What is pointed to: structs and arrays as an alias, all else as a value. NULL panic on null."""
        region = self.region
        known = self._view
        if known is not None and (region.plain or not region.freed):  # type: ignore[union-attr]
            return known  # type: ignore[no-any-return]
        layout = self.layout or _find_layout(type(self))
        offset = self.region_offset
        if region is None or region.align % layout.align or offset % layout.align:
            region, offset = resolve(self, layout.align)
        found = layout.load(region, offset)
        if layout.aggregate and region is self.region:
            self._view = found
        return found  # type: ignore[no-any-return]

    @value.setter
    def value(self, item: T) -> None:
        layout = layout_of(self.element) if self.element is not None else _untyped()
        region, offset = resolve(self, layout.align)
        layout.store(region, offset, item)

    @intrinsic("Ptr.equal")
    def __eq__(self, other: Ptr[T]) -> bool:  # type: ignore[override]
        if not isinstance(other, Ptr):
            raise TypeError(f"cannot compare a pointer with {type(other).__name__}")
        if self.region is other.region:
            return self.region_offset == other.region_offset
        return raw_address(self) == raw_address(other)

    @intrinsic("Ptr.not_equal")
    def __ne__(self, other: Ptr[T]) -> bool:  # type: ignore[override]
        return not self == other

    def __hash__(self) -> int:
        return hash(raw_address(self))

    def __bool__(self) -> bool:
        raise TypeError("a pointer is not a condition: use is_null()")

    def __repr__(self) -> str:
        return "null()" if self.is_null() else f"{type_name(type(self))}({raw_address(self):#x})"


def _finish(cls: type[Any]) -> None:
    cls.element = cls.__args__[0]


def _find_layout(cls: Any) -> Layout:
    cls.layout = found = layout_of(cls.element) if cls.element is not None else _untyped()
    return found


def _untyped() -> Layout:
    raise Panic(PanicKind.NULL, "null() has no value")


_classes: dict[Any, Any] = {}


def make_pointer(element: Any, region: Region | None, offset: int) -> Ptr[Any]:
    """A pointer to an element type, from its parts."""
    cls = _classes.get(element)
    if cls is None:
        made: Any = Ptr
        cls = _classes[element] = made[element] if element is not None else made
    result: Ptr[Any] = _new(cls)
    result.region = region
    result.region_offset = offset
    result._view = None
    return result


def pointer_at(element: Any, address: int) -> Ptr[Any]:
    """A pointer to an element type at an address: into the region that lies there, if one does."""
    found = current_address_space().find(address) if address else None
    return make_pointer(element, *found) if found is not None else make_pointer(element, None, address)


def raw_address(pointer: Ptr[Any]) -> int:
    """The address as an int."""
    region = pointer.region
    if region is None:
        return pointer.region_offset
    return ((region._address or region.address) + pointer.region_offset) % _LIMIT


def resolve(pointer: Ptr[Any], align: int) -> tuple[Region, int]:
    """The region and offset to access; panics NULL, or BAD_ACCESS for unmapped and misaligned addresses."""
    region, offset = pointer.region, pointer.region_offset
    if region is None:
        if offset == 0:
            raise Panic(PanicKind.NULL, f"{type_name(type(pointer))} is null")
        found = current_address_space().find(offset)
        if found is None:
            raise Panic(PanicKind.BAD_ACCESS, f"nothing is mapped at {offset:#x}")
        region, offset = found
    if align > 1 and (offset % align if region.align % align == 0 else (region.address + offset) % align):
        raise Panic(PanicKind.BAD_ACCESS, f"misaligned: offset {offset} of {region!r}, alignment {align}")
    return region, offset


class PointerLayout(Layout):
    """Ptr: eight bytes, the address; the shadow keeps what it points to alive."""

    def __init__(self, type_: Any, size: int, align: int) -> None:
        super().__init__(type_, size, align)
        self.null = make_pointer(type_.element, None, 0)

    def load(self, region: Region, offset: int) -> Any:
        raw = region.read(offset, POINTER_SIZE)
        if raw == 0:
            return self.null
        entry = region.shadows.get(offset) if region.shadows is not None else None
        if entry is not None and entry[0] == raw and isinstance(known := entry[1], Ptr):
            if type(known) is self.type:
                return known
            return make_pointer(self.type.element, known.region, known.region_offset)
        return pointer_at(self.type.element, raw)

    def store(self, region: Region, offset: int, value: Any) -> None:
        if value is ZEROED:
            region.write(offset, POINTER_SIZE, 0)
        elif type(value) is self.type or type(value) is Ptr:
            region.write_shadowed(offset, raw_address(value), value)
        else:
            raise self.refuse(value)


@intrinsic("null")
def null() -> Any:
    """The null pointer, for every pointer type. Typed Any so that it can be a field's default."""
    return _NULL


_NULL: Ptr[Any] = make_pointer(None, None, 0)


class UserPtr(Generic[T]):
    """An address in the memory of the current process, as the kernel sees it: a number, never dereferenced."""

    __slots__ = ("_value",)
    _value: int
    element: Any = None

    if not TYPE_CHECKING:

        def __class_getitem__(cls, arguments: Any) -> Any:
            return specialise(cls, arguments, _finish)

        def __new__(cls, *args: Any) -> Any:
            raise TypeError("make user pointers with UserPtr.at()")

        @classmethod
        def __layout__(cls) -> Layout:
            return UserPointerLayout(cls, POINTER_SIZE, POINTER_SIZE)

    @staticmethod
    @intrinsic("UserPtr.at")
    def at(type_: type[U], address: U64) -> UserPtr[U]:
        """The user pointer to a U at an address."""
        if not isinstance(address, Integer):
            address = U64(address)
        result = object.__new__(UserPtr[type_])  # type: ignore[valid-type]
        result._value = address._value
        return result

    @property
    @intrinsic("UserPtr.address")
    def address(self) -> U64:
        """The address as a number."""
        return U64(self._value)

    def __repr__(self) -> str:
        return f"{type_name(type(self))}({self._value:#x})"


class UserPointerLayout(Layout):
    """UserPtr: eight bytes."""

    def load(self, region: Region, offset: int) -> Any:
        return UserPtr.at(self.type.element, U64(region.read(offset, POINTER_SIZE)))

    def store(self, region: Region, offset: int, value: Any) -> None:
        if value is ZEROED:
            region.write(offset, POINTER_SIZE, 0)
        elif type(value) is self.type:
            region.write(offset, POINTER_SIZE, value._value)
        else:
            raise self.refuse(value)
