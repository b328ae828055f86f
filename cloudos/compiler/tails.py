"""Equal ends of functions once for all of them, in the assembly text of a linked kernel.

Most functions end by loading the registers that they saved, and as many of them save the same:

        ldp x20, x19, [sp, #16]                 b .LBB0_800001
        ldr x30, [sp], #32            becomes
        ret

What goes there takes one instruction more, so functions marked `fast` are left as they are. Of an end nothing is taken
but work on registers and loads from the stack: nothing that could fail there, or be called from there, and would be
taken for part of another function. What leads to an end that is shared is an end too; on AArch64, where every
instruction has four bytes, so is what leads to a place within a function.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cloudos.compiler.shorten import FAST_SECTION, FUNCTION_BEGIN, FUNCTION_END, SECTION
from cloudos.compiler.traps import AARCH64 as A64_SYNTAX
from cloudos.compiler.traps import BRANCH, REFERENCE, falls_into, instructions, next_loud

Measure = Callable[[str], int]
"""The bytes of an instruction without its comment, 0 for one that may not be moved."""


@dataclass(frozen=True)
class Machine:
    """What an architecture has for it."""

    comment: str
    end: re.Pattern[str]
    """Instructions that leave a function for good."""
    bytes_of: Measure
    jump: str
    jump_bytes: int


A64_MOVABLE = re.compile(
    r"(ld[pr]\t[wx]\d.*, \[sp(, #\d+)?\](, #\d+)?|add\tsp, sp, #\d+"
    r"|(mov|cmp|tst|cset|csel|cinc|add|sub|and|orr|eor|lsl|lsr|ubfx)\t[wx]\d[^.:]*)$"
)


def _bytes_a64(text: str) -> int:
    return 4 if AARCH64.end.match(text) or A64_MOVABLE.match(text) else 0


AARCH64 = Machine("//", re.compile(r"(ret|b\t([A-Za-z_]\w*|\.LBB\d+_\d+))$"), _bytes_a64, "b", 4)

X86_LENGTHS = (
    (re.compile(r"retq$"), 1),
    (re.compile(r"jmp\t([A-Za-z_]\w*|\.LBB0_8\d{5})$"), 5),
    (re.compile(r"popq\t%r\d+$"), 2),
    (re.compile(r"popq\t%r[a-ds]\w$"), 1),
    (re.compile(r"popq\t%rbp$"), 1),
    (re.compile(r"addq\t\$\d\d?, %rsp$"), 4),
    (re.compile(r"addq\t\$\d{3,}, %rsp$"), 7),
    (re.compile(r"movq\t%\w+, %\w+$"), 3),
    (re.compile(r"(movl|xorl)\t%e\w+, %e\w+$"), 2),
    (re.compile(r"movb\t\$\d, %al$"), 2),
)


def _bytes_x86(text: str) -> int:
    return next((length for pattern, length in X86_LENGTHS if pattern.match(text)), 0)


X86 = Machine("#", re.compile(r"(retq|jmp\t([A-Za-z_]\w*|\.LBB0_8\d{5}))$"), _bytes_x86, "jmp", 5)

FIRST_LABEL = 800_000
LABEL = re.compile(r"\.LBB\d+_\d+:")
JUMP_TO_END = re.compile(r"\tb\t(\.LBB0_8\d{5})$")


def merge(text: str, machine: Machine) -> str:
    """The same program, in which equal ends of functions stand once where that makes it smaller."""
    count = FIRST_LABEL
    while True:
        # What leads to one of these ends is an end itself.
        text, after = merge_once(text, machine, count)
        if after == count:
            return text
        count = after


def merge_once(text: str, machine: Machine, count: int) -> tuple[str, int]:
    """The program with each end taken for one group of equal ones at most, and the last number of a label used."""
    lines = text.split("\n")
    left = list(find_ends(lines, machine))
    gone: set[int] = set()
    while True:
        groups: dict[tuple[str, ...], list[list[int]]] = defaultdict(list)
        for end in left:
            words = tuple(instruction(lines[number], machine) for number in end)
            for begin in range(len(end)):
                groups[words[begin:]].append(end)
        best = max(groups, key=lambda words: (gain(words, len(groups[words]), machine), words), default=())
        if not best or gain(best, len(groups[best]), machine) <= 0:
            return "\n".join(line for number, line in enumerate(lines) if number not in gone), count
        count += 1
        # One may go on to a shared end that stands behind it.
        kept, *others = sorted(groups[best], key=lambda end: not LABEL.match(lines[end[-1]]))
        lines[kept[-len(best)]] = f".LBB0_{count}:\n{lines[kept[-len(best)]]}"
        for end in others:
            lines[end[-len(best)]] = f"\t{machine.jump}\t.LBB0_{count}"
            gone |= set(end[len(end) - len(best) + 1 :])
        done = {id(end) for end in groups[best]}
        left = [end for end in left if id(end) not in done]


def gain(words: tuple[str, ...], count: int, machine: Machine) -> int:
    """Bytes saved when an end stands once."""
    return (count - 1) * (sum(map(machine.bytes_of, words)) - machine.jump_bytes)


def instruction(line: str, machine: Machine) -> str:
    """An instruction without its comment; for a label, the jump that would do what going on to it does."""
    if LABEL.match(line):
        return f"{machine.jump}\t{line.partition(':')[0]}"
    return line.partition(machine.comment)[0].strip()


def find_ends(lines: list[str], machine: Machine) -> Iterator[list[int]]:
    """The last instructions, as many as may be moved, of each way out of a function: the numbers of their lines."""
    section = ""
    inside = in_assembly = False
    found: list[int] = []
    for number, line in enumerate(lines):
        if match := SECTION.match(line):
            section = match[1] or match[2]
        elif FUNCTION_BEGIN.match(line) or FUNCTION_END.match(line):
            inside, found = bool(FUNCTION_BEGIN.match(line)) and not section.startswith(FAST_SECTION), []
        if line.startswith((f"\t{machine.comment}APP", f"\t{machine.comment}NO_APP")):
            in_assembly, found = line.endswith("APP") and "NO_" not in line, []
        word = instruction(line, machine)
        if not inside or in_assembly or not word or word.startswith("."):
            continue
        if not machine.bytes_of(word):
            found = []
            continue
        found.append(number)
        if machine.end.match(word):
            if len(found) > 1:
                yield found
            found = []


def lead_on(text: str) -> str:
    """The same program of AArch64 where branches to a jump to an end go there themselves, and no jump stays for them.

    Not those on one bit, which reach 32 KB and are no BRANCH.
    """
    lines = instructions(text, A64_SYNTAX)
    references = Counter(label for line in lines for label in set(REFERENCE.findall(line.partition("//")[0])))
    branches = Counter(found[3] for line in lines if (found := BRANCH.match(line)))
    targets: dict[str, str] = {}
    gone: set[int] = set()
    for number, line in enumerate(lines):
        if not LABEL.match(line):
            continue
        label, jump = line.partition(":")[0], next_loud(lines, number + 1, A64_SYNTAX)
        match = JUMP_TO_END.match(lines[jump])
        if match and references[label] == branches[label] + 1:
            targets[label] = match[1]
            if not falls_into(lines, number, A64_SYNTAX):
                gone.add(jump)
    changed = (
        BRANCH.sub(lambda found: found[0].replace(found[3], targets.get(found[3], found[3])), line) for line in lines
    )
    return "\n".join(line for number, line in enumerate(changed) if number not in gone)
