"""Systems Python: the types and primitives, and their meaning under CPython.

The compiler turns modules written with these into freestanding native code; under CPython the same modules
run in a simulated address space that checks every access. Start reading at integers.py, structs.py and
memory.py.
"""

from __future__ import annotations

from cloudos.lang.addresses import PhysAddr, VirtAddr
from cloudos.lang.arrays import Array
from cloudos.lang.atomics import Atomic, Order, fence
from cloudos.lang.comptime import align_of, comptime, interpreted, length_of, offset_of, size_of
from cloudos.lang.enums import IntEnum, IntFlag, enum
from cloudos.lang.errors import Error, error_code, error_name, error_place
from cloudos.lang.floats import F32, F64
from cloudos.lang.formatting import Sink, format_bool, format_character, format_float, format_integer, format_padded
from cloudos.lang.generated import GENERATED, generate
from cloudos.lang.inference import zero_value, zeroed
from cloudos.lang.integers import I8, I16, I32, I64, INTEGER_TYPES, U8, U16, U32, U64, Integer
from cloudos.lang.layout import Layout, layout_of
from cloudos.lang.located import located
from cloudos.lang.machine import (
    ARCHITECTURES,
    Assembly,
    External,
    LinkerSymbol,
    Placement,
    ProgramImage,
    Template,
    code_address,
    exported,
    external,
    fast,
    function_at,
    imported,
    inlined,
    machine,
    never_inlined,
    no_return,
    often,
    place,
)
from cloudos.lang.managed import ManagedInfo, is_managed, managed
from cloudos.lang.memory import AddressSpace, Region, current_address_space
from cloudos.lang.panics import Panic, PanicKind, intrinsic, panic, panic_kind_of, unreachable
from cloudos.lang.pointers import Ptr, UserPtr, null
from cloudos.lang.sequences import Indexable, iterate, sequence
from cloudos.lang.slices import Index, Slice, data, forget, free_slice, new_slice
from cloudos.lang.specs import IntegerSpec, TextSpec, parse_integer_spec, parse_text_spec
from cloudos.lang.strings import Formattable, TextBuffer, write_text
from cloudos.lang.structs import NO_DEFAULT, Copyable, Field, StructInfo, View, copy, specialised, struct

__all__ = [
    "ARCHITECTURES",
    "F32",
    "F64",
    "GENERATED",
    "I8",
    "I16",
    "I32",
    "I64",
    "INTEGER_TYPES",
    "NO_DEFAULT",
    "U8",
    "U16",
    "U32",
    "U64",
    "AddressSpace",
    "Array",
    "Assembly",
    "Atomic",
    "Copyable",
    "Error",
    "External",
    "Field",
    "Formattable",
    "Index",
    "Indexable",
    "IntEnum",
    "IntFlag",
    "Integer",
    "IntegerSpec",
    "Layout",
    "LinkerSymbol",
    "ManagedInfo",
    "Order",
    "Panic",
    "PanicKind",
    "PhysAddr",
    "Placement",
    "ProgramImage",
    "Ptr",
    "Region",
    "Sink",
    "Slice",
    "StructInfo",
    "Template",
    "TextBuffer",
    "TextSpec",
    "UserPtr",
    "View",
    "VirtAddr",
    "align_of",
    "code_address",
    "comptime",
    "copy",
    "current_address_space",
    "data",
    "enum",
    "error_code",
    "error_name",
    "error_place",
    "exported",
    "external",
    "fast",
    "fence",
    "forget",
    "format_bool",
    "format_character",
    "format_float",
    "format_integer",
    "format_padded",
    "free_slice",
    "function_at",
    "generate",
    "imported",
    "inlined",
    "interpreted",
    "intrinsic",
    "is_managed",
    "iterate",
    "layout_of",
    "length_of",
    "located",
    "machine",
    "managed",
    "never_inlined",
    "new_slice",
    "no_return",
    "null",
    "offset_of",
    "often",
    "panic",
    "panic_kind_of",
    "parse_integer_spec",
    "parse_text_spec",
    "place",
    "sequence",
    "size_of",
    "specialised",
    "struct",
    "unreachable",
    "write_text",
    "zero_value",
    "zeroed",
]
