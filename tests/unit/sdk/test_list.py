"""`List` against CPython's list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.lang import U32, U64, Panic, PanicKind, struct
from cloudos.sdk import List, Text

numbers = st.integers(0, 50)
words = st.text("abcé", max_size=4)
positions = st.integers(0, 12)

operations = st.one_of(
    st.tuples(st.just("append"), numbers),
    st.tuples(st.just("insert"), positions, numbers),
    st.tuples(st.just("pop")),
    st.tuples(st.just("remove_at"), positions),
    st.tuples(st.just("set"), positions, numbers),
    st.tuples(st.just("extend"), st.lists(numbers, max_size=6)),
    st.tuples(st.just("extend self")),
    st.tuples(st.just("slice"), positions, positions),
    st.tuples(st.just("truncate"), positions),
    st.tuples(st.just("reverse")),
    st.tuples(st.just("sort"), st.booleans()),
    st.tuples(st.just("clear")),
)


def make(values: list[int]) -> List[U64]:
    result = List[U64]()
    for value in values:
        result.append(U64(value))
    return result


def apply_to_model(model: list[int], operation: tuple[Any, ...]) -> Any:
    """Do to a Python list what the operation says; IndexError where List panics."""
    match operation:
        case ("append", value):
            model.append(value)
        case ("insert", position, value):
            if position > len(model):
                raise IndexError
            model.insert(position, value)
        case ("pop",):
            return model.pop()
        case ("remove_at", position):
            return model.pop(position)
        case ("set", position, value):
            model[position] = value
        case ("extend", values):
            model.extend(values)
        case ("extend self",):
            model.extend(list(model))
        case ("slice", start, stop):
            if not start <= stop <= len(model):
                raise IndexError
            model[:] = model[start:stop]
        case ("truncate", length):
            if length > len(model):
                raise IndexError
            del model[length:]
        case ("reverse",):
            model.reverse()
        case ("sort", reverse):
            model.sort(reverse=reverse)
        case ("clear",):
            model.clear()
    return None


def apply_to_list(items: List[U64], operation: tuple[Any, ...]) -> Any:
    match operation:
        case ("append", value):
            items.append(U64(value))
        case ("insert", position, value):
            items.insert(U64(position), U64(value))
        case ("pop",):
            return items.pop()
        case ("remove_at", position):
            return items.remove_at(U64(position))
        case ("set", position, value):
            items[U64(position)] = U64(value)
        case ("extend", values):
            items.extend(make(values))
        case ("extend self",):
            items.extend(items)
        case ("slice", start, stop):
            part = items.slice(U64(start), U64(stop))
            items.clear()
            items.extend(part)
        case ("truncate", length):
            items.truncate(U64(length))
        case ("reverse",):
            items.reverse()
        case ("sort", reverse):
            items.sort(reverse)
        case ("clear",):
            items.clear()
    return None


@settings(max_examples=150, deadline=None)
@given(st.lists(numbers, max_size=12), st.lists(operations, max_size=25))
def test_a_list_behaves_as_pythons(start: list[int], todo: list[tuple[Any, ...]]) -> None:
    model = list(start)
    items = make(start)
    for operation in todo:
        try:
            expected = apply_to_model(model, operation)
        except IndexError:
            with pytest.raises((Panic, AssertionError)):
                apply_to_list(items, operation)
            continue
        got = apply_to_list(items, operation)
        assert (got is None) == (expected is None)
        assert got is None or int(got) == expected
        assert [int(item) for item in items] == model
        assert int(items.length) == len(model)
    for value in range(51):
        assert (U64(value) in items) == (value in model)
        position = items.index(U64(value))
        assert (position is None) == (value not in model)
        assert position is None or int(position) == model.index(value)


@settings(max_examples=80, deadline=None)
@given(st.lists(words, max_size=60), st.booleans())
def test_texts_sort_in_byte_order(values: list[str], reverse: bool) -> None:
    items = List[Text]()
    for value in values:
        items.append(Text(value))
    items.sort(reverse)
    assert [str(item) for item in items] == sorted(values, key=str.encode, reverse=reverse)


@struct
class ByTens:
    """Orders numbers by their tens alone, so that stability shows."""

    falling: bool

    def less(self, left: U64, right: U64) -> bool:
        if self.falling:
            return right // 10 < left // 10
        return left // 10 < right // 10


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=100), st.booleans())
def test_sorting_by_a_comparator_is_stable(values: list[int], falling: bool) -> None:
    items = make(values)
    items.sort_by(ByTens(falling))
    assert [int(item) for item in items] == sorted(values, key=lambda value: value // 10, reverse=falling)


def test_indices_beyond_the_length_panic_although_there_is_room() -> None:
    items = make([1, 2, 3, 4, 5])
    items.pop()
    for index in (U64(4), U64(5), U64(2**63)):
        with pytest.raises(Panic) as caught:
            items[index]
        assert caught.value.kind == PanicKind.INDEX
        with pytest.raises(Panic):
            items[index] = U64(0)


def test_elements_are_typed() -> None:
    items = List[U64]()
    with pytest.raises(TypeError):
        items.append(U32(1))  # type: ignore[arg-type]


def test_structs_are_refused_with_a_reason() -> None:
    with pytest.raises(TypeError, match="cannot hold the struct ByTens"):
        List[ByTens]()
