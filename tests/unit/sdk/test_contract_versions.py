"""Clients and servers of different versions of a contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudos.contracts.errors import BadOperation
from cloudos.lang import U64
from cloudos.sdk import local_calls, models
from cloudos.sdk.local_system import LocalModel
from tests.boot.programs.contract_versions import SERVER, New, Old, serve_new, serve_old


@pytest.fixture(autouse=True)
def model() -> Iterator[None]:
    local_calls.reset()
    models.install(LocalModel())
    local_calls.install(1, serve_old.__dispatch__)  # type: ignore[attr-defined]
    local_calls.install(2, serve_new.__dispatch__)  # type: ignore[attr-defined]
    yield
    local_calls.reset()
    models.install(models.SystemModel())


def test_an_old_client_works_with_a_new_server() -> None:
    assert Old(U64(2)).double(U64(4)) == 8
    assert Old(U64(2)).contract_version() == 2  # type: ignore[attr-defined]


def test_a_new_client_learns_that_an_old_server_lacks_an_operation() -> None:
    client = New(U64(1))
    assert client.double(U64(4)) == 8
    assert client.contract_version() == 1  # type: ignore[attr-defined]
    with pytest.raises(BadOperation):
        client.triple(U64(4))
    assert New(U64(2)).triple(U64(4)) == 12


def test_what_is_one_way_does_nothing_at_an_old_server_which_says_its_version() -> None:
    SERVER.kept = U64(1)
    New(U64(1)).keep(U64(5))
    assert SERVER.kept == 1
    assert New(U64(1)).contract_version() == 1  # type: ignore[attr-defined]
    New(U64(2)).keep(U64(5))
    assert SERVER.kept == 5
