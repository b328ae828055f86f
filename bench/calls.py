"""What benchmarks of messages share: calls with two words, without the loading and storing of all eight; averages."""

from __future__ import annotations

from bench.counter import cycles
from cloudos.abi import initial
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U64, Template, VirtAddr, machine
from cloudos.sdk import print, system
from cloudos.sdk.processes import Child

ROUNDS = 2000
UNCOUNTED = 50
"""Rounds before the counting begins: translations, tables and queues are then as they stay."""
X86_WORDS = ("r12", "r13", "r14", "r15")
ARM_WORDS = ("x3", "x4", "x5", "x6", "x7", "x9", "x10")


def short(name: str, reply: bool = False) -> dict[str, Template]:
    """The templates of a call of messages, for `machine`. As the binary interface says, all eight registers of words
    travel, so the others are cleared. The results are error, word, tag, badge and reply."""
    number = next(number for number, call in enumerate(SYSTEM_CALLS) if call.name == name)
    cleared = "".join(f"xorl %%{register}d, %%{register}d; " for register in ("r8", "r9", "r10", *X86_WORDS))
    x86_64 = Template(
        f"{cleared}movl ${number}, %%eax; syscall",
        results=("=a", "=d", "=S", "=D", "=b"),
        inputs={"endpoint": "D", "tag": "S", "word": "d"} | ({"reply": "b"} if reply else {}),
        clobbers=("rcx", "r8", "r9", "r10", "r11", *X86_WORDS, "memory", "cc"),
    )
    cleared = "".join(f"mov {register}, xzr; " for register in ARM_WORDS)
    aarch64 = Template(
        f"{cleared}mov x8, #{number}; svc #0",
        results=("={x0}", "={x2}", "={x1}", "={x12}", "={x11}"),
        inputs={"endpoint": "{x0}", "tag": "{x1}", "word": "{x2}"} | ({"reply": "{x11}"} if reply else {}),
        clobbers=(*ARM_WORDS, "x8", "memory", "cc"),
    )
    return {"x86_64": x86_64, "aarch64": aarch64}


@machine(**short("message_call"))
def call_words(endpoint: U64, tag: U64, word: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_call: error, word, tag, badge, reply."""
    return U64(0), U64(0), U64(0), U64(0), U64(0)


@machine(**short("message_reply_receive", reply=True))
def reply_receive_words(endpoint: U64, tag: U64, word: U64, reply: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_reply_receive: error, word, tag, badge, reply."""
    return U64(0), U64(0), U64(0), U64(0), U64(0)


@machine(**short("message_send"))
def send_words(endpoint: U64, tag: U64, word: U64) -> tuple[U64, U64, U64, U64, U64]:
    """message_send: the error; the rest says nothing."""
    return U64(0), U64(0), U64(0), U64(0), U64(0)


def clocked_sink(endpoint: U64) -> None:
    """Answer every call with how long ago its caller read the counter."""
    reply = U64(0)
    word = U64(0)
    while True:
        error, sent, _tag, badge, handle = reply_receive_words(endpoint, U64(1), word, reply)
        word = cycles() - sent
        assert error == 0 and badge == badge
        reply = handle


def one_way(name: str, endpoint: U64) -> None:
    """From the caller's reading of the counter to that of `clocked_sink`, the server."""
    total = U64(0)
    for index in U64.range(ROUNDS + UNCOUNTED):
        error, took, _tag, _badge, _handle = call_words(endpoint, U64(1), cycles())
        assert error == 0, "no reply"
        if index >= UNCOUNTED:
            total = total + took
    show(name, total)


def measured(name: str, begin: U64, rounds: U64) -> None:
    """The average of so many rounds since the counter showed `begin`, as one line."""
    print(f"{name} {(cycles() - begin) // rounds}")


def show(name: str, total: U64) -> None:
    """The average of what ROUNDS took together, as one line."""
    print(f"{name} {total // ROUNDS}")


def child_of(function: VirtAddr, endpoint: U64) -> Child:
    """A process that runs a function on a handle to the endpoint."""
    child = Child()
    child.make(U64(initial.QUOTA))
    child.start(function, system.process_install(child.process, endpoint, U64(0), U64(5)))
    system.thread_yield()
    return child
