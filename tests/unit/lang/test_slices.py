"""Slices and arrays against Python lists."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloudos.lang import I8, I64, U8, U16, U32, U64, Array, PanicKind, Ptr, Slice, copy, data, new_slice, struct
from tests.unit.lang.faults import panics

BYTES = st.binary(max_size=20)
LONG = st.binary(min_size=10, max_size=20)
INDEX = st.integers(-3, 25)


@given(BYTES, INDEX)
def test_indexing(content: bytes, index: int) -> None:
    text = data(content)
    assert text.length == len(content)
    if 0 <= index < len(content):
        assert text[index] == content[index]
        assert text[U64(index)] == text[U8(index)] == text[U16(index)] == text[U32(index)] == content[index]
    else:
        with panics(PanicKind.INDEX):
            text[index]
        if index >= 0:
            for kind in (U64, U8):
                with panics(PanicKind.INDEX):
                    text[kind(index)]


@given(st.integers(0, 9))
def test_indexing_arrays(index: int) -> None:
    numbers = Array[U16, Literal[5]]()
    for position in (index, U64(index), U8(index)):
        if index < 5:
            numbers[position] = U16(index)
            assert numbers[position] == index
        else:
            with panics(PanicKind.INDEX):
                numbers[position]
            with panics(PanicKind.INDEX):
                numbers[position] = U16(1)


@given(st.one_of(BYTES, LONG), INDEX, INDEX)
@example(b"abcdef", 4, 2)
def test_slicing(content: bytes, start: int, end: int) -> None:
    text = data(content)
    if 0 <= start <= end <= len(content):
        part = text[start:end]
        assert bytes(part) == content[start:end]
        assert bytes(text[:end]) == content[:end] and bytes(text[start:]) == content[start:]
        assert [byte.__index__() for byte in part] == list(content[start:end])
    else:
        with panics(PanicKind.INDEX):
            text[start:end]


@given(st.binary(min_size=1, max_size=20), st.data())
def test_copying_is_a_move(content: bytes, draw: Any) -> None:
    length = draw.draw(st.integers(0, len(content)))
    source = draw.draw(st.integers(0, len(content) - length))
    target = draw.draw(st.integers(0, len(content) - length))
    memory = new_slice(U8, len(content))
    memory.copy_from(data(content))
    memory[target : target + length].copy_from(memory[source : source + length])
    expected = bytearray(content)
    expected[target : target + length] = content[source : source + length]
    assert bytes(memory) == bytes(expected)


@given(BYTES, BYTES)
def test_equality(left: bytes, right: bytes) -> None:
    assert data(left).equals(data(right)) is (left == right)
    assert data(left).equals(data(bytes(left)))


def test_lengths_must_agree() -> None:
    with panics(PanicKind.INDEX):
        new_slice(U8, 3).copy_from(new_slice(U8, 4))


def test_a_part_is_an_alias() -> None:
    numbers = Array[U64, Literal[6]]()
    middle = numbers[2:5]
    middle[0] = U64(7)
    assert numbers[2] == 7
    middle.fill(U64(9))
    assert [number.__index__() for number in numbers] == [0, 0, 9, 9, 9, 0]
    assert middle.pointer == numbers.slice().pointer.offset(2)
    assert middle[1:][0] == 9
    with panics(PanicKind.INDEX):
        middle[3]


def test_slice_of_a_pointer() -> None:
    numbers = Array[U32, Literal[4]]()
    numbers.fill(U32(3))
    window = Slice.of(numbers.slice().pointer.offset(1), U64(3))
    assert window.length == 3
    window[2] = U32(8)
    assert numbers[3] == 8
    beyond = Slice.of(window.pointer, 4)
    with panics(PanicKind.BAD_ACCESS):
        beyond[3]


def test_arrays() -> None:
    numbers = Array[I64, Literal[3]]()
    assert numbers.length == 3 and numbers[0] == 0
    numbers[1] = I64(-5)
    twin = copy(numbers)
    twin[1] = I64(6)
    assert numbers[1] == -5 and numbers.copy()[1] == -5
    with panics(PanicKind.INDEX):
        numbers[3]
    with panics(PanicKind.INDEX):
        numbers[3] = I64(1)
    assert Ptr.to(numbers).value is numbers
    grid = Array[Array[U8, Literal[2]], Literal[2]]()
    grid[1][0] = U8(4)
    assert [[cell.__index__() for cell in row] for row in grid] == [[0, 0], [4, 0]]
    assert Array[I64, Literal[3]] is type(numbers)


def test_wrong_indices_and_values_are_refused() -> None:
    numbers: Any = Array[U64, Literal[3]]()
    for index in (I8(1), True, 1.0, None, "1"):
        with pytest.raises(TypeError):
            numbers[index]
    for value in (1, U32(1), None):
        with pytest.raises(TypeError):
            numbers[0] = value
    with pytest.raises(TypeError):
        numbers[0:2:1]
    with pytest.raises(TypeError):
        numbers == numbers.copy()  # noqa: B015
    with pytest.raises(TypeError):
        Array()
    with pytest.raises(TypeError):
        Array[U64, Literal["x"]]  # type: ignore[type-var]
    with pytest.raises(TypeError):
        bool(numbers.slice())


def test_slices_of_structs_alias_and_copy() -> None:
    @struct
    class Cell:
        number: U64

    cells = new_slice(Cell, 3)
    assert cells[1] is cells[1]
    fresh = Cell(U64(5))
    cells[1] = fresh
    fresh.number = U64(6)
    assert cells[1].number == 5
    cells.fill(fresh)
    assert [cell.number.__index__() for cell in cells] == [6, 6, 6]
    with pytest.raises(TypeError, match="no equality"):
        cells.equals(cells)
