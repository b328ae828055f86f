"""The compiler's types. Two types are the same exactly when they compare equal.

Values of most types travel in registers. Structs, arrays and atomic cells are *places*: an expression of such a type
stands for the address of storage, which is how names come to be references (LANGUAGE.md, rule 4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


class Type:
    """Base of all types."""

    @property
    def is_place(self) -> bool:
        """Whether an expression of this type stands for an address."""
        return isinstance(self, StructType | ArrayType | AtomicType)


@dataclass(frozen=True)
class IntType(Type):
    cls: Any

    @property
    def bits(self) -> int:
        return int(self.cls.BITS)

    @property
    def signed(self) -> bool:
        return bool(self.cls.SIGNED)

    @property
    def c_name(self) -> str:
        return ("i" if self.signed else "u") + str(self.bits)

    def __str__(self) -> str:
        return ("I" if self.signed else "U") + str(self.bits)


@dataclass(frozen=True)
class FloatType(Type):
    cls: Any

    def __str__(self) -> str:
        return str(self.cls.__name__)


@dataclass(frozen=True)
class AddressType(Type):
    """PhysAddr or VirtAddr: a 64-bit number that does not mix with others."""

    cls: Any

    def __str__(self) -> str:
        return str(self.cls.__name__)


@dataclass(frozen=True)
class EnumType(Type):
    cls: Any
    width: IntType
    flags: bool

    def __str__(self) -> str:
        return str(self.cls.__name__)


@dataclass(frozen=True)
class BoolType(Type):
    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class ConstIntType(Type):
    """A bare int: exists only while compiling."""

    def __str__(self) -> str:
        return "int"


@dataclass(frozen=True)
class ConstFloatType(Type):
    """A bare float: exists only while compiling."""

    def __str__(self) -> str:
        return "float"


@dataclass(frozen=True)
class NoneType(Type):
    """The result of a function that returns nothing, and the type of None."""

    def __str__(self) -> str:
        return "None"


@dataclass(frozen=True)
class NeverType(Type):
    """The result of a call that does not return."""

    def __str__(self) -> str:
        return "NoReturn"


@dataclass(frozen=True)
class TextType(Type):
    """str: a text formatted when it is written."""

    def __str__(self) -> str:
        return "str"


@dataclass(frozen=True)
class BytesType(Type):
    """A bytes literal before data() makes a slice of it."""

    def __str__(self) -> str:
        return "bytes"


@dataclass(frozen=True)
class PtrType(Type):
    element: Type

    def __str__(self) -> str:
        return f"Ptr[{self.element}]"


@dataclass(frozen=True)
class NullType(Type):
    """The type of null() and zeroed() until the place they are stored in says more."""

    zero: bool = False

    def __str__(self) -> str:
        return "zeroed()" if self.zero else "null()"


@dataclass(frozen=True)
class UserPtrType(Type):
    element: Type

    def __str__(self) -> str:
        return f"UserPtr[{self.element}]"


@dataclass(frozen=True)
class SliceType(Type):
    element: Type

    def __str__(self) -> str:
        return f"Slice[{self.element}]"


@dataclass(frozen=True)
class ArrayType(Type):
    element: Type
    count: int

    def __str__(self) -> str:
        return f"Array[{self.element}, {self.count}]"


@dataclass(frozen=True)
class AtomicType(Type):
    element: IntType

    def __str__(self) -> str:
        return f"Atomic[{self.element}]"


@dataclass(frozen=True)
class StructType(Type):
    cls: Any

    def __str__(self) -> str:
        return str(self.cls.__name__)


@dataclass(frozen=True)
class ManagedType(Type):
    cls: Any

    def __str__(self) -> str:
        return str(self.cls.__name__)


@dataclass(frozen=True)
class ProtocolType(Type):
    """A reference whose class is known only when running: object and table of methods."""

    cls: Any

    def __str__(self) -> str:
        return str(self.cls.__name__)


@dataclass(frozen=True)
class OptionalType(Type):
    inner: Type

    @property
    def nullable(self) -> bool:
        """Whether None is the null pointer (else a flag stands beside the value)."""
        return self.inner.is_place or isinstance(self.inner, ManagedType | ProtocolType)

    def __str__(self) -> str:
        return f"{self.inner} | None"


@dataclass(frozen=True)
class TupleType(Type):
    items: tuple[Type, ...]

    def __str__(self) -> str:
        return f"tuple[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True)
class TypeOf(Type):
    """type[T]: a type passed as an argument; exists only while compiling."""

    type: Type

    def __str__(self) -> str:
        return f"type[{self.type}]"


@dataclass(frozen=True)
class LiveType(Type):
    """A function, module, class or other object that exists only while compiling."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveType) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

    def __str__(self) -> str:
        return getattr(self.value, "__name__", None) or type(self.value).__name__


BOOL = BoolType()
CONST_INT = ConstIntType()
CONST_FLOAT = ConstFloatType()
NONE = NoneType()
NEVER = NeverType()
TEXT = TextType()
BYTES = BytesType()


def is_integer(kind: Type) -> bool:
    """Whether the type is one of U8 … I64."""
    return isinstance(kind, IntType)


def strip_optional(kind: Type) -> Type:
    """`X` of `X | None`, any other type as it is."""
    return kind.inner if isinstance(kind, OptionalType) else kind


def is_counted(kind: Type) -> bool:
    """Whether values of the type hold a reference count."""
    inner = strip_optional(kind)
    if isinstance(inner, TupleType):
        return any(is_counted(item) for item in inner.items)
    return isinstance(inner, ManagedType | ProtocolType)


def mangle(kind: Type) -> str:
    """The type as part of a C identifier, the same for equal types and distinct for others within a program."""
    return re.sub(r"_+$", "", re.sub(r"[^A-Za-z0-9]+", "_", str(kind)))
