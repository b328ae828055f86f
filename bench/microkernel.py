"""What the kernel's operations cost in instructions.

Run by `cloudos bench`, on a machine whose time stamp counter counts instructions. Prints one line per measure: its key
and the average. docs/benchmarks.md says what each contains.
"""

from __future__ import annotations

from bench.counter import cycles
from cloudos.abi import initial, layout
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U64, Ptr, Template, VirtAddr, code_address, machine, struct
from cloudos.sdk import print, system, transport
from cloudos.sdk.contract import contract, operation
from cloudos.sdk.ipc import Message, receive
from cloudos.sdk.processes import Child
from cloudos.sdk.service import server
from cloudos.sdk.threads import start

ROUNDS = 2000


# A message of two words; as the binary interface says, all eight registers travel, so the others are cleared.
CLEAR = "xorl %%r8d, %%r8d; xorl %%r9d, %%r9d; xorl %%r12d, %%r12d; xorl %%r13d, %%r13d; xorl %%r14d, %%r14d; "
WORDS = "".join(f"mov x{number}, xzr; " for number in (3, 4, 5, 6, 7, 9, 10))
OTHERS = ("x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "memory", "cc")
REST = ("rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc")


@machine(
    x86_64=Template(
        CLEAR + "xorl %%r15d, %%r15d; xorl %%r10d, %%r10d; movl $26, %%eax; syscall",
        results=("=a", "=d", "=S", "=D", "=b"),
        inputs={"endpoint": "D", "tag": "S", "word": "d"},
        clobbers=REST,
    ),
    aarch64=Template(
        WORDS + "mov x8, #26; svc #0",
        results=("={x0}", "={x2}", "={x1}", "={x12}", "={x11}"),
        inputs={"endpoint": "{x0}", "tag": "{x1}", "word": "{x2}"},
        clobbers=OTHERS,
    ),
)
def call_words(endpoint: U64, tag: U64, word: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_call: error, word, tag, badge, reply."""
    return U64(0), U64(0), U64(0), U64(0), U64(0)


@machine(
    x86_64=Template(
        CLEAR + "xorl %%r15d, %%r15d; xorl %%r10d, %%r10d; movl $30, %%eax; syscall",
        results=("=a", "=d", "=S", "=D", "=b"),
        inputs={"endpoint": "D", "tag": "S", "word": "d", "reply": "b"},
        clobbers=REST,
    ),
    aarch64=Template(
        WORDS + "mov x8, #30; svc #0",
        results=("={x0}", "={x2}", "={x1}", "={x12}", "={x11}"),
        inputs={"endpoint": "{x0}", "tag": "{x1}", "word": "{x2}", "reply": "{x11}"},
        clobbers=OTHERS,
    ),
)
def reply_receive_words(endpoint: U64, tag: U64, word: U64, reply: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_reply_receive: error, word, tag, badge, reply."""
    return U64(0), U64(0), U64(0), U64(0), U64(0)


@machine(
    x86_64=Template(
        CLEAR + "xorl %%r15d, %%r15d; xorl %%r10d, %%r10d; movl $27, %%eax; syscall",
        results=("=a", "=d", "=S", "=D", "=b"),
        inputs={"endpoint": "D", "tag": "S", "word": "d"},
        clobbers=REST,
    ),
    aarch64=Template(
        WORDS + "mov x8, #27; svc #0",
        results=("={x0}", "={x2}", "={x1}", "={x12}", "={x11}"),
        inputs={"endpoint": "{x0}", "tag": "{x1}", "word": "{x2}"},
        clobbers=OTHERS,
    ),
)
def send_words(endpoint: U64, tag: U64, word: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_send: the error; the rest says nothing."""
    return U64(0), U64(0), U64(0), U64(0), U64(0)


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


def measured(name: str, begin: U64, rounds: U64) -> None:
    print(f"{name} {(cycles() - begin) // rounds}")


def round_trips(name: str, endpoint: U64) -> None:
    """Call the echo server."""
    for index in U64.range(50):
        call_words(endpoint, U64(1), index)
    begin = cycles()
    for index in U64.range(ROUNDS):
        error, word, _tag, _badge, _handle = call_words(endpoint, U64(1), index)
        assert error == 0 and word == index + 1, "wrong reply"
    measured(name, begin, U64(ROUNDS))


def clocked_sink(endpoint: U64) -> None:
    """Answer every call with how long ago its caller read the counter."""
    reply = U64(0)
    word = U64(0)
    while True:
        error, sent, _tag, badge, handle = reply_receive_words(endpoint, U64(1), word, reply)
        word = cycles() - sent
        assert error == 0 and badge == badge
        reply = handle


def one_way(endpoint: U64) -> None:
    """From the caller's reading of the counter to that of the server, which runs in another address space."""
    total = U64(0)
    for index in U64.range(ROUNDS + 50):
        error, took, _tag, _badge, _handle = call_words(endpoint, U64(1), cycles())
        assert error == 0, "no reply"
        if index >= 50:
            total = total + took
    print(f"message_one_way {total // ROUNDS}")


def sink(endpoint: U64) -> None:
    """Receive for ever."""
    message = Message()
    while True:
        receive(endpoint, message)


def sends(endpoint: U64) -> None:
    """To a thread of the same priority, which waits: from before the system call to after it, the sender going on."""
    total = U64(0)
    for index in U64.range(ROUNDS + 50):
        begin = cycles()
        error, _word, _tag, _badge, _handle = send_words(endpoint, U64(1), index)
        if index >= 50:
            total = total + (cycles() - begin)
        assert error == 0, "not sent"
        system.thread_yield()
    print(f"message_send {total // ROUNDS}")


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


def child_of(function: VirtAddr, endpoint: U64) -> Child:
    """A process that runs a function on a handle to the endpoint."""
    child = Child()
    child.make(U64(initial.QUOTA))
    child.start(function, system.process_install(child.process, endpoint, U64(0), U64(5)))
    system.thread_yield()
    return child


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
    one_way(clocked)
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
