"""The clients of all contracts: any answer. A client gives a result or raises an error that the operation declares.

Handles that came with an answer which is none are closed, and a slice that is filled is filled no further than it goes.
"""

from __future__ import annotations

from typing import Any, Literal

from cloudos.abi import tags
from cloudos.contracts import audits, console, devices, files, logs, names, pipes, policies, programs, supervisor
from cloudos.contracts.errors import BadMessage, BadOperation, ServiceGone
from cloudos.lang import U8, U64, Array, Error, Slice
from cloudos.sdk import local_calls, models
from cloudos.sdk.contract import CONTRACTS, Operation, declaration, is_enum, is_optional, is_struct
from cloudos.sdk.local_system import LocalModel
from tests.boot.programs.contract_sample import Sample
from tests.fuzz.services import literal
from tests.fuzz.target import Feed
from tests.fuzz.targets.contract_servers import SENT, Sender, put

HANDLE = 8
ROOM = Array[U8, Literal[64]]()
MODULES = (audits, console, devices, files, logs, names, pipes, policies, programs, supervisor)
CLIENTS = [(one, made) for one in CONTRACTS.values() for made in declaration(one).operations]
assert Sample in CONTRACTS.values() and MODULES


def argument(feed: Feed, one: Operation, name: str, kind: Any) -> Any:
    """A value of a parameter."""
    if name == one.fills:
        return ROOM.slice()[0 : feed.number() % ROOM.length]
    if kind == Slice[U8]:
        return literal(feed.take(feed.number() & 63))
    if is_optional(kind):
        return U64(feed.number()) if feed.odds(2) else None
    if is_struct(kind):
        return kind()
    if is_enum(kind):
        return feed.choose(list(kind))
    return feed.odds(2) if kind is bool else kind(feed.number() & 0x7F)


def reply_of(feed: Feed) -> tuple[int, list[int], bytes, int]:
    """Label, words, bytes, handles: a success, a declared error, or anything that the kernel lets pass."""
    form = feed.number()
    sender = Sender(feed, [])
    label = 0 if form < 128 else feed.number(2) % 400 if form < 192 else feed.number(4)
    content = sender.content() if form & 1 else b""
    return label, [sender.word() for _ in range(8)], content, (form >> 1) % 5


def fuzz(data: bytes) -> None:
    """Make calls, and answer each with what the input says."""
    feed = Feed(data)
    model = LocalModel()
    models.install(model)
    local_calls.reset()
    try:
        for _ in range(20):
            if feed.left:
                one_call(feed, model)
    finally:
        local_calls.reset()
        models.install(models.SystemModel())


def one_call(feed: Feed, model: LocalModel) -> None:
    """One call of one client."""
    contract, one = CLIENTS[feed.below(len(CLIENTS))]
    arguments = [argument(feed, one, name, kind) for name, kind in one.parameters.items()]
    answer = reply_of(feed)
    local_calls.install(HANDLE, lambda message: put(message, *answer))
    model.closed.clear()
    label, _, _, handles = answer
    try:
        result = getattr(contract(U64(HANDLE)), one.name)(*arguments)
    except Error as error:
        assert type(error) in (*one.raises, BadMessage, BadOperation, ServiceGone), f"{one.name} raised {error!r}"
        came = list(SENT[:handles]) if not one.one_way else []
        assert model.closed == came, "handles of an answer that is none were kept"
        return
    if one.one_way:
        return
    assert label == 0 and handles == one.returned_handles and model.closed == []
    if one.fills is not None:
        assert result <= arguments[list(one.parameters).index(one.fills)].length
        assert result <= tags.MAXIMUM_BYTES
