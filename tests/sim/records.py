"""Structures of the kernel, read from the machine's memory as plain numbers, without the kernel's own code.

`Shape(Thread).read(memory, address)` is a dictionary from the names of fields, dotted for fields of fields
("header.references"), to integers. Arrays are left out. Reading so is a hundred times faster than through the structs,
and changes nothing: a check may look at everything after every step.
"""

from __future__ import annotations

import struct
from typing import Any

from cloudos.lang import Ptr, current_address_space
from tests.sim.world import board, kernel_module

Values = dict[str, int]
FORMATS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Memory:
    """The bytes that the kernel sees at its addresses: physical memory and static data."""

    def __init__(self, made: board.Board) -> None:
        self.physical = made.memory
        self.levels = made.levels

    def locate(self, address: int) -> tuple[bytearray, int]:
        """Where the bytes at an address are. LookupError when there is nothing."""
        offset = address - board.DIRECT_BASE
        if 0 <= offset < self.physical.size:
            return self.physical.data, offset
        found = current_address_space().find(address)
        if found is None:
            raise LookupError(f"nothing lies at {address:#x}")
        return found[0].data, found[1]

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """`count` numbers of eight bytes."""
        data, offset = self.locate(address)
        return struct.unpack_from(f"<{count}Q", data, offset)


class Shape:
    """How the fields of a struct class lie in memory. `pointers`: to what the pointers among them point."""

    def __init__(self, kind: type[Any]) -> None:
        self.size = int(kind.__struct__.size)
        self.offsets: dict[str, tuple[int, int]] = {}
        self.pointers: dict[str, Any] = {}
        self._collect(kind, "", 0)
        at, text = 0, "<"
        for offset, size in self.offsets.values():
            text += f"{offset - at}x{FORMATS[size]}"
            at = offset + size
        self._format = struct.Struct(f"{text}{self.size - at}x")
        self._names = tuple(self.offsets)

    def _collect(self, kind: type[Any], prefix: str, base: int) -> None:
        for field in kind.__struct__.fields:
            name, offset = prefix + field.name, base + field.offset
            if hasattr(field.type, "__struct__"):
                self._collect(field.type, f"{name}.", offset)
            elif field.layout.size in FORMATS and not hasattr(field.type, "count"):
                self.offsets[name] = (offset, field.layout.size)
                if isinstance(field.type, type) and issubclass(field.type, Ptr):
                    self.pointers[name] = field.type.element

    def read(self, memory: Memory, address: int) -> Values:
        """The fields of the structure at an address."""
        data, offset = memory.locate(address)
        return dict(zip(self._names, self._format.unpack_from(data, offset), strict=True))

    def at(self, values: Any) -> Values:
        """The fields of a structure that is static data of the kernel."""
        return dict(zip(self._names, self._format.unpack_from(values._region.data, values._offset), strict=True))


def class_of(module: str, name: str) -> type[Any]:
    """A struct class of the kernel that the machine runs."""
    found: type[Any] = getattr(kernel_module(module), name)
    return found
