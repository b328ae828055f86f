"""Shorter branches for kernels of x86_64, in the assembly text that `traps.py` works on too.

A branch to a place more than 127 bytes away takes six bytes, or five without a condition; one that is near takes
two. Where a function has more than one jump to a far place, the others go through one of them that is near:

        je .LBB7_9       (6)               je .Lchain3      (2)
        …                         becomes  …
        jmp .LBB7_9      (5)      .Lchain3: jmp .LBB7_9     (5)

What goes there takes one instruction more, so functions marked `fast` are left as they are: their sections say it.

A constant of 64 bits takes ten bytes wherever it is put into a register. One that is used more than twice is loaded
from memory instead, by an instruction of seven.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

FAST_SECTION = ".text.fast."
"""What the sections of functions begin with that may not take more instructions."""

JUMP = re.compile(r"\t(j[a-z]+)\t(\.LBB\d+_\d+)(?=\s|$)")
SECTION = re.compile(r'\t\.section\t([^",\s]+)|\t\.(text)\b')
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
    groups: dict[str, list[Branch]] = defaultdict(list)
    for number, branch in enumerate(branches):
        lines[branch.line] = lines[branch.line].partition("\n")[2]
        branch.address = addresses[f".Lplace{number}"]
        branch.is_long = not -128 <= addresses[branch.target] - (branch.address + 2) <= 127
        groups[branch.target].append(branch)
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


def find_branches(lines: list[str]) -> Iterator[Branch]:
    """The jumps of all functions that may take more instructions."""
    section = ""
    for number, line in enumerate(lines):
        if found := SECTION.match(line):
            section = found[1] or found[2]
        elif (found := JUMP.match(line)) and section.startswith(".text") and not section.startswith(FAST_SECTION):
            yield Branch(number, found[1], found[2], section)


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
