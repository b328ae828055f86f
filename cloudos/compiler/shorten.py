"""Shorter branches for kernels of x86_64, in the assembly text that `traps.py` works on too.

A branch to a place more than 127 bytes away takes six bytes, or five without a condition; one that is near takes
two. Where a function has more than one jump to a far place, the others go through one of them that is near:

        je .LBB7_9       (6)               je .Lchain3      (2)
        …                         becomes  …
        jmp .LBB7_9      (5)      .Lchain3: jmp .LBB7_9     (5)

What goes there takes one instruction more, so functions marked `fast` are left as they are: their sections say it.

A constant of 64 bits takes ten bytes wherever it is put into a register. One that is used more than twice is loaded
from memory instead, by an instruction of seven.

What a segment register leads to, at a fixed offset, is addressed relative to the instruction: that takes a byte less
than an address of 32 bits, and from the highest 2 GB, where kernels lie, the lowest addresses are within reach.

The address of something static is put into a register by way of the stack, where the register has a short name: six
bytes in two instructions, not seven in one. Not in functions marked `fast`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

FAST_SECTION = ".text.fast."
"""What the sections of functions begin with that may not take more instructions."""
OFTEN_SECTION = ".text.often."
"""The same of those that keep their code to themselves, see :mod:`cloudos.compiler.repeats`."""

JUMP = re.compile(r"\t(j[a-z]+)\t(\.LBB\d+_\d+)(?=\s|$)")
SECTION = re.compile(r'\t\.section\t([^",\s]+)|\t\.(text)\b')
FUNCTION_BEGIN, FUNCTION_END = re.compile(r"\.Lfunc_begin\d+:"), re.compile(r"\.Lfunc_end\d+:")
LABEL = re.compile(r"(\.LBB\d+_\d+):")
NEAR = 120
"""Bytes between a branch and one that it may go through: less than 127, for labels and directives in between."""

Measure = Callable[[str], Mapping[str, int]]
"""Gives the address of every label of a text, within its section."""


@dataclass
class Branch:
    """A jump of a function to a place in it."""

    line: int
    condition: str
    target: str
    section: str
    address: int = 0
    is_long: bool = False
    # Others go through it, so that it goes where it goes.
    is_anchor: bool = False


def chain(text: str, measure: Measure) -> str:
    """The same program, where far jumps go through near ones."""
    lines = text.split("\n")
    branches = list(find_branches(lines))
    for number, branch in enumerate(branches):
        lines[branch.line] = f".Lplace{number}:\n{lines[branch.line]}"
    addresses = measure("\n".join(lines))
    homes = label_sections(lines)
    groups: dict[tuple[str, str], list[Branch]] = defaultdict(list)
    for number, branch in enumerate(branches):
        lines[branch.line] = lines[branch.line].partition("\n")[2]
        branch.address = addresses[f".Lplace{number}"]
        distance = addresses[branch.target] - (branch.address + 2)
        branch.is_long = homes[branch.target] != branch.section or not -128 <= distance <= 127
        groups[branch.section, branch.target].append(branch)
    count = 0
    anchors: dict[int, str] = {}
    for group in groups.values():
        for branch, anchor in redirected(group):
            if anchor.line not in anchors:
                count += 1
                anchors[anchor.line] = f".Lchain{count}"
            lines[branch.line] = JUMP.sub(rf"\t\1\t{anchors[anchor.line]}", lines[branch.line], count=1)
    for line, label in anchors.items():
        lines[line] = f"{label}:\n{lines[line]}"
    return "\n".join(lines)


CONSTANT = re.compile(r"\tmovabsq\t\$(-?\d+), (%\w+)")


def share_constants(text: str) -> str:
    """The same program with constants of 64 bits that are used more than twice in memory."""
    uses = Counter(found[1] for found in CONSTANT.finditer(text))
    names = {value: f"constant_{number}" for number, value in enumerate(sorted(key for key in uses if uses[key] > 2))}

    def load(found: re.Match[str]) -> str:
        return f"\tmovq\t{names[found[1]]}(%rip), {found[2]}" if found[1] in names else found[0]

    section = '\t.section\t.rodata.constants,"a",@progbits\n' if names else ""
    values = "".join(f"{name}:\n\t.quad\t{value}\n" for value, name in names.items())
    return CONSTANT.sub(load, text) + section + values


SEGMENT = re.compile(r"(%gs:)(\d+)(?=,|\s|$)")


def reach_segment(text: str) -> str:
    """The same program with fixed offsets from the base of GS addressed relative to the instruction."""
    return SEGMENT.sub(r"\1cloudos_zero+\2(%rip)", text) + "\t.set\tcloudos_zero, 0\n"


ADDRESS = re.compile(r"\tmovq\t(\$[A-Za-z_.][\w.+-]*), (%r(?:[abcd]x|[sd]i|bp))(?=\s|$)")


def push_addresses(text: str) -> str:
    """The same program with addresses going over the stack into registers.

    Not in inline assembly, nor outside of functions: there may be no stack.
    """
    section = ""
    is_compiled = False
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if found := SECTION.match(line):
            section = found[1] or found[2]
        elif FUNCTION_BEGIN.match(line) or line == "\t#NO_APP":
            is_compiled = True
        elif FUNCTION_END.match(line) or line == "\t#APP":
            is_compiled = False
        elif is_compiled and section.startswith(".text") and not section.startswith(FAST_SECTION):
            lines[number] = ADDRESS.sub(r"\tpushq\t\1\n\tpopq\t\2", line)
    return "\n".join(lines)


def find_branches(lines: list[str]) -> Iterator[Branch]:
    """The jumps of all functions that may take more instructions."""
    section = ""
    for number, line in enumerate(lines):
        if found := SECTION.match(line):
            section = found[1] or found[2]
        elif (found := JUMP.match(line)) and section.startswith(".text") and not section.startswith(FAST_SECTION):
            yield Branch(number, found[1], found[2], section)


def label_sections(lines: list[str]) -> dict[str, str]:
    """The section of every label that jumps lead to."""
    section = ""
    found: dict[str, str] = {}
    for line in lines:
        if match := SECTION.match(line):
            section = match[1] or match[2]
        elif match := LABEL.match(line):
            found[match[1]] = section
    return found


def redirected(group: list[Branch]) -> Iterator[tuple[Branch, Branch]]:
    """Of jumps to the same place: those that can go through another, each with that one."""
    jumps = [branch for branch in group if branch.condition == "jmp"]
    gone: set[int] = set()
    # Conditions first: they gain more, and nothing can go through them.
    for branch in sorted(group, key=lambda branch: (branch.condition == "jmp", branch.line)):
        if not branch.is_long or branch.is_anchor:
            continue
        near = [
            jump for jump in jumps
            if jump is not branch and jump.line not in gone and abs(jump.address - branch.address) <= NEAR
        ]  # fmt: skip
        if near:
            anchor = max(near, key=lambda jump: (jump.is_anchor, -abs(jump.address - branch.address)))
            anchor.is_anchor = True
            gone.add(branch.line)
            yield branch, anchor
