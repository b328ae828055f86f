"""Neither messages that no client makes nor answers that no server makes do more than they should."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi import tags
from cloudos.abi.errors import BadHandle, Denied, NotFound, PeerGone, WrongKind, numbered
from cloudos.contracts.errors import BadMessage, BadOperation, Dropped, ServiceGone
from cloudos.lang import I64, U8, U16, U32, U64, Array, Ptr, data
from cloudos.sdk import ipc, local_calls, models, transport
from cloudos.sdk.ipc import Message
from cloudos.sdk.local_system import LocalModel
from tests.boot.programs.contract_sample import SERVER, Colour, Pair, Sample, serve

HANDLE = 7
CONTRACT = 900
SENT = (51, 52, 53, 54)
TELL = 11
BAD_MESSAGE, BAD_OPERATION, NOT_FOUND = 301, 302, int(NotFound.code)


@pytest.fixture(scope="module", autouse=True)
def model() -> Iterator[LocalModel]:
    local_calls.reset()
    made = LocalModel()
    models.install(made)
    local_calls.install(HANDLE, serve.__dispatch__)  # type: ignore[attr-defined]
    SERVER.waits = U64(1)  # the one operation that waits answers at once
    yield made
    SERVER.waits = U64(0)
    local_calls.reset()
    models.install(models.SystemModel())


@dataclass(frozen=True)
class Sent:
    """What a message consists of."""

    label: int
    count: int
    handles: int
    bytes: bytes
    words: tuple[int, ...]

    @property
    def tag(self) -> int:
        lengths = self.handles << tags.HANDLES_SHIFT | len(self.bytes) << tags.BYTES_SHIFT
        return self.label << tags.LABEL_SHIFT | lengths | self.count


words = st.one_of(
    st.sampled_from([0, 1, 2, 16, 99, 200, 255, 256, 65535, 65536, 4032, 4033, 2**32 - 1, 2**32, 2**63, 2**64 - 1]),
    st.integers(0, 2**64 - 1), st.integers(0, 70),
)  # fmt: skip


@st.composite
def messages(draw: st.DrawFn, labels: st.SearchStrategy[int]) -> Sent:
    """Any message that the kernel would let pass; lengths agree with a word more often than by chance."""
    given_words = [draw(words) for _ in range(tags.WORDS)]
    content = draw(st.one_of(st.just(b""), st.binary(max_size=70), st.just(bytes(16)), st.just(bytes(4032))))
    if draw(st.booleans()):
        given_words[draw(st.integers(0, 2))] = len(content)
    return Sent(draw(labels), draw(st.integers(0, 8)), draw(st.integers(0, 4)), content, tuple(given_words))


def expected(sent: Sent) -> int:
    """The label of the answer, from the documentation of contracts and not from what is generated."""
    contract, number = sent.label >> 16, sent.label & 0xFFFF
    if contract != CONTRACT or number > 11:
        return BAD_OPERATION
    if number == 0:
        return 0
    lengths = {3: sent.words[0], 4: 16, 5: sent.words[0] + sent.words[1], 11: sent.words[1]}
    handles = {8: 2, 11: 1}.get(number, 0)
    if len(sent.bytes) != lengths.get(number, 0) or sent.handles != handles:
        return BAD_MESSAGE
    first = sent.words
    good = {
        2: first[0] < 1 << 8 and first[1] < 1 << 16 and first[2] < 1 << 32 and first[4] < 2,
        4: first[2] < 2,
        7: first[0] in list(Colour),
        11: first[0] < 1 << 32,
    }
    if not good.get(number, True):
        return BAD_MESSAGE
    refused = (number == 1 and first[0] == 99) or (number == 8 and first[0] == 0)
    return NOT_FOUND if refused else 0


def put(message: Any, sent: Sent) -> None:
    """Make a message, and the buffer, what `sent` says."""
    message.tag = U64(sent.tag)
    for index, word in enumerate(sent.words):
        message.words[index] = U64(word)
    page = transport.buffer()
    page.moves = U32(0)
    for index in range(sent.handles):
        page.handles[index] = U64(SENT[index])
    if sent.bytes:
        page.data.slice()[0 : len(sent.bytes)].copy_from(data(sent.bytes))


labels = st.one_of(
    st.integers(CONTRACT << 16, (CONTRACT << 16) + 12), st.integers(0, 2**32 - 1), st.sampled_from([0, 300, 901 << 16])
)


@settings(max_examples=1500, deadline=None)
@given(messages(labels))
def test_the_server_answers_every_message_as_documented(model: LocalModel, sent: Sent) -> None:
    message = Message()
    put(message, sent)
    model.closed.clear()
    before = SERVER.calls
    assert ipc.enter(Ptr.to(message).address, U64(transport.CALL), U64(HANDLE)) == 0
    label = int(message.label)
    assert label == expected(sent)
    passed = label == 0 and sent.label & 0xFFFF not in (0, TELL)
    assert model.closed == ([] if passed else list(SENT[: sent.handles]))
    reached = label in (0, NOT_FOUND) and sent.label & 0xFFFF != 0
    assert SERVER.calls - before == (1 if reached else 0)


@settings(max_examples=1500, deadline=None)
@given(messages(labels))
def test_of_what_cannot_be_answered_the_server_does_only_what_is_one_way(model: LocalModel, sent: Sent) -> None:
    message = Message()
    put(message, sent)
    model.closed.clear()
    before, told = SERVER.calls, SERVER.told
    assert ipc.enter(Ptr.to(message).address, U64(transport.SEND), U64(HANDLE)) == 0
    wanted = sent.label == CONTRACT << 16 | TELL and expected(sent) == 0
    assert SERVER.calls - before == (1 if wanted else 0)
    added = sent.words[0] + sum(sent.bytes) if wanted else 0
    assert SERVER.told == told.wrapping_add(added)
    assert model.closed == list(SENT[: sent.handles])


@pytest.mark.parametrize("code, error", [(code, error) for code, error in numbered()])
def test_what_the_kernel_refuses_is_told_to_the_client(
    monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    monkeypatch.setattr(local_calls, "enter", lambda message, number, handle: U64(code))
    gone = error in (BadHandle, WrongKind, PeerGone, Denied)
    with pytest.raises(ServiceGone if gone else Dropped):
        Sample(U64(HANDLE)).tell(U32(1), data(b"text"), U64(SENT[0]))


CAUGHT: tuple[type[Exception], ...] = (ServiceGone, BadMessage, BadOperation)
ROOM = Array[U8, Literal[40]]()
CALLS: list[tuple[Callable[[Sample], Any], int, tuple[type[Exception], ...]]] = [
    (lambda sample: sample.add(U64(1), U64(2)), 0, (NotFound,)),
    (lambda sample: sample.widths(U8(1), U16(2), U32(3), I64(4), True), 0, ()),
    (lambda sample: sample.reverse(data(b"abc"), ROOM.slice()), 0, ()),
    (lambda sample: sample.turn(Pair(), I64(0), None), 0, ()),
    (lambda sample: sample.measure(data(b"a"), data(b"b")), 0, ()),
    (lambda sample: sample.find(U64(2)), 0, ()),
    (lambda sample: sample.next(Colour.RED), 0, ()),
    (lambda sample: sample.exchange(U64(1), U64(1), U64(2)), 2, (NotFound,)),
    (lambda sample: sample.later(), 0, ()),
    (lambda sample: sample.nothing(), 0, ()),
    (lambda sample: sample.contract_version(), 0, ()),  # type: ignore[attr-defined]
]


@settings(max_examples=1500, deadline=None)
@given(messages(st.one_of(st.just(0), st.integers(0, 400), st.integers(0, 2**32 - 1))), st.sampled_from(CALLS))
def test_no_answer_makes_a_client_panic_or_lose_handles(
    model: LocalModel, sent: Sent, call: tuple[Callable[[Sample], Any], int, tuple[type[Exception], ...]]
) -> None:
    function, handles, errors = call
    local_calls.install(8, lambda message: put(message, sent))
    model.closed.clear()
    try:
        function(Sample(U64(8)))
        assert sent.label == 0
        assert sent.handles == handles
        assert model.closed == []
    except CAUGHT + errors:
        # What came with an answer that is none is not kept.
        assert model.closed == list(SENT[: sent.handles])
    assert models.current() is model
