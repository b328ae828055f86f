"""Jump tables of two bytes an entry, in the assembly text of a linked kernel.

LLVM makes them of eight bytes on x86_64. Here they hold the distance from the beginning of their function:

        jmpq *.LJTI7_0(,%rax,8)       becomes   movzwl .LJTI7_0(,%rax,2), %eax
                                                addq $.Lfunc_begin7, %rax
                                                jmpq *%rax

which takes a register. The index has one; whether it is wanted later is looked up on every way on from the jump, as
are the flags, which the addition changes. The function writes that register somewhere, so that its callers, who may
know which registers it leaves alone, do not count on it.

On AArch64 they are of four bytes, where the function holds inline assembly, as a check that may fail is. They hold the
distance in instructions:

        ldrsw x11, [x9, x8, lsl #2]   becomes   ldrsh x11, [x9, x8, lsl #1]
        add x10, x10, x11                       add x10, x10, x11, lsl #2
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudos.compiler.shorten import FAST_SECTION, SECTION

TABLE = re.compile(r"(\.LJTI\d+_\d+):")
ENTRY_X86 = re.compile(r"\t\.quad\t(\.LBB\d+_\d+)$")
ENTRY_A64 = re.compile(r"\t\.word\t(\.LBB\d+_\d+-\.L\w+)$")
JUMP_X86 = re.compile(r"\tjmpq\t\*(\.LJTI\d+_\d+)\(,%(\w+),8\)")
BASE_A64 = re.compile(r"\tadr\t(x\d+), (\.LJTI\d+_\d+)$")
BEGIN = re.compile(r"(\.Lfunc_begin\d+):")
END = re.compile(r"(\.Lfunc_end\d+):")
FUNCTION = re.compile(r"([A-Za-z_]\w*):")
WITHIN = 20
"""Lines in which all of a jump through a table stands."""


def entries(lines: list[str], entry: re.Pattern[str]) -> dict[str, list[int]]:
    """The tables that hold nothing else: the numbers of their lines."""
    found: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        if match := TABLE.match(line):
            rows = found[match[1]] = []
            while entry.match(lines[number + 1 + len(rows)]):
                rows.append(number + 1 + len(rows))
    return {name: rows for name, rows in found.items() if rows}


# AArch64


def shorten_a64(text: str) -> str:
    """The same program of AArch64 with tables of two bytes."""
    lines = text.split("\n")
    tables = entries(lines, ENTRY_A64)
    for number, line in enumerate(lines):
        if (match := BASE_A64.match(line)) and match[2] in tables and _load_half(lines, number, match[1]):
            for row in tables[match[2]]:
                lines[row] = ENTRY_A64.sub(r"\t.hword\t(\1)/4", lines[row])
    return "\n".join(lines)


def _load_half(lines: list[str], number: int, base: str) -> bool:
    """Change the load from the table whose address stands in `base`, and the addition; whether they were found."""
    text = "\n".join(lines[number + 1 : number + WITHIN])
    load = rf"\tldrsw\t(x\d+), \[{base}, ([wx]\d+), (lsl|uxtw) #2\]"
    pattern = re.compile(rf"{load}((?:\n(?!\tadd\t).*)*)\n\tadd\t(x\d+), (x\d+), \1(?=\n)")
    changed, count = pattern.subn(rf"\tldrsh\t\1, [{base}, \2, \3 #1]\4\n\tadd\t\5, \6, \1, lsl #2", text, count=1)
    if count:
        lines[number + 1 : number + WITHIN] = changed.split("\n")
    return bool(count)


# x86_64


def _names(letter: str) -> tuple[str, ...]:
    if letter.isdigit():
        return tuple(f"r{letter}{end}" for end in ("", "d", "w", "b"))
    if letter in "abcd":
        return tuple(
            f"{begin}{letter}{end}" for begin, end in (("r", "x"), ("e", "x"), ("", "x"), ("", "l"), ("", "h"))
        )
    return tuple(f"{begin}{letter}{end}" for begin, end in (("r", ""), ("e", ""), ("", ""), ("", "l")))


REGISTERS = {
    names[0]: names
    for names in map(_names, ("a", "b", "c", "d", "si", "di", "bp", *(str(number) for number in range(8, 16))))
}
"""The names of each general register, those of 64 and 32 bits first."""

LEFT_ALONE = ("rax", "r10", "r11")
"""No function expects anything there; an index in any other register is wanted by whoever is called.

One that is called may leave it alone, and the caller count on that. But not if it, or who is called by it, writes it
anywhere.
"""

SETS = re.compile(r"(mov|lea|pop)")
"""Instructions that write their last operand without reading it."""
SETS_BYTE = re.compile(r"(movb|set)")
WRITES_LAST = re.compile(r"(mov|lea|pop|add|sub|and|or|xor|cmov|set|sh[lr]|sar)")
"""Some of those that write their last operand."""
PLAIN = re.compile(
    r"(mov|lea|pop|push|add|sub|and|or|xor|cmp|test|inc|dec|neg|not|set|cmov|sh[lr]|sar|j[a-z]+$|bt|ro[lr])"
)
"""Instructions that touch no register that they do not name."""
SETS_FLAGS = re.compile(r"((add|sub|and|or|xor|cmp|test|neg)[bwlq]|call|(sh[lr]|sar)[bwlq] \$)")
WITHOUT_NAMING = {"rdtsc": ("rax", "rdx")}
"""What is written, and not read, by instructions that do not name it."""
READS_FLAGS = re.compile(r"(set|cmov|adc|sbb|rc[lr]|pushf|lahf|j(?!mp))")


@dataclass(frozen=True)
class Code:
    """The lines of a program, and where its labels are."""

    lines: list[str]
    labels: dict[str, int]
    tables: dict[str, list[int]]
    functions: dict[str, range]

    def words(self, number: int) -> tuple[str, list[str]]:
        """The name of the instruction of a line, "" if there is none, and its operands."""
        line = self.lines[number].partition("#")[0].strip()
        if not line or line.startswith(".") or line.endswith(":"):
            return "", []
        name, _, rest = re.sub(r"\s+", " ", line).partition(" ")
        return name, [one.strip() for one in re.split(r",\s(?![^(]*\))", rest)]

    def after(self, number: int) -> Iterator[int] | None:
        """The lines that may run next; None when nobody knows."""
        name, operands = self.words(number)
        if self.lines[number].strip() == ".byte\t0xd6" or name == "ud2":
            return iter(())
        if found := JUMP_X86.match(self.lines[number]):
            return iter([self.labels[ENTRY_X86.sub(r"\1", self.lines[row])] for row in self.tables.get(found[1], [])])
        if name.startswith("j"):
            if operands[0] not in self.labels:
                return None
            target = self.labels[operands[0]]
            return iter([target] if name == "jmp" else [target, number + 1])
        return None if name.startswith(("ret", "iret", "sysret")) else iter([number + 1])


def shorten_x86(text: str) -> str:
    """The same program of x86_64 with tables of two bytes, where the register of the index is free."""
    lines = text.split("\n")
    labels = {line.partition(":")[0]: number for number, line in enumerate(lines) if re.match(r"\.L\w+:", line)}
    code = Code(lines, labels, entries(lines, ENTRY_X86), find_functions(lines))
    section, begin = "", 0
    changes: dict[int, str] = {}
    for number, line in enumerate(lines):
        if found := SECTION.match(line):
            section = found[1] or found[2]
        elif BEGIN.match(line):
            begin = number
        match = JUMP_X86.match(line)
        if (
            match is None
            or section.startswith(FAST_SECTION)
            or match[1] not in code.tables
            or is_wanted(code, number, None)
        ):
            continue
        own = next(lines for lines in code.functions.values() if number in lines)
        free = next((one for one in (match[2], *REGISTERS) if is_free(code, own, number, one)), None)
        if free is None:
            continue
        base = lines[begin].partition(":")[0]
        changes[number] = (
            f"\tmovzwl\t{match[1]}(,%{match[2]},2), %{REGISTERS[free][1]}\n\taddq\t${base}, %{free}\n\tjmpq\t*%{free}"
        )
        for row in code.tables[match[1]]:
            changes[row] = ENTRY_X86.sub(rf"\t.short\t\1-{base}", lines[row])
    return "\n".join(changes.get(number, line) for number, line in enumerate(lines))


def find_functions(lines: list[str]) -> dict[str, range]:
    """The lines of each function."""
    found: dict[str, range] = {}
    name, begin = "", 0
    for number, line in enumerate(lines):
        if BEGIN.match(line):
            begin = number
        elif END.match(line):
            found[name] = range(begin, number)
        elif match := FUNCTION.match(line):
            name = match[1]
    return found


def is_free(code: Code, function: range, jump: int, register: str) -> bool:
    """Whether a jump of the function may change a register."""
    written = any(sets(*code.words(number), register) for number in function)
    return written and not is_wanted(code, jump, register)


def is_wanted(code: Code, jump: int, register: str | None) -> bool:
    """Whether what a register (None: the flags) holds may be read after a jump through a table."""
    found = JUMP_X86.match(code.lines[jump])
    assert found is not None
    # Each line with whether the lowest byte of the register is a new one by then.
    left = [(code.labels[ENTRY_X86.sub(r"\1", code.lines[row])], False) for row in code.tables[found[1]]]
    seen: set[tuple[int, bool]] = set()
    while left:
        number, is_new = left.pop()
        if (number, is_new) in seen:
            continue
        seen.add((number, is_new))
        name, operands = code.words(number)
        if reads(name, operands, register, is_new):
            return True
        if sets(name, operands, register) or is_written_by(code, name, operands, register):
            continue
        if name == "jmp" and FUNCTION.match(f"{operands[0]}:") and (register is None or register in LEFT_ALONE):
            continue
        following = code.after(number)
        if following is None:
            return True
        is_new |= register is not None and bool(SETS_BYTE.match(name)) and operands[-1] == f"%{REGISTERS[register][3]}"
        left += [(one, is_new) for one in following]
    return False


def reads(name: str, operands: list[str], register: str | None, is_new: bool) -> bool:
    """Whether an instruction may read a register, but for its lowest byte if that is new, or the flags."""
    if register is None:
        return bool(READS_FLAGS.match(name))
    if name.startswith("call"):
        return register not in LEFT_ALONE or any("%" in one for one in operands)
    if name and not PLAIN.match(name):
        return register not in WITHOUT_NAMING.get(name, ())
    names = [one for one in REGISTERS[register] if not is_new or one != REGISTERS[register][3]]
    if sets(name, operands, register) or (SETS_BYTE.match(name) and operands[-1] == f"%{REGISTERS[register][3]}"):
        operands = operands[:-1]
    return mentioned(operands, names) and not is_zeroing(name, operands)


def sets(name: str, operands: list[str], register: str | None) -> bool:
    """Whether an instruction gives a register a new value whatever the old one is, or the flags."""
    if register is None:
        return bool(SETS_FLAGS.match(f"{name} {operands[0] if operands else ''}"))
    if register in WITHOUT_NAMING.get(name, ()):
        return True
    whole = bool(operands) and operands[-1] in [f"%{one}" for one in REGISTERS[register][:2]]
    return whole and (bool(SETS.match(name)) or is_zeroing(name, operands))


def is_written_by(code: Code, name: str, operands: list[str], register: str | None) -> bool:
    """Whether an instruction calls a function that writes a register somewhere, or calls one that does."""
    if not name.startswith("call") or register is None:
        return False
    left, seen = [operands[0]], set()
    while left:
        function = left.pop()
        if function in seen or function not in code.functions:
            continue
        seen.add(function)
        for number in code.functions[function]:
            inner, words = code.words(number)
            if WRITES_LAST.match(inner) and mentioned(
                [one for one in words[-1:] if one.startswith("%")], REGISTERS[register]
            ):
                return True
            if inner.startswith("call") or inner == "jmp":
                left.append(words[0])
    return False


def is_zeroing(name: str, operands: list[str]) -> bool:
    """Whether it is the exclusive or of a register with itself."""
    return name in ("xorl", "xorq") and operands[0] == operands[-1]


def mentioned(operands: list[str], names: Sequence[str]) -> bool:
    """Whether the operands name a register by one of these names."""
    return any(re.search(rf"%{one}\b", text) for one in names for text in operands)
