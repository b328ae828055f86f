"""Brings the traps of failed checks to the branches that lead to them, in the assembly text of a linked kernel.

LLVM takes code that never returns to be cold and puts it at the end of the function. Where the code is a trapping
instruction of two bytes, that costs more than it is worth: a branch of x86 to a place more than 127 bytes away takes
six bytes, one over the instruction two. Of

        jae .LBB7_9                     jb .Lpassed3
        …                   becomes     ud2
    .LBB7_9:                        .Lpassed3:
        ud2                             …

neither is slower as far as instructions are counted. The text is the one that lld writes with `--lto-emit-asm`; a trap
is known by its entry in the section of sites, which moves with it. Lines that say something about the text around the
trap (call frames, source lines, ends of scopes) stay where they are: they hold for the code that follows them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

SITES = "cloudos_sites"
OPPOSITE = {"o": "no", "b": "ae", "e": "ne", "be": "a", "s": "ns", "p": "np", "l": "ge", "le": "g"}
OPPOSITE |= {right: left for left, right in OPPOSITE.items()}
"""Conditions of Jcc as LLVM writes them."""

LABEL = re.compile(r"(\.LBB\d+_\d+):")
REFERENCE = re.compile(r"\.LBB\d+_\d+\b")
BRANCH = re.compile(r"\tj([a-z]+)\t(\.LBB\d+_\d+)(?:\s|$)")
SITE_LABEL = re.compile(r"\.Ltmp\d+\b")
# Nothing that runs: empty lines, comments, directives, labels that only delimit.
SILENT = re.compile(r"\s*(#(?!APP|NO_APP)|\.(?:loc|cfi_\w+|p2align)\s|\.Ltmp\d+:|$)")
LEAVES = re.compile(r"\t(jmp|jmpq|retq?|ud2|iretq)\b")
# Most of the text, and nothing in it is code.
COMMENT = "\t#DEBUG_VALUE"
BEGIN, END = "\t#APP", "\t#NO_APP"


def bring_near(text: str) -> str:
    """The same program with every trap that only conditional branches lead to behind each of these branches."""
    lines = [line for line in text.split("\n") if not line.startswith(COMMENT)]
    traps = dict(find_traps(lines))
    branches = Counter(found[2] for line in lines if (found := BRANCH.match(line)) and found[1] in OPPOSITE)
    references = Counter(label for line in lines for label in set(REFERENCE.findall(code_of(line))))
    movable = {label: place for label, place in traps.items() if references[label] == branches[label] + 1 > 1}
    gone = {number for begin, end in movable.values() for number in range(begin, end + 1)}
    result: list[str] = []
    count = 0
    for number, line in enumerate(lines):
        found = BRANCH.match(line)
        if found and found[2] in movable and found[1] in OPPOSITE:
            begin, end = movable[found[2]]
            count += 1
            result.append(f"\tj{OPPOSITE[found[1]]}\t.Lpassed{count}")
            result += [SITE_LABEL.sub(f".Ltrap{count}", one) for one in lines[begin : end + 1]]
            result.append(f".Lpassed{count}:")
        elif number not in gone:
            result.append(line)
    return "\n".join(result)


def code_of(line: str) -> str:
    """A line without its comment."""
    return line.partition("#")[0]


def find_traps(lines: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Blocks that begin with a label and are nothing but a trap: the label, first and last line of the trap."""
    for number, line in enumerate(lines):
        found = LABEL.match(line)
        if found and not falls_into(lines, number):
            begin = number + 1
            while SILENT.match(lines[begin]):
                begin += 1
            end = end_of_trap(lines, begin)
            if end is not None:
                yield found[1], (begin, end)


def end_of_trap(lines: list[str], begin: int) -> int | None:
    """The last line of the inline assembly that begins at a line, when it is a trap with a site; else None."""
    if lines[begin] != BEGIN:
        return None
    end = lines.index(END, begin)
    body = lines[begin + 1 : end]
    return end if "\tud2" in body and any(SITES in line for line in body) else None


def falls_into(lines: list[str], number: int) -> bool:
    """Whether the code before a line goes on to it."""
    before = number - 1
    while SILENT.match(lines[before]):
        before -= 1
    if lines[before] == END:
        begin = before
        while lines[begin] != BEGIN:
            begin -= 1
        return end_of_trap(lines, begin) is None
    return not LEAVES.match(lines[before])
