"""Contracts in the machine: every kind of value, two versions, messages that no client makes, answers that no server
makes. Each server is a process of its own; a lost handle shows in the bytes that all of them use.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, tags
from cloudos.abi.errors import BadHandle, NotFound
from cloudos.contracts.errors import BadMessage, BadOperation, Dropped, ServiceGone
from cloudos.lang import I64, U8, U16, U32, U64, Array, Ptr, UserPtr, code_address, data, place, struct
from cloudos.sdk import ipc, print, system, transport
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from tests.boot.programs.contract_sample import PATIENCE, SERVER, Colour, Pair, Sample, serve
from tests.boot.programs.contract_versions import New, Old, serve_new, serve_old

MESSAGES = 100_000
ANSWERS = 44_000
ONE_WAY = 40_000
TELL = 11
WARM = 1_000
# Some pages are given back a little later; thousands of lost handles would need more.
SLACK = 65536
BADGE = 1000
CONTRACT = 900
BAD_MESSAGE = 301
BAD_OPERATION = 302
NOT_FOUND = NotFound.code
QUOTA = initial.QUOTA


@struct
class Random:
    """xorshift64 (Marsaglia, 2003)."""

    state: U64 = U64(0x9E3779B97F4A7C15)

    def next(self) -> U64:
        """64 bits."""
        self.state = self.state ^ self.state.wrapping_shl(13)
        self.state = self.state ^ self.state >> 7
        self.state = self.state ^ self.state.wrapping_shl(17)
        return self.state

    def below(self, limit: U64) -> U64:
        """A number under `limit`."""
        return (self.next() >> 11) % limit


@struct
class Tallies:
    """How the answers were."""

    good: U64 = U64(0)
    not_found: U64 = U64(0)
    bad_message: U64 = U64(0)
    bad_operation: U64 = U64(0)
    other: U64 = U64(0)

    def count(self, label: U64) -> None:
        """One answer with this label."""
        if label == 0:
            self.good += 1
        elif label == NOT_FOUND:
            self.not_found += 1
        elif label == BAD_MESSAGE:
            self.bad_message += 1
        elif label == BAD_OPERATION:
            self.bad_operation += 1
        else:
            self.other += 1


@struct
class Given:
    """A handle that messages carry."""

    handle: U64 = U64(0)


RANDOM = place(Random())
TALLIES = place(Tallies())
GIVEN = place(Given())
ROOM = place(Array[U8, Literal[64]]())


def run_sample(endpoint: U64) -> None:
    transport.attach()
    SERVER.waits = U64(1)  # the one operation that waits answers at once
    serve(endpoint)


def run_old(endpoint: U64) -> None:
    transport.attach()
    serve_old(endpoint)


def run_new(endpoint: U64) -> None:
    transport.attach()
    serve_new(endpoint)


def run_malicious(endpoint: U64) -> None:
    """Answer every call with anything that the kernel lets pass."""
    transport.attach()
    message = Message()
    GIVEN.handle = endpoint
    ipc.receive(endpoint, message)
    while True:
        reply = message.reply
        transport.drop_handles(message)
        label = U64(0) if RANDOM.below(U64(2)) == 0 else RANDOM.below(U64(400))
        disturb(message, label)
        message.reply = reply
        ipc.reply_and_receive(endpoint, message)


def disturb(message: Message, label: U64) -> None:
    """Put anything into a message and the buffer; lengths agree with a word more often than by chance."""
    for index in U64.range(tags.WORDS):
        message.words[index] = word()
    length = RANDOM.below(U64(33)) if RANDOM.below(U64(2)) == 0 else U64(0)
    if RANDOM.below(U64(16)) == 0:
        length = RANDOM.below(U64(tags.MAXIMUM_BYTES + 1))
    elif RANDOM.below(U64(5)) == 0:
        length = U64(16)
    if RANDOM.below(U64(2)) == 0:
        message.words[RANDOM.below(U64(3))] = length
    page = transport.buffer()
    for index in U64.range(length):
        page.data[index] = U8.truncate(RANDOM.next())
    handles = RANDOM.below(U64(5)) if RANDOM.below(U64(3)) == 0 else U64(0)
    for index in U64.range(4):
        page.handles[index] = GIVEN.handle
    page.moves = U32(0)
    counts = handles << tags.HANDLES_SHIFT | length << tags.BYTES_SHIFT | RANDOM.below(U64(9))
    message.tag = label << tags.LABEL_SHIFT | counts


def word() -> U64:
    """Small and large numbers, and what lies at their limits."""
    kind = RANDOM.below(U64(4))
    if kind == 0:
        return RANDOM.below(U64(4))
    if kind == 1:
        return U64(99) if RANDOM.below(U64(8)) == 0 else RANDOM.below(U64(120))
    if kind == 2:
        return (U64(1) << RANDOM.below(U64(64))) - RANDOM.below(U64(2))
    return RANDOM.next()


def expected(message: Message) -> U64:
    """The label that the answer must have."""
    contract = message.label >> 16
    number = message.label & 0xFFFF
    if contract != CONTRACT or number > TELL:
        return U64(BAD_OPERATION)
    if number == 0:
        return U64(0)
    length = transport.length_of(message)
    handles = transport.handles_of(message)
    if handles != (2 if number == 8 else 1 if number == TELL else 0) or not right_length(message, number, length):
        return U64(BAD_MESSAGE)
    w = message.words
    if number == 2 and (w[0] > 0xFF or w[1] > 0xFFFF or w[2] > 0xFFFF_FFFF or w[4] > 1):
        return U64(BAD_MESSAGE)
    if number == 4 and w[2] > 1:
        return U64(BAD_MESSAGE)
    if number == 7 and w[0] != 1 and w[0] != 2 and w[0] != 200:
        return U64(BAD_MESSAGE)
    if number == TELL and w[0] > 0xFFFF_FFFF:
        return U64(BAD_MESSAGE)
    if (number == 1 and w[0] == 99) or (number == 8 and w[0] == 0):
        return U64(NOT_FOUND)
    return U64(0)


def right_length(message: Message, number: U64, length: U64) -> bool:
    """Whether as many bytes came as the operation has."""
    if number == 3:
        return length == message.words[0]
    if number == 4:
        return length == 16
    if number == 5:
        return message.words[0] <= length and message.words[1] == length - message.words[0]
    if number == TELL:
        return message.words[1] == length
    return length == 0


def used() -> U64:
    """Bytes of the quota that all processes share which are in use: tables of handles count, 64 handles a page."""
    words = Array[U64, Literal[2]]()
    system.quota_inspect(U64(QUOTA), UserPtr.at(U8, Ptr.to(words).address.value))
    return words[0]


def fuzz_server(endpoint: U64) -> None:
    """Send messages of all kinds, and compare each answer's label."""
    message = Message()
    GIVEN.handle = endpoint
    before = U64(0)
    for round in U64.range(MESSAGES):
        if round == WARM:
            before = used()
        number = RANDOM.below(U64(14))
        label = U64(CONTRACT << 16) | number
        if RANDOM.below(U64(20)) == 0:
            label = RANDOM.next() >> 32
        disturb(message, label)
        right = expected(message)
        error = ipc.enter(Ptr.to(message).address, U64(transport.CALL), endpoint)
        assert error == 0, "the server has ended, or has no room for handles any more"
        assert message.label == right
        assert right == 0 or transport.handles_of(message) == 0
        transport.drop_handles(message)
        TALLIES.count(message.label)
    assert used() < before + SLACK, "handles were lost"
    t = TALLIES
    total = t.good + t.not_found + t.bad_message + t.bad_operation
    print(f"server: {total} messages, {t.other} other answers")
    # That all sorts of answers were seen; the generator gives the same numbers in every run.
    seen = t.good > 10_000 and t.not_found > 50 and t.bad_message > 10_000 and t.bad_operation > 5_000
    assert seen, f"good {t.good}, not found {t.not_found}, bad {t.bad_message}, no operation {t.bad_operation}"


def ask(sample: Sample, kind: U64) -> None:
    """One of the operations; whatever it gives."""
    match kind:
        case 0:
            sample.add(U64(1), U64(2))
        case 1:
            sample.widths(U8(1), U16(2), U32(3), I64(4), True)
        case 2:
            assert sample.reverse(data(b"abc"), ROOM.slice()) <= 64
        case 3:
            sample.turn(Pair(), I64(0), None)
        case 4:
            sample.measure(data(b"a"), data(b"b"))
        case 5:
            sample.find(U64(2))
        case 6:
            sample.next(Colour.RED)
        case 7:
            first, second = sample.exchange(
                GIVEN.handle, U64(1), system.handle_derive(GIVEN.handle, U64(32767), U64(0))
            )
            system.handle_close(first)
            system.handle_close(second)
        case 8:
            sample.later()
        case 9:
            sample.tell(U32(1), data(b"a"), system.handle_derive(GIVEN.handle, U64(32767), U64(0)))
        case _:
            sample.nothing()


def fuzz_client(endpoint: U64) -> None:
    """Ask a server that answers anything."""
    values, errors = U64(0), U64(0)
    GIVEN.handle = endpoint
    sample = Sample(endpoint)
    before = U64(0)
    for index in U64.range(ANSWERS):
        if index == WARM:
            before = used()
        try:
            ask(sample, index % 11)
            values += 1
        except (ServiceGone, BadMessage, BadOperation, Dropped, NotFound):
            errors += 1
    assert used() < before + SLACK, "handles were lost"
    print(f"client: {values + errors} answers")
    assert values > 5_000 and errors > 5_000


def fuzz_one_way(endpoint: U64) -> None:
    """Send messages of all kinds that are not to be answered: handles come to an end, and the server goes on."""
    message = Message()
    GIVEN.handle = endpoint
    before = U64(0)
    for round in U64.range(ONE_WAY):
        if round == WARM:
            before = used()
        label = U64(CONTRACT << 16) | RANDOM.below(U64(14))
        disturb(message, label if RANDOM.below(U64(20)) != 0 else RANDOM.next() >> 32)
        error = ipc.enter(Ptr.to(message).address, U64(transport.SEND), endpoint)
        assert error == 0, "the server has ended, or has no room for handles any more"
    assert used() < before + SLACK, "handles were lost"
    print(f"one way: {ONE_WAY} messages, then {Sample(endpoint).add(U64(1), U64(2))}")


def try_one_way(sample: Sample) -> None:
    """It arrives where somebody receives; elsewhere it costs its patience and is dropped, and the handle is kept."""
    given = system.handle_derive(sample.handle, U64(32767), U64(0))
    sample.tell(U32(1), data(b"a"), given)
    try:
        system.handle_close(given)
        print("the handle has not left")
    except BadHandle:
        print("told")
    nobody = system.endpoint_create(U64(QUOTA))
    given = system.handle_derive(sample.handle, U64(32767), U64(0))
    before = system.clock_read()
    try:
        Sample(nobody).tell(U32(1), data(b"a"), given)
    except Dropped:
        took = system.clock_read() - before
        print(f"dropped in time {PATIENCE <= took <= PATIENCE * 20}")
    system.handle_close(given)
    system.handle_close(nobody)
    try:
        Sample(nobody).tell(U32(1), data(b"a"), sample.handle)
    except ServiceGone:
        print("gone")


def try_values(sample: Sample) -> None:
    """Every operation once."""
    print(f"add {sample.add(U64(40), U64(2))}")
    try:
        sample.add(U64(99), U64(0))
    except NotFound:
        print("not found")
    a, b, c, d, e = sample.widths(U8(255), U16(65535), U32(7), I64(-3), True)
    print(f"widths {a} {b} {c} {d} {e}")
    count = sample.reverse(data(b"hello"), ROOM.slice()[0:4])
    print(f"reverse {count} {ROOM[0]:c}{ROOM[1]:c}{ROOM[2]:c}{ROOM[3]:c}")
    turned = sample.turn(Pair(U64(1), U32(2), U32(3)), I64(-1), U64(10))
    print(f"turn {turned.first} {turned.second} {turned.third}")
    first, second = sample.measure(data(b"ab"), data(b"c"))
    print(f"measure {first} {second}")
    odd = sample.find(U64(5))
    even = sample.find(U64(4))
    print(f"find {odd is None} {even is not None}")
    print(f"next {U8(sample.next(Colour.GREEN))} {U8(sample.next(Colour.BLUE))}")
    sample.nothing()


def try_handles(sample: Sample, endpoint: U64) -> None:
    """Handles go there and come back; a moved one has left."""
    moved = system.handle_derive(endpoint, U64(32767), U64(0))
    first, second = sample.exchange(endpoint, U64(1), moved)
    print(f"exchange {system.handle_inspect(first) == system.handle_inspect(second)}")
    system.handle_close(first)
    system.handle_close(second)


def try_versions(old: U64, new: U64) -> None:
    """Clients and servers of different versions."""
    print(f"old client, new server: {Old(new).double(U64(4))}")
    print(f"new client, new server: {New(new).triple(U64(4))}")
    print(f"new client, old server: {New(old).double(U64(4))}")
    try:
        New(old).triple(U64(4))
    except BadOperation:
        print("bad operation")
    New(old).keep(U64(1))
    New(new).keep(U64(1))
    print(f"old server after what is one way: {Old(old).double(U64(4))}")


def start(child: Child, function: U64) -> U64:
    """Run a server in a process of its own; its endpoint."""
    endpoint = system.endpoint_create(U64(QUOTA))
    child.make(U64(QUOTA))
    there = system.process_install(child.process, endpoint, U64(0), U64(0))
    match function:
        case 0:
            child.start(code_address(run_sample), there)
        case 1:
            child.start(code_address(run_old), there)
        case 2:
            child.start(code_address(run_new), there)
        case _:
            child.start(code_address(run_malicious), there)
    return endpoint


def main() -> None:
    transport.attach()
    endpoint = start(Child(), U64(0))
    badged = system.handle_derive(endpoint, U64(32767), U64(BADGE))
    try_values(Sample(badged))
    try_handles(Sample(badged), endpoint)
    try_versions(start(Child(), U64(1)), start(Child(), U64(2)))
    fuzz_server(endpoint)
    try_one_way(Sample(badged))
    fuzz_one_way(endpoint)
    fuzz_client(start(Child(), U64(3)))
