"""Operands are evaluated left to right, stores in Python's order; every step leaves its tag in a trace."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, Ptr, Slice, struct, zeroed


@struct
class Cell:
    value: U64 = U64(0)
    items: Array[U64, Literal[4]] = zeroed()


@struct
class Trace:
    steps: U64 = U64(0)
    cell: Cell = zeroed()
    other: Cell = zeroed()


TRACE = Trace()


def _start() -> None:
    TRACE.steps = U64(0)
    TRACE.cell.value = U64(5)
    TRACE.cell.items.fill(U64(3))


def _step(tag: U64, value: U64) -> U64:
    TRACE.steps = TRACE.steps.wrapping_mul(10).wrapping_add(tag)
    return value


def _flag(tag: U64, value: bool) -> bool:
    _step(tag, U64(0))
    return value


def _cell(tag: U64) -> Cell:
    _step(tag, U64(0))
    return TRACE.cell


def _add(a: U64, b: U64, c: U64 = U64(0)) -> U64:
    _step(U64(9), U64(0))
    return a + b + c


def binary(a: U8, b: U8) -> tuple[U64, U64]:
    _start()
    result = _step(U64(1), U64(a)) - _step(U64(2), U64(b)) // _step(U64(3), U64(a))
    return result, TRACE.steps


def parenthesised(a: U8, b: U8) -> tuple[U64, U64]:
    _start()
    result = (_step(U64(1), U64(a)) + _step(U64(2), U64(b))) * (_step(U64(3), U64(a)) - _step(U64(4), U64(1)))
    return result, TRACE.steps


def comparison(a: U8, b: U8) -> tuple[bool, U64]:
    _start()
    result = _step(U64(1), U64(a)) < _step(U64(2), U64(b)) < _step(U64(3), U64(200))
    return result, TRACE.steps


def arguments(a: U8, b: U8) -> tuple[U64, U64]:
    _start()
    result = _add(_step(U64(1), U64(a)), _add(_step(U64(2), U64(b)), _step(U64(3), U64(1))))
    return result, TRACE.steps


def keywords(a: U8, b: U8) -> tuple[U64, U64]:
    """Keyword arguments are evaluated as written, not in the order of the parameters."""
    _start()
    result = _add(c=_step(U64(1), U64(a)), b=_step(U64(2), U64(b)), a=_step(U64(3), U64(7)))
    return result, TRACE.steps


def constructor_keywords(a: U8, b: U8) -> tuple[U64, U64]:
    _start()
    pair = _Pair(right=_step(U64(1), U64(a)), left=_step(U64(2), U64(b)))
    return pair.left * 1000 + pair.right, TRACE.steps


@struct
class _Pair:
    left: U64
    right: U64


def logic(a: bool, b: bool) -> tuple[bool, U64]:
    _start()
    result = _flag(U64(1), a) or (_flag(U64(2), b) and _flag(U64(3), a))
    return result, TRACE.steps


def conditional(a: bool) -> tuple[U64, U64]:
    """The condition comes first although it stands in the middle."""
    _start()
    result = _step(U64(1), U64(10)) if _flag(U64(2), a) else _step(U64(3), U64(20))
    return result, TRACE.steps


def field_store(a: U8) -> tuple[U64, U64]:
    """The value first, then the object stored into."""
    _start()
    _cell(U64(1)).value = _step(U64(2), U64(a))
    return TRACE.cell.value, TRACE.steps


def item_store(a: U8, i: U8) -> tuple[U64, U64]:
    """The value, the container, the index; only then the bounds check."""
    _start()
    _cell(U64(1)).items[_step(U64(2), U64(i % 6))] = _step(U64(3), U64(a))
    return TRACE.cell.items[i % 4], TRACE.steps


def item_load(i: U8) -> tuple[U64, U64]:
    _start()
    result = _cell(U64(1)).items[_step(U64(2), U64(i % 6))]
    return result, TRACE.steps


def augmented_field(a: U8) -> tuple[U64, U64]:
    """Object once, old value, then the right side."""
    _start()
    _cell(U64(1)).value += _step(U64(2), U64(a))
    return TRACE.cell.value, TRACE.steps


def augmented_item(a: U8, i: U8) -> tuple[U64, U64]:
    _start()
    _cell(U64(1)).items[_step(U64(2), U64(i % 6))] -= _step(U64(3), U64(a % 5))
    return TRACE.cell.items[i % 4], TRACE.steps


def _spoil(value: U64) -> U64:
    TRACE.cell.value = value
    TRACE.cell.items[1] = value
    return value


def augmented_reads_before_the_right_side(a: U8) -> tuple[U64, U64]:
    """The old value is read before the right side runs, even when that changes it."""
    _start()
    TRACE.cell.value += _spoil(U64(a))
    TRACE.cell.items[1] += _spoil(U64(a))
    return TRACE.cell.value, TRACE.cell.items[1]


def operand_read_before_call(a: U8) -> U64:
    """A field read on the left is not affected by a call on the right."""
    _start()
    return TRACE.cell.value * 1000 + _spoil(U64(a))


def call_before_operand_read(a: U8) -> U64:
    _start()
    return _spoil(U64(a)) * 1000 + TRACE.cell.value


def local_read_before_call(a: U8) -> U64:
    x = U64(a)
    pointer = Ptr.to(TRACE)
    pointer.value.cell.value = x
    return pointer.value.cell.value + _spoil(U64(1)) + pointer.value.cell.value


def panic_on_the_left_first(a: U8, b: U8) -> U8:
    left = U8(10)
    return (left - a) + (left // b)


def argument_panics_before_call(a: U8) -> tuple[U64, U64]:
    _start()
    _add(_step(U64(1), U64(a)), U64(10) // U64(a % 4), _step(U64(2), U64(a)))
    return U64(0), TRACE.steps


def return_tuple(a: U8, b: U8) -> tuple[U64, U64, U64]:
    _start()
    return _step(U64(1), U64(a)), _step(U64(2), U64(b)), TRACE.steps


def unpack_into_fields(a: U8, b: U8) -> tuple[U64, U64, U64]:
    _start()
    TRACE.cell.value, TRACE.other.value = _step(U64(1), U64(a)), _step(U64(2), U64(b))
    return TRACE.cell.value, TRACE.other.value, TRACE.steps


def swap_items(i: U8, j: U8) -> tuple[U64, U64, U64, U64]:
    items = TRACE.cell.items
    for k in U64.range(4):
        items[k] = k * 11
    items[i % 5], items[j % 4] = items[j % 4], items[i % 5]
    return items[0], items[1], items[2], items[3]


def slice_bounds(a: U8, b: U8) -> tuple[U64, U64]:
    _start()
    part = _slice(U64(1))[_step(U64(2), U64(a % 6)) : _step(U64(3), U64(b % 6))]
    return part.length, TRACE.steps


def _slice(tag: U64) -> Slice[U64]:
    _step(tag, U64(0))
    return TRACE.cell.items.slice()


def range_bounds(a: U8, b: U8) -> tuple[U64, U64]:
    _start()
    total = U64(0)
    for i in U64.range(_step(U64(1), U64(a)), _step(U64(2), U64(b))):
        total += i
    return total, TRACE.steps
