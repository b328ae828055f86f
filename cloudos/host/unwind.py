"""The kernel's call stack, from a piece of its stack and the call frame information in its ELF file.

Sources: DWARF version 5, section 6.4; register numbers from the psABI of each architecture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

POINTERS = {"x64": (7, 6), "AArch64": (31, 29)}
"""DWARF's numbers of stack pointer and frame pointer, by the name that pyelftools gives the architecture."""

MOST_CALLS = 256


@dataclass(frozen=True)
class Stack:
    """Where code stopped: instruction, stack and frame pointer, and the words of the stack from `sp` on.

    `link`: where a function returns to that has not put that on the stack, on processors that have a register for it.
    """

    ip: int
    sp: int
    fp: int
    words: Sequence[int]
    link: int | None = None

    def word(self, address: int) -> int | None:
        """The word at an address; None when it was not written down."""
        index, rest = divmod(address - self.sp, 8)
        return self.words[index] if rest == 0 and 0 <= index < len(self.words) else None


def return_addresses(elf: Any, stack: Stack) -> list[int]:
    """Where the calls on the stack return to, innermost first, as far as the ELF file describes the code."""
    # Imported here, where there is a panic to explain: it takes longer than most programs run.
    from elftools.dwarf.callframe import FDE

    dwarf = elf.get_dwarf_info()
    if not dwarf.has_CFI() or elf.get_machine_arch() not in POINTERS:
        return []
    entries = [entry for entry in dwarf.CFI_entries() if isinstance(entry, FDE)]
    numbers = POINTERS[elf.get_machine_arch()]
    registers = dict(zip(numbers, (stack.sp, stack.fp), strict=True))
    found: list[int] = []
    address = stack.ip
    while len(found) < MOST_CALLS:
        # The instruction after a call may belong to the next function, or to code that is described otherwise.
        row = row_at(entries, address - bool(found))
        # Only the innermost function can have its return address in a register still.
        link = None if found else stack.link
        caller = None if row is None else step(row, numbers, registers, stack, link)
        if caller is None:
            break
        found.append(caller)
        address = caller
    return found


def row_at(entries: Sequence[Any], address: int) -> dict[Any, Any] | None:
    """The rules that hold at an address: pyelftools' row of the table, with the return address under "return"."""
    for entry in entries:
        start = entry["initial_location"]
        if start <= address < start + entry["address_range"]:
            row: dict[Any, Any] = [row for row in entry.get_decoded().table if row["pc"] <= address][-1]
            return {**row, "return": row.get(entry.cie["return_address_register"])}
    return None


def step(
    row: dict[Any, Any], numbers: tuple[int, int], registers: dict[int, int], stack: Stack, link: int | None
) -> int | None:
    """Where this call returns to, after `registers` have become the caller's; None when that cannot be known.

    `link` is where it returns to when it has not put that on the stack.
    """
    frame = row["cfa"]
    if frame.reg not in registers:
        return None
    base = registers[frame.reg] + frame.offset
    where = row["return"]
    caller = stack.word(base + where.arg) if where is not None and where.type == "OFFSET" else link
    saved = row.get(numbers[1])
    if saved is not None and saved.type == "OFFSET":
        registers[numbers[1]] = stack.word(base + saved.arg) or 0
    registers[numbers[0]] = base
    return caller
