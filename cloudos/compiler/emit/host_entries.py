"""Entries of host libraries: C functions that take and give 64-bit words, so that ctypes can call anything."""

from __future__ import annotations

from cloudos.compiler.emit.declarations import scalar_name
from cloudos.compiler.emit.functions import value_parameters
from cloudos.compiler.host_library import Entry
from cloudos.compiler.lower.builder import result_type
from cloudos.compiler.program import FunctionInstance, Program
from cloudos.compiler.typesystem import (
    BoolType,
    EnumType,
    FloatType,
    IntType,
    OptionalType,
    SliceType,
    TupleType,
    Type,
)


def word_kind(kind: Type) -> str:
    """The host library's name for how a value of this type is packed."""
    if isinstance(kind, SliceType):
        return "bytes"
    if isinstance(kind, OptionalType) and not kind.nullable:
        return word_kind(kind.inner) + "?"
    if isinstance(kind, BoolType):
        return "bool"
    if isinstance(kind, IntType | EnumType | FloatType):
        found = scalar_name(kind)
        assert found is not None
        return found
    raise TypeError(f"{kind} cannot pass between Python and a host library")


def _argument(program: Program, kind: Type, word: int) -> tuple[str, int]:
    """The C expression of an argument and the number of words it takes."""
    if isinstance(kind, SliceType):
        return f"(slice_t){{(void *)a[{word}], a[{word + 1}]}}", 2
    if isinstance(kind, FloatType):
        name = scalar_name(kind)
        return f"from_bits_{name}((u{name[1:] if name else 64})a[{word}])", 1
    return f"({program.type_name(kind)}_v)a[{word}]", 1


def _result(kind: Type, value: str, word: int) -> tuple[str, int]:
    if isinstance(kind, SliceType):
        return f"r[{word}] = (u64){value}.pointer; r[{word + 1}] = {value}.length;", 2
    if isinstance(kind, OptionalType):
        inner, words = _result(kind.inner, f"{value}.value", word + 1)
        return f"r[{word}] = {value}.present; {inner}", words + 1
    if isinstance(kind, FloatType):
        return f"r[{word}] = bits_{scalar_name(kind)}({value});", 1
    if isinstance(kind, IntType) and kind.signed:
        return f"r[{word}] = (u64)(i64){value};", 1
    return f"r[{word}] = (u64){value};", 1


def entry(program: Program, instance: FunctionInstance, number: int) -> tuple[Entry, str]:
    """How entry `number` is called, and its C text."""
    symbol = f"cloudos_entry_{number}"
    arguments, word = [], 0
    for parameter in value_parameters(instance):
        text, words = _argument(program, parameter.type, word)
        arguments.append(text)
        word += words
    kind = result_type(instance)
    items = [] if kind is None else list(kind.items) if isinstance(kind, TupleType) else [kind]
    call = f"{instance.symbol}({', '.join(arguments)})"
    lines = []
    if kind is None:
        lines.append(f"return {call};" if instance.abi_raises else f"{call}; return 0;")
    else:
        suffix = "_r" if instance.abi_raises else "_v"
        lines.append(f"{program.type_name(kind)}{suffix} x = {call};")
        if instance.abi_raises:
            lines.append("if (x.error) return x.error;")
        value, at = ("x.value" if instance.abi_raises else "x"), 0
        for position, item in enumerate(items):
            text, words = _result(item, f"{value}.i{position}" if isinstance(kind, TupleType) else value, at)
            lines.append(text)
            at += words
        lines.append("return 0;")
    head = f'__attribute__((visibility("default"))) u32 {symbol}(const u64 *a, u64 *r)'
    kinds = tuple(word_kind(parameter.type) for parameter in value_parameters(instance))
    return Entry(symbol, kinds, tuple(word_kind(item) for item in items)), f"{head} {{ {' '.join(lines)} }}"
