"""What the kernel's operations cost, in nanoseconds: under QEMU's `-icount shift=0` that is in instructions.

Run by `bench/run.py`. Prints one line per measure: its key and the average.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.lang import U64, Template, code_address, machine
from cloudos.sdk import print, system
from cloudos.sdk.ipc import Message, receive, send
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start

ROUNDS = 2000


@machine(x86_64=Template("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax", result="=a", clobbers=("rdx",)))
def cycles() -> U64:
    """The time stamp counter: under -icount it counts instructions."""
    return U64(0)


@machine(
    x86_64=Template(
        "xorl %%eax, %%eax; syscall", result="=a", clobbers=("rcx", "rdx", "rdi", "rsi", "r8", "r9", "r10", "r11")
    )
)
def null_call() -> U64:
    """System call 0."""
    return U64(0)


# A message of two words; as the binary interface says, all eight registers travel, so the others are cleared.
CLEAR = "xorl %%r8d, %%r8d; xorl %%r9d, %%r9d; xorl %%r12d, %%r12d; xorl %%r13d, %%r13d; xorl %%r14d, %%r14d; "
REST = ("rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc")


@machine(
    x86_64=Template(
        CLEAR + "xorl %%r15d, %%r15d; xorl %%r10d, %%r10d; movl $26, %%eax; syscall",
        results=("=a", "=d", "=S", "=D", "=b"),
        inputs={"endpoint": "D", "tag": "S", "word": "d"},
        clobbers=REST,
    )
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
    )
)
def reply_receive_words(endpoint: U64, tag: U64, word: U64, reply: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_reply_receive: error, word, tag, badge, reply."""
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


def sink(endpoint: U64) -> None:
    """Receive and forget."""
    message = Message()
    while True:
        receive(endpoint, message)


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


def one_way(endpoint: U64) -> None:
    message = Message()
    begin = cycles()
    for _ in U64.range(ROUNDS):
        message.set(U64(0), U64(1))
        send(endpoint, message)
        system.thread_yield()
    measured("send_and_switch", begin, U64(ROUNDS))


def main() -> None:
    quota = U64(initial.QUOTA)
    begin = cycles()
    for _ in U64.range(ROUNDS):
        null_call()
    measured("null_system_call", begin, U64(ROUNDS))
    here = system.endpoint_create(quota)
    start(code_address(echo), here)
    system.thread_yield()
    round_trips("round_trip_same_space", here)
    there = system.endpoint_create(quota)
    child = Child()
    child.make(quota)
    child.start(code_address(echo), system.process_install(child.process, there, U64(0), U64(5)))
    system.thread_yield()
    round_trips("round_trip", there)
    one_way_endpoint = system.endpoint_create(quota)
    receiver = Child()
    receiver.make(quota)
    receiver.start(code_address(sink), system.process_install(receiver.process, one_way_endpoint, U64(0), U64(5)))
    system.thread_yield()
    one_way(one_way_endpoint)
    thread = start(code_address(yielder), U64(0))
    switches("thread_switch_same_space")
    system.thread_kill(thread)
    other = Child()
    other.make(quota)
    other.start(code_address(yielder), U64(0))
    switches("thread_switch_other_space")


def switches(name: str) -> None:
    """Half of each round is the other thread's."""
    for _ in U64.range(10):
        system.thread_yield()
    begin = cycles()
    for _ in U64.range(ROUNDS):
        system.thread_yield()
    measured(name, begin, U64(2 * ROUNDS))
