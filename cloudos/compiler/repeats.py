"""Instructions that stand in several places once, in the assembly text of a linked kernel of x86_64.

        movq 72(%rbx), %rsi                         callq repeated_3
        callq own_table            becomes          …
        …                                       repeated_3:
                                                    movq 72(%rbx), %rsi
                                                    jmp own_table

What is taken runs straight on, says nothing of the stack, and ends with a call at most, which becomes a jump: whoever
is called finds the stack as before. `callq` and `retq` change no register but RSP, no flag, and no memory but eight
bytes below the stack, where nothing is (`-mno-red-zone`). So registers and flags may go in and out.

The way there and back takes one or two instructions more: functions marked `fast` or `often` are left as they are. LLVM
does the same for AArch64, where a call changes a register.
"""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cloudos.compiler.shorten import FAST_SECTION, FUNCTION_BEGIN, FUNCTION_END, OFTEN_SECTION, SECTION, Measure

LONGEST = 12
"""Instructions that are looked at together."""
LEAST_GAIN = 3
"""Bytes for which a piece of code gets a place of its own."""
CALL_BYTES, RETURN_BYTES = 5, 1
FIRST_FUNCTION = 900_000

MOVABLE = re.compile(
    r"(mov|lea|add|sub|and|or|xor|cmp|test|inc|dec|neg|not|set|cmov|shl|shr|sar|rol|ror|bt|imul|mul|div)[a-z]*\t"
)
PLACED = re.compile(r"%(rsp|esp|spl?)\b|\.L(BB|JTI|tmp|func)")
"""What means something else at another place, or with another word on the stack."""
CALL = re.compile(r"callq\t([A-Za-z_]\w*)$")
SILENT = re.compile(r"\s*(\.loc\s|\.Ltmp\d+:|#|$)")

Words = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """Instructions that follow each other, with their lines and bytes."""

    words: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


Place = tuple[Run, int]
"""Where in a run something begins."""


def outline(text: str, measure: Measure) -> str:
    """The same program, in which repeated code stands once where that makes it smaller."""
    lines = text.split("\n")
    runs = list(find_runs(lines))
    set_sizes(lines, runs, measure)
    gone: set[int] = set()
    functions: list[str] = []
    for words, places in chosen(runs):
        name = f"repeated_{len(functions)}"
        functions.append(function_text(name, FIRST_FUNCTION + len(functions), words))
        for run, begin in places:
            first, *others = run.lines[begin : begin + len(words)]
            lines[first] = f"\tcallq\t{name}"
            gone |= set(others)
    left = "\n".join(line for number, line in enumerate(lines) if number not in gone)
    return left + "".join(functions)


def find_runs(lines: list[str]) -> Iterator[Run]:
    """All that may be taken, in pieces as long as possible."""
    section = ""
    inside = False
    run = Run()
    for number, line in enumerate(lines):
        if SILENT.match(line) and line not in ("\t#APP", "\t#NO_APP"):
            continue
        word = line.partition("#")[0].strip()
        if found := SECTION.match(line):
            section = found[1] or found[2]
        elif FUNCTION_BEGIN.match(line) or line == "\t#NO_APP":
            inside = section.startswith(".text") and not section.startswith((FAST_SECTION, OFTEN_SECTION))
        elif FUNCTION_END.match(line) or line == "\t#APP":
            inside = False
        is_call = bool(CALL.match(word))
        is_taken = inside and (is_call or (MOVABLE.match(word) and not PLACED.search(word)))
        if is_taken:
            run.words.append(word)
            run.lines.append(number)
        if run.words and (is_call or not is_taken):
            yield run
            run = Run()


def set_sizes(lines: list[str], runs: list[Run], measure: Measure) -> None:
    """Find out how many bytes each instruction takes."""
    labelled = list(lines)
    for run in runs:
        for number in run.lines:
            labelled[number] = f".Lbefore{number}:\n{lines[number]}\n.Lbehind{number}:"
    addresses: Mapping[str, int] = measure("\n".join(labelled))
    for run in runs:
        run.sizes.extend(addresses[f".Lbehind{number}"] - addresses[f".Lbefore{number}"] for number in run.lines)


def chosen(runs: list[Run]) -> Iterator[tuple[Words, list[Place]]]:
    """What is worth a place of its own and where it stands, that which saves most first; nothing is taken twice."""
    groups: dict[Words, list[Place]] = defaultdict(list)
    for run in runs:
        for begin in range(len(run.words)):
            for end in range(begin + 1, min(len(run.words), begin + LONGEST) + 1):
                groups[tuple(run.words[begin:end])].append((run, begin))
    heap = [(-saved(words, places), words) for words, places in groups.items() if saved(words, places) >= LEAST_GAIN]
    heapq.heapify(heap)
    taken: set[int] = set()
    while heap:
        promised, words = heapq.heappop(heap)
        places = free(groups[words], len(words), taken)
        gain = saved(words, places)
        if gain < LEAST_GAIN:
            continue
        if gain < -promised:
            heapq.heappush(heap, (-gain, words))
            continue
        taken |= {number for run, begin in places for number in run.lines[begin : begin + len(words)]}
        yield words, places


def free(places: list[Place], length: int, taken: set[int]) -> list[Place]:
    """Those of the places where nothing has been taken, and that do not overlap."""
    found: list[Place] = []
    last = -1
    for run, begin in places:
        numbers = run.lines[begin : begin + length]
        if numbers[0] > last and taken.isdisjoint(numbers):
            found.append((run, begin))
            last = numbers[-1]
    return found


def saved(words: Words, places: list[Place]) -> int:
    """Bytes saved when this stands once."""
    if len(places) < 2:
        return 0
    run, begin = places[0]
    size = sum(run.sizes[begin : begin + len(words)])
    return len(places) * (size - CALL_BYTES) - size - (0 if CALL.match(words[-1]) else RETURN_BYTES)


def function_text(name: str, number: int, words: Words) -> str:
    """A function of these instructions, which returns to behind the call that stands in their place."""
    last = CALL.match(words[-1])
    body = [*words[:-1], f"jmp\t{last[1]}"] if last else [*words, "retq"]
    code = "".join(f"\t{word}\n" for word in body)
    return (
        f'\t.section\t.text.{name},"ax",@progbits\n\t.type\t{name},@function\n{name}:\n.Lfunc_begin{number}:\n'
        f"\t.cfi_startproc\n{code}.Lfunc_end{number}:\n\t.size\t{name}, .Lfunc_end{number}-{name}\n\t.cfi_endproc\n"
    )
