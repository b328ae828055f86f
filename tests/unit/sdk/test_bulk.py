"""Lent memory under CPython: what is shown on both sides is the same, and nothing stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudos.abi.errors import BadArgument, QuotaExceeded
from cloudos.lang import U8, U64, data
from cloudos.sdk import models
from cloudos.sdk.bulk import Borrowed, Loan, lend
from cloudos.sdk.local_system import LocalModel
from cloudos.sdk.memory import READ, WRITE


@pytest.fixture
def model() -> Iterator[LocalModel]:
    made = LocalModel()
    models.install(made)
    yield made
    models.install(models.SystemModel())


def test_both_sides_see_the_same_memory(model: LocalModel) -> None:
    loan, borrowed = Loan(), Borrowed()
    loan.make(U64(3), U64(10_000), True)
    borrowed.map(loan.handle, U64(10_000), U64(READ | WRITE))
    borrowed.content[9_999] = U8(7)
    assert loan.content[9_999] == 7
    lent = int(loan.handle)
    borrowed.close()
    loan.close()
    assert model.mapped == {}
    assert model.closed.count(lent) == 2


@pytest.mark.parametrize("length", [0, 12_289, 2**64 - 1, (1 << 30) + 1])
def test_wrong_lengths_are_refused(model: LocalModel, length: int) -> None:
    loan = Loan()
    loan.make(U64(3), U64(10_000), True)
    with pytest.raises(BadArgument):
        Borrowed().map(loan.handle, U64(length), U64(READ))
    loan.close()
    assert model.mapped == {}


def test_what_is_no_memory_is_refused(model: LocalModel) -> None:
    with pytest.raises(BadArgument):
        Borrowed().map(U64(5), U64(4096), U64(READ))
    with pytest.raises(QuotaExceeded):
        Loan().make(U64(3), U64(0), False)


def test_lend_copies(model: LocalModel) -> None:
    handle = lend(U64(3), data(b"some bytes"))
    assert model.mapped == {}
    borrowed = Borrowed()
    borrowed.map(handle, U64(10), U64(READ))
    assert borrowed.content.equals(data(b"some bytes"))
    borrowed.close()
