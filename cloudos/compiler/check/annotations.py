"""From live annotations to types, and from live objects to constants."""

from __future__ import annotations

import enum as standard
import types
import typing
from collections.abc import Mapping
from enum import IntEnum, IntFlag
from typing import Any, Literal, NoReturn, TypeVar

from cloudos import lang
from cloudos.compiler import tree
from cloudos.compiler.typesystem import (
    BOOL,
    BYTES,
    CONST_FLOAT,
    CONST_INT,
    NEVER,
    NONE,
    TEXT,
    AddressType,
    ArrayType,
    AtomicType,
    ConstIntType,
    EnumType,
    FloatType,
    IntType,
    LiveType,
    ManagedType,
    NullType,
    OptionalType,
    ProtocolType,
    PtrType,
    SliceType,
    StructType,
    TupleType,
    Type,
    TypeOf,
    UserPtrType,
)

INTEGERS = {cls: IntType(cls) for cls in (lang.U8, lang.U16, lang.U32, lang.U64, lang.I8, lang.I16, lang.I32, lang.I64)}
U8, U16, U32, U64 = (INTEGERS[cls] for cls in (lang.U8, lang.U16, lang.U32, lang.U64))
I64 = INTEGERS[lang.I64]
FLOATS = {cls: FloatType(cls) for cls in (lang.F32, lang.F64)}
ADDRESSES = {cls: AddressType(cls) for cls in (lang.PhysAddr, lang.VirtAddr)}
SIMPLE: dict[Any, Type] = {
    **INTEGERS,
    **FLOATS,
    **ADDRESSES,
    bool: BOOL,
    str: TEXT,
    bytes: BYTES,
    None: NONE,
    type(None): NONE,
    NoReturn: NEVER,
    typing.Never: NEVER,
    int: CONST_INT,
    float: CONST_FLOAT,
}
Bindings = Mapping[TypeVar, Type]


class UnknownAnnotation(Exception):
    """The annotation names no type of the language; the text says why, `hint` what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def own(cls: Any, name: str) -> bool:
    """Whether the class or one that it specialises carries the mark `name`."""
    return any(name in base.__dict__ for base in getattr(cls, "__mro__", ()))


def origin_of(kind: Any) -> Any:
    """The generic class of a specialised one, the class itself otherwise."""
    return getattr(kind, "__origin__", None) or kind


def type_of_annotation(kind: Any, bindings: Bindings, self_type: Type | None = None) -> Type:
    """The type that a live annotation stands for. Raises UnknownAnnotation."""
    if isinstance(kind, TypeVar):
        if kind in bindings:
            return bindings[kind]
        raise UnknownAnnotation(
            f"the type variable {kind} is not known here", "give a generic class its types: List[U64]"
        )
    if kind is typing.Self and self_type is not None:
        return self_type
    try:
        if kind in SIMPLE:
            return SIMPLE[kind]
    except TypeError:
        # A list or a dictionary, which cannot be looked up.
        raise UnknownAnnotation(
            f"{kind!r} is no type", "write Slice[U8] or Array[U8, Literal[4]], for example"
        ) from None
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return _union(typing.get_args(kind), bindings, self_type)
    if typing.get_origin(kind) is Literal:
        return CONST_INT
    if typing.get_origin(kind) is tuple:
        return TupleType(tuple(held_type(item, bindings, self_type) for item in typing.get_args(kind)))
    if typing.get_origin(kind) is type:
        return TypeOf(type_of_annotation(typing.get_args(kind)[0], bindings, self_type))
    return _class_type(kind, bindings, self_type)


def held_type(kind: Any, bindings: Bindings, self_type: Type | None) -> Type:
    """`type_of_annotation` for what a variable, an element or a member holds. Raises UnknownAnnotation."""
    found = type_of_annotation(kind, bindings, self_type)
    if found in (NONE, NEVER):
        raise UnknownAnnotation(f"nothing can be held in a place of type {found}", "write U64 | None, for example")
    return found


def _union(parts: tuple[Any, ...], bindings: Bindings, self_type: Type | None) -> Type:
    kinds = [type_of_annotation(part, bindings, self_type) for part in parts]
    rest = [kind for kind in kinds if kind != NONE and not isinstance(kind, ConstIntType)]
    if len(set(rest)) != 1:
        raise UnknownAnnotation("a union may only add None, or int constants to one integer type")
    return OptionalType(rest[0]) if NONE in kinds else rest[0]


def literal_count(kind: Any) -> int:
    """N of `Literal[N]` or the number itself."""
    if isinstance(kind, int):
        return kind
    arguments = typing.get_args(kind)
    if len(arguments) == 1 and isinstance(arguments[0], int):
        return arguments[0]
    raise UnknownAnnotation("the length of an Array is written Literal[n]")


def _class_type(kind: Any, bindings: Bindings, self_type: Type | None) -> Type:
    origin: Any = origin_of(kind)
    arguments: tuple[Any, ...] = getattr(kind, "__args__", ())
    element = {lang.Ptr: PtrType, lang.Slice: SliceType, lang.UserPtr: UserPtrType, lang.Atomic: AtomicType}
    if origin in element:
        if not arguments:
            raise UnknownAnnotation(f"{origin.__name__} needs the type it refers to: {origin.__name__}[U8]")
        inner = held_type(arguments[0], bindings, self_type)
        return element[origin](inner)  # type: ignore[arg-type]
    if origin is lang.Array:
        if len(arguments) != 2:
            raise UnknownAnnotation("an Array needs the type and number of its elements: Array[U8, Literal[16]]")
        if isinstance(arguments[1], TypeVar):
            count = bindings.get(arguments[1])
            if not isinstance(count, LiveType):
                raise UnknownAnnotation(f"the length {arguments[1]} is not known here")
            return ArrayType(held_type(arguments[0], bindings, self_type), int(count.value))
        return ArrayType(held_type(arguments[0], bindings, self_type), literal_count(arguments[1]))
    if not isinstance(kind, type):
        raise UnknownAnnotation(f"{kind!r} is not a type that compiled code can hold")
    if hasattr(kind, "__enum_width__"):
        return EnumType(kind, INTEGERS[kind.__enum_width__], issubclass(kind, IntFlag))
    if issubclass(kind, IntEnum | IntFlag):
        raise UnknownAnnotation(f"the enum {kind.__name__} has no width", "decorate it with @enum(U8)")
    if getattr(kind, "_is_protocol", False):
        return ProtocolType(kind)
    _refuse_inheritance(kind)
    if own(kind, "__struct__"):
        return StructType(_specialise(kind, bindings, self_type))
    if own(kind, "__managed__"):
        return ManagedType(_specialise(kind, bindings, self_type))
    message = f"{kind.__name__} is not a type that compiled code can hold"
    raise UnknownAnnotation(message, "decorate your own class with @managed (on the heap) or @struct (plain memory)")


def _refuse_inheritance(kind: Any) -> None:
    """A class with fields has no base with fields: their layout would have to agree for ever."""
    for base in origin_of(kind).__mro__[1:]:
        if "__struct__" in base.__dict__ or "__managed__" in base.__dict__:
            message = f"{kind.__name__} inherits the fields of {base.__name__}"
            raise UnknownAnnotation(message, f"give it a field of type {base.__name__}, or use a protocol")


def _specialise(kind: Any, bindings: Bindings, self_type: Type | None) -> Any:
    """Fill the type variables of a generic class in; `List` inside its own methods means `List[T]`."""
    arguments: tuple[Any, ...] = getattr(kind, "__args__", ()) or getattr(kind, "__parameters__", ())
    if any(argument is str for argument in arguments):
        raise UnknownAnnotation("a str is only formatted and passed on: it cannot be kept", "use Text")
    for argument in arguments:
        if own(type(argument), "__struct__") or own(type(argument), "__managed__"):
            raise UnknownAnnotation(f"an object of {type(argument).__name__} is no type", "write the name of a class")
    if not any(contains_variable(argument) for argument in arguments):
        return kind
    filled = tuple(live_of_type(type_of_annotation(item, bindings, self_type)) for item in arguments)
    return origin_of(kind)[filled if len(filled) > 1 else filled[0]]


def contains_variable(kind: Any) -> bool:
    """Whether a live type still has type variables."""
    if isinstance(kind, TypeVar):
        return True
    return any(contains_variable(argument) for argument in getattr(kind, "__args__", ()) or ())


def live_of_type(kind: Type) -> Any:
    """The live class for a type: the inverse of `type_of_annotation`."""
    if isinstance(kind, IntType | FloatType | AddressType | EnumType | StructType | ManagedType | ProtocolType):
        return kind.cls
    if kind == BOOL:
        return bool
    if kind == NONE:
        return None
    generic: dict[type[Type], Any] = {
        PtrType: lang.Ptr, SliceType: lang.Slice, UserPtrType: lang.UserPtr, AtomicType: lang.Atomic
    }  # fmt: skip
    if isinstance(kind, PtrType | SliceType | UserPtrType | AtomicType):
        return generic[type(kind)][live_of_type(kind.element)]
    if isinstance(kind, ArrayType):
        array: Any = lang.Array
        return array[live_of_type(kind.element), Literal[kind.count]]
    if isinstance(kind, OptionalType):
        return live_of_type(kind.inner) | None
    if isinstance(kind, LiveType):
        return kind.value
    raise UnknownAnnotation(f"{kind} cannot be a type argument")


def expression_of_live(value: Any, line: int) -> tree.Expr:
    """What a name that stands for a live object means in compiled code."""
    if value is None or isinstance(value, bool):
        return tree.Const(NONE if value is None else BOOL, value, line=line)
    if hasattr(type(value), "__enum_width__"):
        kind = type_of_annotation(type(value), {})
        return tree.Const(kind, int(value), line=line)
    if isinstance(value, standard.Enum):
        raise UnknownAnnotation(f"the enum {type(value).__name__} has no width", "decorate it with @enum(U8)")
    if isinstance(value, int):
        return tree.Const(CONST_INT, int(value), line=line)
    if isinstance(value, float):
        return tree.Const(CONST_FLOAT, value, line=line)
    if isinstance(value, str):
        return tree.TextLiteral(TEXT, value, line=line)
    if isinstance(value, bytes):
        return tree.BytesData(BYTES, value, line=line)
    if type(value) in INTEGERS:
        return tree.Const(INTEGERS[type(value)], int(value), line=line)
    if type(value) in FLOATS:
        return tree.Const(FLOATS[type(value)], float(value), line=line)
    if type(value) in ADDRESSES:
        return tree.Const(ADDRESSES[type(value)], int(value.value), line=line)
    return _static_object(value, line)


def _static_object(value: Any, line: int) -> tree.Expr:
    kind = type(value)
    if own(kind, "__struct__") or isinstance(value, lang.Array | lang.Atomic):
        return tree.Static(type_of_annotation(kind, {}), value._region, int(value._offset), line=line)
    if isinstance(value, lang.Slice):
        return tree.StaticSlice(
            type_of_annotation(kind, {}), _static_object(value.pointer, line), int(value.length), line=line
        )
    if isinstance(value, lang.Ptr):
        found = type_of_annotation(kind, {}) if getattr(kind, "__args__", ()) else NullType()
        if value.region is None:
            return tree.Const(found, None, line=line)
        return tree.Static(found, value.region, int(value.region_offset), line=line)
    return tree.Const(LiveType(value), None, line=line)
