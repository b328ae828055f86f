"""How values of each type lie in memory: size, alignment, loading and storing.

The rules are C's (natural alignment). A type whose class has `__layout__()` says for itself; the scalar
types that know nothing of memory are handled here.
"""

from __future__ import annotations

import itertools
import struct
import types
import typing
from enum import Enum
from typing import Any, Union

from cloudos.lang.addresses import Address
from cloudos.lang.floats import F32, F64
from cloudos.lang.integers import Integer
from cloudos.lang.memory import Region
from cloudos.lang.panics import Panic, PanicKind

POINTER_SIZE = 8
NUMBERS = {size: struct.Struct(f"<{letter}") for size, letter in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))}
"""How unsigned numbers of so many bytes are read and written."""
_new = object.__new__
_tokens = itertools.count(0x1000, 16)


class Zeroed:
    """The value of `zeroed()`: stored anywhere, it stores zero bytes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "zeroed()"


ZEROED = Zeroed()


class Layout:
    """Size and alignment in bytes of a type, and how its values are loaded and stored.

    `aggregate` types load as an alias view and store by copying; all others load as a value. Values of
    `bitwise` types are equal exactly when their bytes are.
    """

    aggregate = False
    bitwise = False

    def __init__(self, type_: Any, size: int, align: int) -> None:
        self.type = type_
        self.size = size
        self.align = align

    def load(self, region: Region, offset: int) -> Any:
        """The value at `offset`."""
        raise NotImplementedError

    def store(self, region: Region, offset: int, value: Any) -> None:
        """Store `value` at `offset`; TypeError when it is of another type."""
        raise NotImplementedError

    def refuse(self, value: Any) -> TypeError:
        """What to raise when a value of another type is stored."""
        return TypeError(f"expected {type_name(self.type)}, not {value!r} of type {type(value).__name__}")


class UnsignedLayout(Layout):
    """U8 to U64, PhysAddr, VirtAddr."""

    bitwise = True

    def __init__(self, type_: Any, size: int, align: int) -> None:
        super().__init__(type_, size, align)
        self.mask = (1 << (8 * size)) - 1
        self.unpack = NUMBERS[size].unpack_from
        self.pack = NUMBERS[size].pack_into

    # A region that is plain is accessed here and now, as in `fields`.

    def load(self, region: Region, offset: int) -> Any:
        result = _new(self.type)
        if region.plain and region.mask is None and 0 <= offset <= region.size - self.size:
            (result._value,) = self.unpack(region.data, offset)
        else:
            result._value = region.read(offset, self.size)
        return result

    def store(self, region: Region, offset: int, value: Any) -> None:
        if value.__class__ is self.type:
            if region.plain and region.mask is None and 0 <= offset <= region.size - self.size:
                self.pack(region.data, offset, value._value & self.mask)
            else:
                region.write(offset, self.size, value._value)
        elif value is ZEROED:
            region.write(offset, self.size, 0)
        else:
            raise self.refuse(value)


class SignedLayout(UnsignedLayout):
    """I8 to I64."""

    def load(self, region: Region, offset: int) -> Any:
        result = _new(self.type)
        value = region.read(offset, self.size)
        result._value = value - (1 << (8 * self.size)) if value > self.type.MAX else value
        return result


class FloatLayout(Layout):
    """F32, F64."""

    def load(self, region: Region, offset: int) -> Any:
        bits = region.read(offset, self.size)
        return self.type.from_bits(self.type.BITS_TYPE(bits))

    def store(self, region: Region, offset: int, value: Any) -> None:
        if type(value) is self.type:
            region.write(offset, self.size, value.bits()._value)
        elif value is ZEROED:
            region.write(offset, self.size, 0)
        else:
            raise self.refuse(value)


class BoolLayout(Layout):
    """bool, one byte."""

    def load(self, region: Region, offset: int) -> Any:
        value = region.read(offset, 1)
        if value > 1:
            raise Panic(PanicKind.BAD_ENUM, f"{value} is not a bool")
        return value == 1

    def store(self, region: Region, offset: int, value: Any) -> None:
        if value is True or value is False:
            region.write(offset, 1, 1 if value else 0)
        elif value is ZEROED:
            region.write(offset, 1, 0)
        else:
            raise self.refuse(value)


class EnumLayout(Layout):
    """An enum with a declared width."""

    def load(self, region: Region, offset: int) -> Any:
        value = region.read(offset, self.size)
        width = self.type.__enum_width__
        return self.type(value - (1 << width.BITS) if value > width.MAX else value)

    def store(self, region: Region, offset: int, value: Any) -> None:
        if type(value) is self.type:
            region.write(offset, self.size, int(value))
        elif value is ZEROED:
            region.write(offset, self.size, 0)
        else:
            raise self.refuse(value)


class AggregateLayout(Layout):
    """Structs, arrays, atomics: loaded as the alias view, stored by copying the bytes."""

    aggregate = True

    def load(self, region: Region, offset: int) -> Any:
        return region.view(offset, self.type, self.size)

    def store(self, region: Region, offset: int, value: Any) -> None:
        if type(value) is self.type:
            region.copy_from(offset, value._region, value._offset, self.size)
        elif value is ZEROED:
            region.clear(offset, self.size)
        else:
            raise self.refuse(value)


class ReferenceLayout(Layout):
    """A managed reference (8 bytes) or a Protocol reference (16: object and table of functions).

    Under CPython the bytes are a token and the object is the shadow; `optional` lets None through.
    """

    def __init__(self, type_: Any, size: int, optional: bool) -> None:
        super().__init__(type_, size, POINTER_SIZE)
        self.optional = optional

    def load(self, region: Region, offset: int) -> Any:
        raw = region.read(offset, POINTER_SIZE)
        if raw == 0:
            if self.optional:
                return None
            raise Panic(PanicKind.NULL, f"reference to {type_name(self.type)} that was never set")
        value = region.shadow(offset, raw)
        if value is None:
            raise Panic(PanicKind.BAD_ACCESS, f"bytes that are no reference to {type_name(self.type)}")
        return value

    def check(self, value: Any) -> None:
        """TypeError unless `value` can be stored here."""
        if not (value is ZEROED or (value is None and self.optional) or implements(value, self.type)):
            raise self.refuse(value)

    def store(self, region: Region, offset: int, value: Any) -> None:
        self.check(value)
        if value is ZEROED or value is None:
            region.clear(offset, self.size)
            return
        if self.size > POINTER_SIZE:
            region.write(offset + POINTER_SIZE, POINTER_SIZE, next(_tokens))
        region.write_shadowed(offset, next(_tokens), value)


def implements(value: Any, type_: Any) -> bool:
    """Whether a live object can stand for the type: an instance, or for a Protocol one with its methods."""
    if is_protocol(type_):
        origin = typing.get_origin(type_) or type_
        return all(hasattr(value, name) for name in _protocol_members(origin))
    return isinstance(value, type_)


def _protocol_members(protocol: Any) -> set[str]:
    bases = [base for base in protocol.__mro__ if getattr(base, "_is_protocol", False) and base is not typing.Protocol]
    return {name for base in bases for name in vars(base) if not name.startswith("_")} - {"__hash__"}


def is_protocol(type_: Any) -> bool:
    """Whether this is a Protocol class (not a class that merely implements one)."""
    origin = typing.get_origin(type_) or type_
    return bool(getattr(origin, "_is_protocol", False)) and origin is not typing.Protocol


def optional_item(type_: Any) -> Any:
    """X of `X | None`, None for any other type."""
    if typing.get_origin(type_) in (Union, types.UnionType):
        items = [item for item in typing.get_args(type_) if item is not type(None)]
        if len(items) == 1 and len(typing.get_args(type_)) == 2:
            return items[0]
    return None


def type_name(type_: Any) -> str:
    """How a type is written in the source."""
    return type_.__name__ if isinstance(type_, type) else str(type_).replace("typing.", "")


_layouts: dict[Any, Layout] = {}


def layout_of(type_: Any) -> Layout:
    """The layout of a concrete type; TypeError for one that cannot lie in memory."""
    layout = _layouts.get(type_)
    if layout is None:
        layout = _layouts[type_] = _make_layout(type_)
    return layout


def _make_layout(type_: Any) -> Layout:
    describe = getattr(type_, "__layout__", None)
    if describe is not None:
        return describe()  # type: ignore[no-any-return]
    if is_protocol(type_):
        return ReferenceLayout(type_, 2 * POINTER_SIZE, optional=False)
    item = optional_item(type_)
    if item is not None:
        return _optional_layout(type_, item)
    if isinstance(type_, type):
        if issubclass(type_, Integer) and hasattr(type_, "BITS"):
            size = type_.BITS // 8
            return (SignedLayout if type_.SIGNED else UnsignedLayout)(type_, size, size)
        if issubclass(type_, Address):
            return UnsignedLayout(type_, 8, 8)
        if type_ is bool:
            return BoolLayout(type_, 1, 1)
        if type_ is F32 or type_ is F64:
            return FloatLayout(type_, type_.BITS // 8, type_.BITS // 8)
        if issubclass(type_, Enum):
            return _enum_layout(type_)
    raise TypeError(f"{type_name(type_)} is not a type that can lie in memory")


def _enum_layout(type_: Any) -> Layout:
    width = getattr(type_, "__enum_width__", None)
    if width is None:
        raise TypeError(f"{type_.__name__} has no declared width: decorate it with @enum(U8) or wider")
    return EnumLayout(type_, width.BITS // 8, width.BITS // 8)


def _optional_layout(type_: Any, item: Any) -> Layout:
    inner = layout_of(item)
    if not isinstance(inner, ReferenceLayout):
        raise TypeError(f"{type_name(type_)} cannot lie in memory: use Ptr[{type_name(item)}] and null()")
    return ReferenceLayout(item, inner.size, optional=True)
