"""How the fields of structs are loaded and stored: properties made for each field.

Tests, simulations and fuzzers spend most of their time here, so what is usual is written out in one function: memory
that needs no check but that it was written (`Region.plain`), values of the field's own type. All else goes the way of
the field's layout.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from cloudos.lang.layout import NUMBERS, AggregateLayout, BoolLayout, EnumLayout, Layout, UnsignedLayout
from cloudos.lang.memory import STRETCH
from cloudos.lang.pointers import PointerLayout, raw_address

Getter = Callable[[Any], Any]
Setter = Callable[[Any, Any], None]
WRITTEN = b"\1" * 8
SIGNED = {size: struct.Struct(f"<{letter}") for size, letter in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))}
_new = object.__new__


class FieldAccess(property):
    """The descriptor through which a field is loaded and stored."""


def access_to(layout: Layout, offset: int) -> FieldAccess:
    """The descriptor of a field of this layout, `offset` bytes from the start of its struct."""
    if type(layout) is UnsignedLayout:
        return FieldAccess(_unsigned_getter(layout, offset), _unsigned_setter(layout, offset))
    if type(layout) is PointerLayout:
        return FieldAccess(_pointer_getter(layout, offset), _pointer_setter(layout, offset))
    if type(layout) is BoolLayout:
        return FieldAccess(_bool_getter(layout, offset), _bool_setter(layout, offset))
    if type(layout) is EnumLayout and issubclass(layout.type, IntEnum):
        return FieldAccess(_enum_getter(layout, offset), _enum_setter(layout, offset))
    if type(layout) is AggregateLayout:
        return FieldAccess(_aggregate_getter(layout, offset), _setter(layout, offset))
    return FieldAccess(_getter(layout, offset), _setter(layout, offset))


def access_through(view: Callable[[], Any], access: FieldAccess) -> FieldAccess:
    """The descriptor of the same field of whatever struct `view` gives at the moment."""
    load, store = access.fget, access.fset
    assert load is not None and store is not None
    return FieldAccess(lambda _: load(view()), lambda _, value: store(view(), value))


def _getter(layout: Layout, start: int) -> Getter:
    load = layout.load
    return lambda view: load(view._region, view._offset + start)


def _setter(layout: Layout, start: int) -> Setter:
    store = layout.store
    return lambda view, value: store(view._region, view._offset + start, value)


def _unsigned_getter(layout: UnsignedLayout, start: int) -> Getter:
    kind, size, unpack = layout.type, layout.size, layout.unpack

    def load(view: Any) -> Any:
        region = view._region
        offset = view._offset + start
        result = _new(kind)
        if region.plain and (
            (mask := region.mask) is None
            or offset >> STRETCH in region.whole
            or mask.find(0, offset, offset + size) < 0
        ):
            (result._value,) = unpack(region.data, offset)
        else:
            result._value = region.read(offset, size)
        return result

    return load


def _unsigned_setter(layout: UnsignedLayout, start: int) -> Setter:
    kind, size, pack, usual = layout.type, layout.size, layout.pack, layout.store
    written = WRITTEN[:size]

    def store(view: Any, value: Any) -> None:
        region = view._region
        offset = view._offset + start
        if region.plain and value.__class__ is kind:
            pack(region.data, offset, value._value)
            if (mask := region.mask) is not None and offset >> STRETCH not in region.whole:
                mask[offset : offset + size] = written
        else:
            usual(region, offset, value)

    return store


def _pointer_getter(layout: PointerLayout, start: int) -> Getter:
    kind, null, unpack, usual = layout.type, layout.null, NUMBERS[8].unpack_from, layout.load

    def load(view: Any) -> Any:
        region = view._region
        offset = view._offset + start
        if region.plain and (
            (mask := region.mask) is None or offset >> STRETCH in region.whole or mask.find(0, offset, offset + 8) < 0
        ):
            (raw,) = unpack(region.data, offset)
            if raw == 0:
                return null
            if (shadows := region.shadows) is not None:
                entry = shadows.get(offset)
                if entry is not None and entry[0] == raw and entry[1].__class__ is kind:
                    return entry[1]
        return usual(region, offset)

    return load


def _pointer_setter(layout: PointerLayout, start: int) -> Setter:
    kind, pack, usual = layout.type, NUMBERS[8].pack_into, layout.store

    def store(view: Any, value: Any) -> None:
        region = view._region
        offset = view._offset + start
        if region.plain and value.__class__ is kind:
            raw = raw_address(value)
            pack(region.data, offset, raw)
            if (mask := region.mask) is not None and offset >> STRETCH not in region.whole:
                mask[offset : offset + 8] = WRITTEN
            if (shadows := region.shadows) is None:
                shadows = region.shadows = {}
            shadows[offset] = (raw, value)
        else:
            usual(region, offset, value)

    return store


def _bool_getter(layout: BoolLayout, start: int) -> Getter:
    usual = layout.load

    def load(view: Any) -> Any:
        region = view._region
        offset = view._offset + start
        if region.plain and ((mask := region.mask) is None or mask[offset]):
            value = region.data[offset]
            if value < 2:
                return value == 1
        return usual(region, offset)

    return load


def _bool_setter(layout: BoolLayout, start: int) -> Setter:
    usual = layout.store

    def store(view: Any, value: Any) -> None:
        region = view._region
        offset = view._offset + start
        if region.plain and (value is True or value is False):
            region.data[offset] = value
            if (mask := region.mask) is not None and offset >> STRETCH not in region.whole:
                mask[offset] = 1
        else:
            usual(region, offset, value)

    return store


def _enum_number(layout: EnumLayout) -> struct.Struct:
    return (SIGNED if layout.type.__enum_width__.SIGNED else NUMBERS)[layout.size]


def _enum_getter(layout: EnumLayout, start: int) -> Getter:
    size, unpack, usual = layout.size, _enum_number(layout).unpack_from, layout.load
    members = {int(member): member for member in layout.type}

    def load(view: Any) -> Any:
        region = view._region
        offset = view._offset + start
        if region.plain and (
            (mask := region.mask) is None
            or offset >> STRETCH in region.whole
            or mask.find(0, offset, offset + size) < 0
        ):
            found = members.get(unpack(region.data, offset)[0])
            if found is not None:
                return found
        return usual(region, offset)

    return load


def _enum_setter(layout: EnumLayout, start: int) -> Setter:
    kind, size, pack, usual = layout.type, layout.size, _enum_number(layout).pack_into, layout.store
    written = WRITTEN[:size]

    def store(view: Any, value: Any) -> None:
        region = view._region
        offset = view._offset + start
        if region.plain and value.__class__ is kind:
            pack(region.data, offset, value)
            if (mask := region.mask) is not None and offset >> STRETCH not in region.whole:
                mask[offset : offset + size] = written
        else:
            usual(region, offset, value)

    return store


def _aggregate_getter(layout: AggregateLayout, start: int) -> Getter:
    kind, size = layout.type, layout.size

    def load(view: Any) -> Any:
        region = view._region
        offset = view._offset + start
        if (views := region.views) is not None:
            found = views.get((offset, kind))
            if found is not None:
                return found
        return region.view(offset, kind, size)

    return load
