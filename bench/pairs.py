"""What a message costs while as many pairs exchange messages as there are processors, each on one of its own.

Arguments: the number of pairs, and how many batches of rounds each does at least, until all have done that many. With
`cargo` as third one the messages are of 256 bytes, both ways, and the calls have a deadline: no fast path takes them.
With `handles` a handle moves to the server and back; clients are processes of their own then, called by threads that
wait for each other. Prints a key
and a number: instructions of a round, of the pair that needs most of them. A pair's number is that of its best
round, since others may run in the middle of one: the emulator lets a processor go on until it sleeps or a timer is due.
"""

from __future__ import annotations

from typing import Literal

from bench.calls import call_words, child_of, reply_receive_words
from bench.counter import cycles
from bench.messages import echo_all
from bench.microkernel import echo
from cloudos.abi import initial, layout, tags
from cloudos.abi.messages import NEVER, MessageBuffer
from cloudos.lang import U32, U64, Array, Atomic, Ptr, VirtAddr, code_address, place, struct, zeroed
from cloudos.sdk import List, Text, ipc, print, system, transport
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start

MOST = 256
ROUNDS = 50
# Of each pair: shorter ones let an emulator of 64 processors do little but look for who is awake.
PAUSE_NS = 125
HOUR_NS = 3_600_000_000_000
LENGTH = 256
# Where the clients have their message buffers.
BUFFERS = 0x6000_0000
PAGE = layout.PAGE_SIZE
HANDLE = 1 << tags.HANDLES_SHIFT | 1


@struct
class Pair:
    """What one client does. Nobody else's stands in the same line of a cache. `best`: of its rounds."""

    endpoint: U64 = U64(0)
    best: U64 = U64(0)
    unused: Array[U64, Literal[6]] = zeroed()


@struct
class Shared:
    """Between the clients. `done`: how many have done their batches; `left`: how many go on."""

    done: Atomic[U64] = Atomic(U64(0))
    left: Atomic[U64] = Atomic(U64(0))
    wanted: U64 = U64(0)
    least: U64 = U64(0)
    bell: U64 = U64(0)
    # The tag of a call that carries more than words; 0 for words.
    cargo: U64 = U64(0)
    moves: bool = False
    pairs: Array[Pair, Literal[256]] = zeroed()


SHARED = place(Shared())


def words(endpoint: U64, index: U64) -> U64:
    """A round with one word; its instructions."""
    begin = cycles()
    error, word, _tag, _badge, _handle = call_words(endpoint, U64(1), index)
    took = cycles() - begin
    assert error == 0 and word == index + 1, "wrong reply"
    return took


def cargo(endpoint: U64, index: U64) -> U64:
    """A round with bytes and a deadline; its instructions."""
    message = Message()
    message.tag = SHARED.cargo
    message.words[0] = index
    begin = cycles()
    ipc.call(endpoint, message)
    took = cycles() - begin
    assert message.words[0] == index and message.tag == SHARED.cargo & ~U64(tags.DEADLINE), "wrong reply"
    return took


def giver(endpoint: U64) -> None:
    """Asked to, move a handle to the server and get it back, for some rounds; answer with the instructions of the best.

    The handles that follow the endpoint's are to the server and the one that moves.
    """
    transport.attach()
    reply = U64(0)
    best = U64(0)
    transport.buffer().handles[0] = endpoint + 2
    while True:
        _error, _word, _tag, _badge, reply = reply_receive_words(endpoint, U64(1), best, reply)
        best = U64(NEVER)
        for index in U64.range(ROUNDS):
            best = min(best, give(endpoint + 1, index))


def give(server: U64, index: U64) -> U64:
    """A round with a handle that comes back; its instructions."""
    message = Message()
    message.tag = U64(HANDLE)
    message.words[0] = index
    transport.buffer().moves = U32(1)
    begin = cycles()
    ipc.call(server, message)
    took = cycles() - begin
    assert message.words[0] == index and message.tag == HANDLE, "wrong reply"
    return took


def start_pair(endpoint: U64) -> None:
    """Two processes between which a handle moves, whenever the endpoint is called."""
    server = system.endpoint_create(U64(initial.QUOTA))
    child_of(code_address(give_back), server)
    child = Child()
    child.make(U64(initial.QUOTA))
    own = system.process_install(child.process, endpoint, U64(0), U64(0))
    system.process_install(child.process, server, U64(0), U64(0))
    system.process_install(child.process, system.notification_create(U64(initial.QUOTA)), U64(0), U64(0))
    child.start(code_address(giver), own)
    system.thread_yield()


def give_back(endpoint: U64) -> None:
    """Answer every message with the same again, and the handle that came with it."""
    transport.attach()
    message = Message()
    ipc.receive(endpoint, message)
    while True:
        transport.buffer().moves = U32(1)
        ipc.reply_and_receive(endpoint, message)


def client(number: U64) -> None:
    """Call the server of this pair until all pairs are done."""
    pair = SHARED.pairs[number]
    count = U64(0)
    if SHARED.cargo != 0:
        buffer = U64(BUFFERS) + number * PAGE
        system.thread_set_buffer(buffer)
        Ptr.at(MessageBuffer, VirtAddr(buffer)).value.deadline = system.clock_read() + HOUR_NS
    while SHARED.done.load() < SHARED.wanted:
        if SHARED.moves:
            _error, took, _tag, _badge, _handle = call_words(pair.endpoint, U64(1), U64(0))
            pair.best = min(pair.best, took)
        else:
            call_often(pair)
        count = count + 1
        if count == SHARED.least:
            SHARED.done.fetch_add(U64(1))
        system.thread_sleep(U64(PAUSE_NS) * SHARED.wanted)
    if SHARED.left.fetch_sub(U64(1)) == 1:
        system.notification_signal(SHARED.bell, U64(1))


def call_often(pair: Pair) -> None:
    """A batch of rounds."""
    for index in U64.range(ROUNDS):
        took = words(pair.endpoint, index) if SHARED.cargo == 0 else cargo(pair.endpoint, index)
        pair.best = min(pair.best, took)


def main(arguments: List[Text]) -> None:
    SHARED.wanted = U64(arguments[1].to_integer())
    SHARED.least = U64(arguments[2].to_integer())
    server = code_address(echo)
    if arguments.length > 3 and arguments[3] == Text("cargo"):
        SHARED.cargo = U64(tags.DEADLINE | LENGTH << tags.BYTES_SHIFT | 1)
        server = code_address(echo_all)
    SHARED.moves = arguments.length > 3 and arguments[3] == Text("handles")
    SHARED.left.store(SHARED.wanted)
    SHARED.bell = system.notification_create(U64(initial.QUOTA))
    assert SHARED.wanted <= MOST, "too many pairs"
    for number in U64.range(SHARED.wanted):
        endpoint = system.endpoint_create(U64(initial.QUOTA))
        if SHARED.moves:
            start_pair(endpoint)
        else:
            child_of(server, endpoint)
        SHARED.pairs[number].endpoint = endpoint
        SHARED.pairs[number].best = U64(NEVER)
    for number in U64.range(SHARED.wanted):
        start(code_address(client), number)
    system.notification_wait(SHARED.bell, U64(NEVER))
    worst = U64(0)
    for number in U64.range(SHARED.wanted):
        worst = max(worst, SHARED.pairs[number].best)
    print(f"round_trip_pairs {worst}")
