"""Every kind of parameter and result, through a client and a server that CPython runs in one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.abi.errors import NotFound
from cloudos.contracts.errors import BadMessage, Dropped, ServiceGone
from cloudos.lang import I64, U8, U16, U32, U64, Array, data
from cloudos.sdk import local_calls, models
from cloudos.sdk.contract import CONTRACTS, contract, operation
from cloudos.sdk.local_system import LocalModel
from cloudos.sdk.service import CALLER, answer
from tests.boot.programs.contract_sample import SERVER, Colour, Pair, Sample, serve

HANDLE = 7
BADGE = 1000


@pytest.fixture(scope="module", autouse=True)
def model() -> Iterator[LocalModel]:
    local_calls.reset()
    made = LocalModel()
    models.install(made)
    local_calls.install(HANDLE, serve.__dispatch__, BADGE)  # type: ignore[attr-defined]
    yield made
    local_calls.reset()
    models.install(models.SystemModel())


def sample() -> Sample:
    return Sample(U64(HANDLE))


def content(array: Array[U8, Literal[5000]], count: U64) -> bytes:
    return bytes(int(byte) for byte in array.slice()[0:count])


def test_integers_and_the_badge() -> None:
    assert sample().add(U64(40), U64(2)) == 1042


def test_an_error_is_raised_at_the_client() -> None:
    with pytest.raises(NotFound):
        sample().add(U64(99), U64(0))


@given(
    st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
)  # fmt: skip
def test_all_widths(a: int, b: int, c: int, d: int, e: bool) -> None:
    assert sample().widths(U8(a), U16(b), U32(c), I64(d), e) == (U8(a), U16(b), U32(c), I64(d), e)


@given(st.binary(min_size=1, max_size=4032), st.integers(0, 5000))
def test_bytes_travel_both_ways(text: bytes, room: int) -> None:
    into = Array[U8, Literal[5000]]()
    count = sample().reverse(data(text), into.slice()[0:room])
    assert content(into, count) == text[: min(len(text), room)][::-1]


def test_too_many_bytes_are_refused_at_the_client() -> None:
    with pytest.raises(BadMessage):
        sample().measure(data(bytes(4000)), data(bytes(33)))


@given(st.binary(min_size=1, max_size=2000), st.binary(min_size=1, max_size=2000))
def test_two_slices_follow_each_other(first: bytes, second: bytes) -> None:
    assert sample().measure(data(first), data(second)) == (U64(sum(first)), U64(sum(second)))


def test_structs() -> None:
    turned = sample().turn(Pair(U64(1), U32(2), U32(3)), I64(-1), U64(10))
    assert [int(turned.first), int(turned.second), int(turned.third)] == [12, 1, 3]
    assert sample().turn(Pair(U64(1), U32(2), U32(3)), I64(-1), None).first == 2


def test_numbers_that_may_be_missing() -> None:
    assert sample().find(U64(4)) == 4
    assert sample().find(U64(5)) is None


def test_enums() -> None:
    assert sample().next(Colour.GREEN) == Colour.BLUE
    assert sample().next(Colour.BLUE) == Colour.RED


def test_handles_pass_and_are_closed_on_errors(model: LocalModel) -> None:
    assert sample().exchange(U64(50), U64(1), U64(51)) == (U64(51), U64(50))
    model.closed.clear()
    with pytest.raises(NotFound):
        sample().exchange(U64(50), U64(0), U64(51))
    assert model.closed == [50, 51]


def test_a_call_that_is_answered_later() -> None:
    waiting = local_calls.background(lambda: sample().later())
    assert waiting.waits
    assert sample().add(U64(1), U64(1)) == 1002
    with pytest.raises(RuntimeError, match="not answered"):
        waiting.result()
    assert answer(SERVER.waits, U64(77))
    assert not answer(SERVER.waits, U64(78))
    SERVER.waits = U64(0)
    assert waiting.result() == 77


def test_without_anybody_to_answer_a_kept_call_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="background"):
        sample().later()
    SERVER.waits = U64(0)


def test_a_server_that_has_ended() -> None:
    local_calls.install(8, serve.__dispatch__)  # type: ignore[attr-defined]
    local_calls.remove(8)
    with pytest.raises(ServiceGone):
        Sample(U64(8)).nothing()
    with pytest.raises(ServiceGone):
        Sample(U64(9)).nothing()


def test_servers_call_each_other_without_disturbing_their_callers() -> None:
    def forward(message: object) -> None:
        CALLER.reply = message.reply  # type: ignore[attr-defined]
        inner = sample().add(message.words[0], message.words[1])  # type: ignore[attr-defined]
        message.words[0] = inner + 1  # type: ignore[attr-defined]
        message.tag = U64(1)  # type: ignore[attr-defined]

    local_calls.install(8, forward)
    before = CALLER.badge
    assert Sample(U64(8)).add(U64(2), U64(3)) == 1006
    assert CALLER.badge == before


def test_the_version() -> None:
    assert sample().contract_version() == 1  # type: ignore[attr-defined]


def test_what_is_one_way_arrives_with_its_handle(model: LocalModel) -> None:
    model.closed.clear()
    before = SERVER.told
    sample().tell(U32(4), data(b"\x01\x02"), U64(33))
    assert SERVER.told - before == 7
    assert model.closed == [33]


def test_a_server_that_hangs_or_has_ended_does_not_hold_up_what_is_one_way() -> None:
    before = SERVER.calls
    local_calls.install(8, serve.__dispatch__)  # type: ignore[attr-defined]
    local_calls.hang(8)
    with pytest.raises(Dropped):
        Sample(U64(8)).tell(U32(4), data(b""), U64(33))
    local_calls.remove(8)
    with pytest.raises(ServiceGone):
        Sample(U64(8)).tell(U32(4), data(b""), U64(33))
    assert SERVER.calls == before


@pytest.mark.parametrize(
    "declared, message",
    [
        ({"raises": (Dropped, ServiceGone, NotFound), "one_way": True}, "Denied at most"),
        ({"raises": (ServiceGone,), "one_way": True}, "Dropped"),
        ({"raises": (Dropped, ServiceGone), "one_way": True, "patience": -1}, "patience"),
        ({"raises": (Dropped, ServiceGone)}, "only what is one way"),
        ({"raises": (ServiceGone,), "patience": 5}, "only what is one way"),
        ({"raises": (Dropped, ServiceGone), "one_way": True, "returns_handle": True}, "gives nothing"),
    ],
)
def test_what_cannot_be_one_way_is_refused(declared: dict[str, Any], message: str) -> None:
    class WithResult:
        def send(self) -> U64:
            raise NotImplementedError

    class Wrong:
        handle: U64
        send: Any

    def nothing(self) -> None:  # type: ignore[no-untyped-def]
        raise NotImplementedError

    function: Any = WithResult.send if "returns_handle" in declared else nothing
    function.__name__ = "send"
    Wrong.send = operation(1, **declared)(function)
    with pytest.raises(TypeError, match=message):
        contract(number=999, version=1)(Wrong)
    assert 999 not in CONTRACTS
