"""`Map` against CPython's dict."""

from __future__ import annotations

import collections
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.lang import I32, U64, data
from cloudos.sdk import Bytes, Counter, KeyMissing, Map, Text

keys = st.integers(0, 30)
operations = st.one_of(
    st.tuples(st.just("set"), keys, st.integers(0, 1000)),
    st.tuples(st.just("set"), keys, st.integers(0, 1000)),
    st.tuples(st.just("pop"), keys),
    st.tuples(st.just("get"), keys),
    st.tuples(st.just("index"), keys),
    st.tuples(st.just("contains"), keys),
    st.tuples(st.just("clear")),
)


def check_same(map: Map[U64, U64], model: dict[int, int]) -> None:
    assert int(map.length) == len(model)
    assert [int(key) for key in map] == list(model)
    assert [(int(key), int(value)) for key, value in map.items()] == list(model.items())
    assert [int(value) for value in map.values()] == list(model.values())


@settings(max_examples=150, deadline=None)
@given(st.lists(operations, max_size=60))
def test_a_map_behaves_as_pythons_dict(todo: list[tuple[Any, ...]]) -> None:
    model: dict[int, int] = {}
    map = Map[U64, U64]()
    for operation in todo:
        match operation:
            case ("set", key, value):
                model[key] = value
                map[U64(key)] = U64(value)
            case ("pop", key) if key in model:
                assert int(map.pop(U64(key))) == model.pop(key)
            case ("pop", key):
                with pytest.raises(KeyMissing):
                    map.pop(U64(key))
            case ("get", key):
                assert int(map.get(U64(key), U64(9999))) == model.get(key, 9999)
            case ("index", key) if key in model:
                assert int(map[U64(key)]) == model[key]
            case ("index", key):
                with pytest.raises(KeyMissing):
                    map[U64(key)]
            case ("contains", key):
                assert (U64(key) in map) == (key in model)
            case ("clear",):
                model.clear()
                map.clear()
        check_same(map, model)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=5), max_size=60))
def test_texts_are_keys(words: list[str]) -> None:
    model: dict[str, int] = {}
    map = Map[Text, U64]()
    for word in words:
        model[word] = model.get(word, 0) + 1
        map[Text(word)] = map.get(Text(word), U64(0)) + 1
    assert {str(key): int(value) for key, value in map.items()} == model


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.binary(max_size=5), st.text(max_size=5), max_size=40))
def test_bytes_are_keys_and_texts_values(model: dict[bytes, str]) -> None:
    map = Map[Bytes, Text]()
    for key, value in model.items():
        map[Bytes(data(key))] = Text(value)
    assert [(bytes(key.content), str(value)) for key, value in map.items()] == list(model.items())


@given(st.sets(st.integers(-(2**31), 2**31 - 1), max_size=60))
@settings(max_examples=40, deadline=None)
def test_signed_integers_are_keys(model: set[int]) -> None:
    map = Map[I32, U64]()
    for key in model:
        map[I32(key)] = U64(abs(key))
    assert {int(key): int(value) for key, value in map.items()} == {key: abs(key) for key in model}


def test_holes_are_closed_instead_of_growing() -> None:
    map = Map[U64, U64]()
    for i in range(500):
        map[U64(i)] = U64(i)
        if i >= 4:
            map.pop(U64(i - 4))
    assert [int(key) for key in map] == [496, 497, 498, 499]
    assert int(map.index.length) <= 16


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=2).map(lambda content: content[:1] + b"ab"[: len(content)]), max_size=80), st.data())
def test_a_counter_behaves_as_pythons(contents: list[bytes], drawn: st.DataObject) -> None:
    model = collections.Counter(contents)
    counter = Counter()
    for content in contents:
        counter.add(data(content))
    limit = drawn.draw(st.integers(0, len(model) + 1))
    expected = sorted(model.items(), key=lambda item: (-item[1], item[0]))[:limit]
    assert [(bytes(it.text.content), int(it.count)) for it in counter.most_common(U64(limit))] == expected
    assert int(counter.length) == len(model)
    assert int(counter[Text("\0absent")]) == 0
    assert all(int(counter[Text.from_bytes(data(content))]) == model[content] for content in contents)
