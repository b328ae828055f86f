"""What a type checker says of systems Python: right programs pass, wrong mixes are errors."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PRELUDE = """\
from __future__ import annotations
from collections.abc import Iterator
from typing import Generic, Literal, Protocol, TypeVar
from cloudos.lang import (
    F32, F64, I64, U8, U32, U64, Array, Atomic, IntEnum, IntFlag, Order, PhysAddr, Ptr, Sink, Slice, UserPtr,
    VirtAddr, copy, data, enum, free_slice, interpreted, iterate, managed, new_slice, null, sequence, size_of,
    specialised, struct, write_text, zeroed,
)

T = TypeVar("T")


@enum(U8)
class Color(IntEnum):
    RED = 1
    BLUE = 2


@enum(U32)
class Rights(IntFlag):
    READ = 1
    WRITE = 2


@struct
class Point:
    x: I64
    y: I64 = I64(0)


@struct(align=64)
class Node:
    value: U64
    point: Point
    color: Color = Color.RED
    next: Ptr[Node] = null()
    table: Array[U64, Literal[4]] = zeroed()
    ready: Atomic[U32] = Atomic(U32(0))
    text: Slice[U8] = zeroed()


@struct
class Box(Generic[T]):
    item: T
    next: Ptr[Box[T]] = null()
    item_type: type[T] = specialised()


@struct
class Console:
    count: U64 = U64(0)

    def write(self, data: Slice[U8]) -> None:
        self.count += data.length


@sequence
@managed
class Numbers:
    items: Slice[U64]

    @property
    def length(self) -> U64:
        return self.items.length

    def __getitem__(self, index: U64 | int) -> U64:
        return self.items[index]

    @interpreted
    def __iter__(self) -> Iterator[U64]:
        return iterate(self)


@managed
class Shape:
    name: Slice[U8]
    inside: Shape | None = None


n = Node(U64(1), Point(I64(1)))
p = n.point
s = n.table.slice()
"""

RIGHT = """\
n.value += 1
n.value = 2 * n.value - n.value // 3 % 4 << 1 | 1
n.table[3] = n.value
n.table[n.value % 4] = n.table[U32(1)]
n.next = Ptr.to(n)
n.next.value.value = U64(5)
n.next = null()
part: Slice[U64] = n.table[1:3]
rest: Slice[U64] = part[U64(0) : part.length]
points: Array[Point, Literal[3]] = zeroed()
points[0] = copy(n.point)
points[0].x = -points[0].x
box = Box(U64(3))
item: U64 = box.item
small: U8 = Box[U8](U8(3)).item
old: U32 = n.ready.fetch_add(1, Order.RELAXED)
swapped: bool = n.ready.compare_exchange(old, old + 1)
color: Color = Color(U8(1))
number: U8 = U8(Color.RED)
rights = Rights.READ | Rights.WRITE
write_text(Console(), f"{item:#x} {n.value:>8}")
distance: U64 = VirtAddr(0x1000).offset(16).distance(VirtAddr(item))
least: U64 = min(item, distance)
moved: Ptr[U8] = Ptr.at(U64, VirtAddr(16)).cast(U8).offset(3)
ratio = F64(1.5) * 2.0 + F64(item)
whole: I64 = ratio.truncate_to(I64)
memory: Slice[Point] = new_slice(Point, 3)
memory[0].x = I64(1)
free_slice(memory)
for value in Numbers(new_slice(U64, 3)):
    total: U64 = value + 1
for index in U64.range(0, n.table.length, 2):
    total = total + n.table[index]
size: int = size_of(Node)
low: U8 = U8.truncate(n.value)
inside = Shape(data(b"abc")).inside
if inside is not None:
    length: U64 = inside.name.length


def name(which: Color) -> U64:
    match which:
        case Color.RED:
            return U64(1)
        case Color.BLUE:
            return U64(2)
"""

WRONG = [
    "U64(1) + U32(1)",
    "U64(1) == U32(1)",
    "U64(1) < U32(1)",
    "U64(1) + 1.5",
    "U64(1) / U64(1)",
    "U64(1) ** U64(1)",
    "-U64(1)",
    "U64(1).wrapping_add(U8(1))",
    "U64.range(U32(1))",
    "a: U64 = 3",
    "b: U64 = U32(3)",
    "c: int = U64(3)",
    'U8("1")',
    "Point(3)",
    "Point()",
    "Point(I64(1), U64(1))",
    "Point(I64(1), z=I64(1))",
    "p.x = U64(1)",
    "p.x = 3",
    "p.z",
    "p.z = I64(1)",
    "n.color = U8(1)",
    "n.next = Ptr.to(p)",
    "n.table[0] = U32(1)",
    "n.table[I64(0)]",
    "s[0] = U32(1)",
    "s[0] = 1",
    "d: Slice[U8] = s",
    "s.copy_from(n.text)",
    "e: Array[U64, Literal[5]] = n.table",
    "Ptr.to(p).value = n",
    "Ptr.to(p)[0]",
    "Ptr.to(p) == Ptr.to(n)",
    "Ptr.to(p) + 1",
    "PhysAddr(1) == VirtAddr(1)",
    "PhysAddr(1) + 1",
    "PhysAddr(1).distance(VirtAddr(1))",
    "VirtAddr(PhysAddr(1))",
    "UserPtr.at(U8, U64(1)).value",
    "Atomic(U32(1)).store(U64(1))",
    "Atomic(p)",
    "F64(1.0) + F32(1.0)",
    "F64(1.0) + U64(1)",
    'write_text(p, "x")',
    "Box(U64(3)).item + U8(1)",
    "Box[U8](U64(1))",
    "for f in p: pass",
    "Shape(data(b'x'), p)",
    "Shape(data(b'x')).inside.name",
]


def errors_in(tmp_path: Path, source: str) -> dict[int, str]:
    """What mypy --strict says, by line."""
    file = tmp_path / "snippet.py"
    file.write_text(source)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(r"snippet\.py:(\d+): error: (.*)", done.stdout)
    assert found or done.returncode == 0, done.stdout
    return {int(line): message for line, message in found}


def test_mypy_accepts_the_right_and_refuses_the_wrong(tmp_path: Path) -> None:
    lines = (PRELUDE + RIGHT).splitlines()
    first_wrong = len(lines) + 1
    source = "\n".join([*lines, *WRONG, ""])
    errors = errors_in(tmp_path, source)
    right = {line: message for line, message in errors.items() if line < first_wrong}
    assert right == {}
    missed = [text for line, text in enumerate(WRONG, first_wrong) if line not in errors]
    assert missed == []


def test_the_right_program_runs(tmp_path: Path) -> None:
    file = tmp_path / "right.py"
    file.write_text(PRELUDE + RIGHT)
    assert runpy.run_path(str(file))["total"] == 1
