"""Programs with bugs: each ends in its own fault or panic and a traceback of Python lines; the kernel survives.

Every program calls `bug(n)` from `main`; `n` is 0 at run time, unknown to the compiler, so that nothing is folded away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.boot.harness import run, write

START = """
from typing import Literal

from cloudos.lang import I64, U8, U64, Array, Ptr, Template, VirtAddr, data, machine, new_slice, null, panic, struct
from cloudos.sdk import List, Text, print


@struct
class Node:
    value: U64
    next: Ptr[Node] = null()


def zero(args: List[Text]) -> U64:
    return args.length - 1

"""

MAIN = """

def main(args: List[Text]) -> None:
    print("before")
    bug(zero(args))
    print("after")
"""

TEMPLATE = """
@machine(x86_64=Template({text!r}, inputs={inputs!r}, clobbers=("memory",)))
def instruction({parameters}) -> None:
    panic("only on the machine")


def bug(n: U64) -> None:
    instruction({arguments})
"""


@dataclass(frozen=True)
class Case:
    """A bug, the status it has to give, and words that the report has to have."""

    name: str
    body: str
    status: int
    words: tuple[str, ...]


def instruction(text: str, address: str = "") -> str:
    """A program part that executes one instruction, with an address as operand where one is given."""
    parameters = "target: U64" if address else ""
    inputs = {"target": "r"} if address else {}
    return TEMPLATE.format(text=text, inputs=inputs, parameters=parameters, arguments=address)


CASES = [
    Case("divide", "def bug(n: U64) -> None:\n    print(f'{U64(7) // n}')\n", 134, ("division by zero", "U64(7) // n")),
    Case("overflow", "def bug(n: U64) -> None:\n    print(f'{n - 1}')\n", 134, ("overflow", "n - 1")),
    Case("narrow", "def bug(n: U64) -> None:\n    print(f'{U8(n + 256)}')\n", 134, ("does not fit", "n + 256")),
    Case(
        "index",
        "def bug(n: U64) -> None:\n    table = Array[U64, Literal[4]]()\n    print(f'{table[n + 4]}')\n",
        134,
        ("index out of range", "table[n + 4]"),
    ),
    Case("null", "def bug(n: U64) -> None:\n    print(f'{Node(n).next.value.value}')\n", 134, ("null pointer",)),
    Case("panic", "def bug(n: U64) -> None:\n    panic(f'n is {n}')\n", 134, ("panic: n is 0",)),
    Case("assert", "def bug(n: U64) -> None:\n    assert n == 1, 'no'\n", 134, ("assertion failed", "assert n == 1")),
    Case(
        "bad-pointer",
        "def bug(n: U64) -> None:\n    print(f'{Ptr.at(U64, VirtAddr(n + 0x1234560)).value}')\n",
        139,
        ("bad memory access at 0x1234560",),
    ),
    Case(
        "kernel-pointer",
        "def bug(n: U64) -> None:\n    print(f'{Ptr.at(U64, VirtAddr(n + 0xFFFFFFFF80000000)).value}')\n",
        139,
        ("bad memory access",),
    ),
    Case(
        "not-canonical",
        "def bug(n: U64) -> None:\n    print(f'{Ptr.at(U64, VirtAddr(n + 0x8000000000000000)).value}')\n",
        139,
        ("bad memory access (bad-address)",),
    ),
    Case(
        "write-image",
        "def bug(n: U64) -> None:\n    Ptr.at(U8, VirtAddr(n + 0x400000)).value = U8(1)\n",
        139,
        ("bad memory access at 0x400000",),
    ),
    Case("write-code", instruction("lea 0(%%rip), %%rax; movb $0, (%%rax)"), 139, ("write-to-read-only",)),
    Case(
        "write-constant",
        "WORD = data(b'constant')\n\n\ndef bug(n: U64) -> None:\n    WORD[n] = U8(1)\n    print(f'{WORD[n]}')\n",
        139,
        ("write-to-read-only", "WORD[n] = U8(1)"),
    ),
    Case(
        "execute-data",
        instruction("call *%[target]", "new_slice(U8, 64).pointer.address.value + n"),
        139,
        ("bad memory access",),
    ),
    Case("privileged", instruction("hlt"), 132, ("illegal or privileged instruction",)),
    Case("interrupts-off", instruction("cli"), 132, ("illegal or privileged instruction",)),
    Case("port", instruction("outb %%al, $0xf4"), 132, ("illegal or privileged instruction",)),
    Case("illegal", instruction("ud2"), 132, ("illegal or privileged instruction",)),
    Case("breakpoint", instruction("int3"), 133, ("breakpoint",)),
    Case("software-interrupt", instruction("int $0x80"), 132, ("fault",)),
    Case("divide-instruction", instruction("xor %%ecx, %%ecx; div %%ecx"), 136, ("arithmetic fault",)),
    Case("jump-away", instruction("jmp *%[target]", "n + 0x10"), 139, ("bad memory access",)),
    Case("jump-not-canonical", instruction("jmp *%[target]", "n + 0x8000000000000000"), 139, ("fault",)),
    Case(
        "recursion",
        "def deeper(n: U64) -> U64:\n    return deeper(n + 1) + n\n\n\ndef bug(n: U64) -> None:\n"
        "    print(f'{deeper(n)}')\n",
        139,
        ("stack-overflow", "Previous line repeated", "deeper(n + 1)", "are not shown"),
    ),
    Case(
        "memory",
        "def bug(n: U64) -> None:\n    while True:\n        piece = new_slice(U8, 1 << 20)\n        piece[n] = U8(1)\n",
        134,
        ("out of memory",),
    ),
]


LOST = ("jump-away", "jump-not-canonical", "recursion")
"""After a wild jump nobody can say where it came from; of a deep recursion only the innermost calls are reported."""


def marked(case: Case) -> object:
    """A case as a parameter."""
    special = "@machine(" in case.body or case.name == "not-canonical"
    marks = [pytest.mark.one_architecture("instructions of x86_64; test_aarch64.py has others")] * special
    return pytest.param(case, marks=marks, id=case.name)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_a_bug_ends_in_a_traceback(tmp_path: Path, case: Case) -> None:
    program = write(tmp_path, START + case.body + MAIN)
    result = run(program, options=["--memory", "64M", "--timeout", "60"]).check(case.status)
    # A panic still writes out what the program printed; a fault may come too early for that.
    assert result.output == b"before\n" or (case.status != 134 and result.output == b"")
    assert [word for word in case.words if word not in result.errors] == [], result.errors
    lines = result.errors.splitlines()
    assert "Traceback (most recent call last):" in lines
    if case.name not in LOST:
        assert "program.py" in result.errors and ", in main" in result.errors, result.errors
        assert "    bug(zero(args))" in lines, result.errors
    assert "kernel panic" not in result.errors


GARBAGE = """
from cloudos.lang import U64, Template, machine
from cloudos.sdk import print


@machine(
    x86_64=Template(
        "mov %[b], %%r10; mov %[b], %%r8; mov %[b], %%r9; syscall",
        results=("=a", "=d"),
        inputs={"number": "a", "a": "D", "b": "S", "c": "d"},
        clobbers=("rcx", "r11", "r8", "r9", "r10", "memory"),
    ),
    aarch64=Template(
        "mov x3, %[b]; mov x4, %[b]; mov x5, %[b]; svc #0",
        results=("={x0}", "={x1}"),
        inputs={"number": "{x8}", "a": "{x0}", "b": "{x1}", "c": "{x2}"},
        clobbers=("x2", "x3", "x4", "x5", "x6", "x7", "x8", "memory", "cc"),
    ),
)
def call(number: U64, a: U64, b: U64, c: U64) -> tuple[U64, U64]:
    return U64(0), U64(0)


def attempt(number: U64, a: U64) -> None:
    for step in U64.range(6):
        b = U64(1) << (step * 12)
        call(number, a, b, b.wrapping_neg())
        call(number, a, a, b)
        call(number, b, a, U64(0) - 0)


def main() -> None:
    exits = U64(EXITS)
    for number in U64.range(64):
        if (exits >> number) & 1 == 0:
            attempt(number, U64(0))
            attempt(number, U64(0xFFFF_FFFF_8000_0000))
            attempt(number, U64(0xFFFF_FFFF_FFFF_FFF8))
            attempt(number, U64(0x8000_0000_0000_0000))
            attempt(number, U64(0x7FFF_FFFF_F000))
            attempt(number, U64(0x40_0001))
    attempt(U64(1) << 32, U64(0))
    attempt(U64(0) - 0 + 0xFFFF_FFFF_FFFF_FFFF, U64(0))
    print("survived")
"""


def test_garbage_in_every_system_call_harms_nobody(tmp_path: Path) -> None:
    """All but those that end or delay the program by their very meaning."""
    from cloudos.abi.system_calls import SYSTEM_CALLS

    spared = sum(
        1 << call.number
        for call in SYSTEM_CALLS
        if call.name in ("process_exit", "process_panic", "thread_sleep", "thread_exit", "device_reset")
    )
    program = write(tmp_path, GARBAGE.replace("EXITS", hex(spared)))
    result = run(program, given=b"", options=["--timeout", "60"]).check(0)
    assert result.output.endswith(b"survived\n")
