"""What the kernel's operations cost in instructions.

Run by `cloudos bench`, on a machine whose time stamp counter counts instructions. Prints one line per measure: its key
and the average. docs/benchmarks.md says what each contains.
"""

from __future__ import annotations

from bench.calls import (
    ROUNDS,
    UNCOUNTED,
    call_words,
    child_of,
    clocked_sink,
    measured,
    one_way,
    reply_receive_words,
    send_words,
    show,
)
from bench.counter import cycles
from cloudos.abi import initial, layout
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U64, Ptr, VirtAddr, code_address, struct
from cloudos.sdk import print, system, transport
from cloudos.sdk.contract import contract, operation
from cloudos.sdk.ipc import Message, receive
from cloudos.sdk.service import server
from cloudos.sdk.threads import start


def echo(endpoint: U64) -> None:
    """Answer every call with its own word plus one."""
    reply = U64(0)
    word = U64(0)
    while True:
        error, got, _tag, badge, handle = reply_receive_words(endpoint, U64(1), word, reply)
        assert error == 0 and badge == badge
        word = got + 1
        reply = handle


def yielder(argument: U64) -> None:
    """Give every turn away."""
    while True:
        system.thread_yield()


def round_trips(name: str, endpoint: U64) -> None:
    """Call the echo server."""
    for index in U64.range(50):
        call_words(endpoint, U64(1), index)
    begin = cycles()
    for index in U64.range(ROUNDS):
        error, word, _tag, _badge, _handle = call_words(endpoint, U64(1), index)
        assert error == 0 and word == index + 1, "wrong reply"
    measured(name, begin, U64(ROUNDS))


def sink(endpoint: U64) -> None:
    """Receive for ever."""
    message = Message()
    while True:
        receive(endpoint, message)


def sends(endpoint: U64) -> None:
    """To a thread of the same priority, which waits: from before the system call to after it, the sender going on."""
    total = U64(0)
    for index in U64.range(ROUNDS + UNCOUNTED):
        begin = cycles()
        error, _word, _tag, _badge, _handle = send_words(endpoint, U64(1), index)
        if index >= UNCOUNTED:
            total = total + (cycles() - begin)
        assert error == 0, "not sent"
        system.thread_yield()
    show("message_send", total)


@contract(number=1001, version=1)
class Adder:
    """What `contract_call` measures."""

    handle: U64

    @operation(1, raises=(ServiceGone,))
    def add(self, first: U64, second: U64) -> U64:
        """The sum."""
        raise NotImplementedError


@struct
class AdderServer:
    """Implements `Adder`."""

    unused: U64 = U64(0)

    def add(self, first: U64, second: U64) -> U64:
        """See `Adder`."""
        return first + second


ADDER = AdderServer()
serve = server((Adder, ADDER))


def adding(endpoint: U64) -> None:
    """Serve the contract. Raises what thread_set_buffer raises."""
    transport.attach()
    serve(endpoint)


def contract_calls(endpoint: U64) -> None:
    """Call the server of a contract: client, message, server loop, implementation, answer."""
    adder = Adder(endpoint)
    for index in U64.range(50):
        adder.add(index, U64(1))
    begin = cycles()
    for index in U64.range(ROUNDS):
        assert adder.add(index, U64(1)) == index + 1, "wrong sum"
    measured("contract_call", begin, U64(ROUNDS))


def null_calls() -> None:
    """The call that does nothing, through its stub."""
    total = U64(0)
    begin = cycles()
    for _ in U64.range(ROUNDS):
        total = total + system.system_null()
    measured("null_system_call", begin, U64(ROUNDS))
    assert total == 0, "not null"


def page_faults() -> None:
    """Touch pages of the stack that were never touched, deepest last."""
    at = U64(layout.STACK_TOP) - (256 << 10)
    rounds = U64(1024)
    touch(at)
    begin = cycles()
    for _ in U64.range(rounds):
        at = at - layout.PAGE_SIZE
        touch(at)
    measured("page_fault_anonymous", begin, rounds)


def touch(address: U64) -> None:
    Ptr.at(U64, VirtAddr(address)).value = U64(1)


def main() -> None:
    print(f"boot_to_user {cycles()}")
    null_calls()
    page_faults()
    quota = U64(initial.QUOTA)
    there = system.endpoint_create(quota)
    child_of(code_address(echo), there)
    round_trips("round_trip", there)
    contracted = system.endpoint_create(quota)
    child_of(code_address(adding), contracted)
    contract_calls(contracted)
    clocked = system.endpoint_create(quota)
    child_of(code_address(clocked_sink), clocked)
    one_way("message_one_way", clocked)
    receiving = system.endpoint_create(quota)
    child_of(code_address(sink), receiving)
    sends(receiving)
    thread = start(code_address(yielder), U64(0))
    switches("thread_switch_same_space")
    system.thread_kill(thread)
    child_of(code_address(yielder), clocked)
    switches("thread_switch_other_space")


def switches(name: str) -> None:
    """Half of each round is the other thread's."""
    for _ in U64.range(10):
        system.thread_yield()
    begin = cycles()
    for _ in U64.range(ROUNDS):
        system.thread_yield()
    measured(name, begin, U64(2 * ROUNDS))
