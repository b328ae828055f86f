"""Makes failed checks cost less, in the assembly text of a linked kernel.

LLVM takes code that never returns to be cold and puts it at the end of the function. Where the code is a trapping
instruction, that costs more than it is worth. The text is the one that lld writes with `--lto-emit-asm`; a trap is
known by its entry in the section of sites, which moves with it. Lines that say something about the text around the
trap (call frames, source lines, ends of scopes) stay where they are: they hold for the code that follows them.

On x86 a branch to a place more than 127 bytes away takes six bytes, one over the instruction two. Of

        jae .LBB7_9                     jb .Lpassed3
        …                   becomes     .byte 0xd6
    .LBB7_9:                        .Lpassed3:
        ud2                             …

neither is slower as far as instructions are counted. 0xd6 is UDB, undefined in 64-bit mode as UD2 is, in one byte.

On AArch64 every instruction has four bytes, and the branch alone does: to an address of its own at which nothing is
ever mapped, below the symbol NO_CODE of the linker script. What runs there is a fault whose address says which
check failed; the section of sites says where the branch is.

        b.hs .LBB7_9                    b.hs cloudos_no_code-12
        …                   becomes     …
    .LBB7_9:
        brk #1
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

SITES = "cloudos_sites"
NO_CODE = "cloudos_no_code"
"""The symbol: the page that ends there, and all that traps take of those before, is never mapped."""


@dataclass(frozen=True)
class Syntax:
    """How LLVM writes the assembly of an architecture."""

    comment: str
    trap: str
    opposite: dict[str, str]
    """Names of the instructions that branch on a condition, and of those that do on the opposite one."""
    leaves: re.Pattern[str]
    """Instructions that do not go on to the next."""

    @property
    def begin(self) -> str:
        """The line before inline assembly."""
        return f"\t{self.comment}APP"

    @property
    def end(self) -> str:
        """The line after inline assembly."""
        return f"\t{self.comment}NO_APP"

    def is_silent(self, line: str) -> bool:
        """Whether nothing on a line runs: empty lines, comments, directives, labels that only delimit."""
        if line in (self.begin, self.end):
            return False
        return line.strip().startswith(self.comment) or bool(SILENT.match(line))


SILENT = re.compile(r"\s*(\.(?:loc|cfi_\w+|p2align)\s|\.Ltmp\d+:|$)")


def _both(names: dict[str, str], before: str) -> dict[str, str]:
    found = {before + left: before + right for left, right in names.items()}
    return found | {right: left for left, right in found.items()}


X86 = Syntax(
    "#", "\tud2",
    _both({"o": "no", "b": "ae", "e": "ne", "be": "a", "s": "ns", "p": "np", "l": "ge", "le": "g"}, "j"),
    re.compile(r"\t(jmp|jmpq|retq?|ud2|iretq)\b"),
)  # fmt: skip
AARCH64 = Syntax(
    "//", "\tbrk\t#0x1",
    # No bit tests: those reach 32 KB.
    _both({"eq": "ne", "hs": "lo", "mi": "pl", "vs": "vc", "hi": "ls", "ge": "lt", "gt": "le"}, "b.")
    | {"cbz": "cbnz", "cbnz": "cbz"},
    re.compile(r"\t(b|br|ret|brk|eret)\b(?!\.)"),
)  # fmt: skip

LABEL = re.compile(r"(\.LBB\d+_\d+):")
REFERENCE = re.compile(r"\.LBB\d+_\d+\b")
BRANCH = re.compile(r"\t([a-z.]+)\t(?:([wx]\d+), )?(\.LBB\d+_\d+)(?:\s|$)")
SITE_LABEL = re.compile(r"\.Ltmp\d+\b")
UDB = "\t.byte\t0xd6"


def bring_near(text: str) -> str:
    """The same program of x86 with every trap that only conditional branches lead to behind each of these branches."""
    lines = instructions(text, X86)
    movable = movable_traps(lines, X86)
    gone = {number for begin, end in movable.values() for number in range(begin, end + 1)}
    result: list[str] = []
    count = 0
    for number, line in enumerate(lines):
        found = BRANCH.match(line)
        if found and found[3] in movable:
            begin, end = movable[found[3]]
            count += 1
            result.append(f"\t{X86.opposite[found[1]]}\t.Lpassed{count}")
            result += [SITE_LABEL.sub(f".Ltrap{count}", one) for one in lines[begin : end + 1]]
            result.append(f".Lpassed{count}:")
        elif number not in gone:
            result.append(line)
    return "\n".join(UDB if line == X86.trap else line for line in result)


def send_away(text: str) -> str:
    """The same program of AArch64 with the branches to traps going where there is no code."""
    lines = turned(instructions(text, AARCH64))
    movable = movable_traps(lines, AARCH64)
    gone = {number for begin, end in movable.values() for number in range(begin, end + 1)}
    result: list[str] = []
    count = 0
    for number, line in enumerate(lines):
        found = BRANCH.match(line)
        if found and found[3] in movable:
            begin, end = movable[found[3]]
            count += 1
            place = f"{NO_CODE}-{4 * count}"
            # Where the trap stood, its entry was pushed aside; the instruction and the label on it are gone.
            entry = [one for one in lines[begin + 1 : end] if one != AARCH64.trap and not LABEL_ONLY.match(one)]
            address = next(index for index, one in enumerate(entry) if SITE_LABEL.search(one))
            entry[address] = SITE_LABEL.sub(place, entry[address])
            entry[address + 1] = SITE_LABEL.sub(f".Ltrap{count}", entry[address + 1])
            operand = f"{found[2]}, " if found[2] else ""
            result += [f".Ltrap{count}:", f"\t{found[1]}\t{operand}{place}", *entry]
        elif number not in gone:
            result.append(line)
    return "\n".join(result)


LABEL_ONLY = re.compile(r"\.Ltmp\d+:$")


def turned(lines: list[str]) -> list[str]:
    """The same with every branch over a trap turned into one to it, at the end of the text of its function."""
    result: list[str] = []
    apart: list[str] = []
    number = count = 0
    while number < len(lines):
        line = lines[number]
        trap = over_trap(lines, number)
        if trap is not None and (found := BRANCH.match(line)):
            begin, end = trap
            count += 1
            label = f".LBB0_{900_000 + count}"
            result.append(line.replace(found[1], AARCH64.opposite[found[1]], 1).replace(found[3], label, 1))
            result += lines[number + 1 : begin]
            apart += [f"{label}:", *lines[begin : end + 1]]
            number = end
        elif FUNCTION_END.match(line):
            result += apart
            apart = []
            result.append(line)
        else:
            result.append(line)
        number += 1
    return result


FUNCTION_END = re.compile(r"\.Lfunc_end\d+:")


def over_trap(lines: list[str], number: int) -> tuple[int, int] | None:
    """First and last line of the trap that the branch on a line goes over; None when it is no such branch."""
    found = BRANCH.match(lines[number])
    if not found or found[1] not in AARCH64.opposite:
        return None
    begin = next_loud(lines, number + 1, AARCH64)
    end = end_of_trap(lines, begin, AARCH64)
    if end is None:
        return None
    label = LABEL.match(lines[next_loud(lines, end + 1, AARCH64)])
    return (begin, end) if label and label[1] == found[3] else None


def instructions(text: str, syntax: Syntax) -> list[str]:
    """The lines of the text without comments about variables, which are most of it."""
    about_variables = (f"\t{syntax.comment}DEBUG_VALUE", f"\t{syntax.comment}DEBUG_LABEL")
    return [line for line in text.split("\n") if not line.startswith(about_variables)]


def movable_traps(lines: list[str], syntax: Syntax) -> dict[str, tuple[int, int]]:
    """Traps that nothing but branches on a condition leads to: the label, first and last line of each."""
    traps = dict(find_traps(lines, syntax))
    branches = Counter(found[3] for line in lines if (found := BRANCH.match(line)) and found[1] in syntax.opposite)
    references = Counter(label for line in lines for label in set(REFERENCE.findall(line.partition(syntax.comment)[0])))
    return {label: place for label, place in traps.items() if references[label] == branches[label] + 1 > 1}


def find_traps(lines: list[str], syntax: Syntax) -> Iterator[tuple[str, tuple[int, int]]]:
    """Blocks that begin with a label and are nothing but a trap: the label, first and last line of the trap."""
    for number, line in enumerate(lines):
        found = LABEL.match(line)
        if found and not falls_into(lines, number, syntax):
            begin = next_loud(lines, number + 1, syntax)
            end = end_of_trap(lines, begin, syntax)
            if end is not None:
                yield found[1], (begin, end)


def next_loud(lines: list[str], number: int, syntax: Syntax) -> int:
    """The first line from here on with something that runs, or a label that can be reached."""
    while number < len(lines) - 1 and syntax.is_silent(lines[number]):
        number += 1
    return number


def end_of_trap(lines: list[str], begin: int, syntax: Syntax) -> int | None:
    """The last line of the inline assembly that begins at a line, when it is a trap with a site; else None."""
    if lines[begin] != syntax.begin:
        return None
    end = lines.index(syntax.end, begin)
    body = lines[begin + 1 : end]
    return end if syntax.trap in body and any(SITES in line for line in body) else None


def falls_into(lines: list[str], number: int, syntax: Syntax) -> bool:
    """Whether the code before a line goes on to it."""
    before = number - 1
    while syntax.is_silent(lines[before]):
        before -= 1
    if lines[before] == syntax.end:
        begin = before
        while lines[begin] != syntax.begin:
            begin -= 1
        return end_of_trap(lines, begin, syntax) is None
    return not syntax.leaves.match(lines[before])
