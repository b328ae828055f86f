"""The words of processors: who comes in, who is kept out, and what either sees of the other."""

from __future__ import annotations

from typing import Any

import pytest

from cloudos.kernel.hal.shared.lock import ALONE, HOME, OUTSIDE, VISITING, Inside
from cloudos.lang import U32, Atomic


def outside() -> Inside:
    """The words of a processor that is outside of the kernel, and may come in."""
    inside = Inside()
    inside.leave()
    return inside


def test_who_is_not_kept_out_comes_in_and_leaves() -> None:
    inside = outside()
    assert not inside.is_inside
    assert inside.try_enter()
    assert inside.is_inside and inside.is_home
    inside.leave()
    assert not inside.is_inside


def test_a_word_is_taken_once_until_it_is_given_back() -> None:
    inside = outside()
    assert inside.try_take() and not inside.try_take()
    assert not inside.try_enter()
    inside.give()
    assert inside.try_enter()


@pytest.mark.parametrize("mode", (HOME, OUTSIDE))
def test_who_is_kept_out_does_not_say_that_it_is_inside(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry code has said so when it finds the word taken, and leaves it to this to take that back."""
    inside = outside()
    assert inside.try_take()
    inside.come(U32(mode))
    said: list[int] = []
    store = Atomic.store

    def noting(self: Atomic[U32], value: U32, *order: Any) -> None:
        said.append(int(value))
        store(self, value, *order)

    monkeypatch.setattr(Atomic, "store", noting)
    assert not inside.try_enter()
    assert said == [OUTSIDE] and not inside.is_inside


def test_a_word_that_is_taken_meanwhile_keeps_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes a word looks then whether the processor is inside; who comes in says so and looks then at its word."""
    inside = outside()
    store = Atomic.store

    def taken_first(self: Atomic[U32], value: U32, *order: Any) -> None:
        if value == HOME:
            assert inside.try_take()
        store(self, value, *order)

    monkeypatch.setattr(Atomic, "store", taken_first)
    assert not inside.try_enter()
    assert not inside.is_inside


def test_who_keeps_others_out_is_not_at_home() -> None:
    inside = outside()
    for mode in (VISITING, ALONE):
        inside.come(U32(mode))
        assert inside.is_inside and not inside.is_home
