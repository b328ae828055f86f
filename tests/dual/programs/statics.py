"""Objects made while importing: their memory, the pointers between them, tables computed by Python."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import I16, U8, U16, U32, U64, Array, Ptr, Slice, data, null, struct, zeroed


@struct
class Node:
    value: U32
    next: Ptr[Node] = null()


@struct
class Ring:
    first: Ptr[Node]
    members: Array[Node, Literal[3]] = zeroed()
    inside: Ptr[U32] = null()
    name: Slice[U8] = zeroed()
    rest: Slice[Node] = zeroed()


@struct
class Settings:
    small: U8 = U8(200)
    signed: I16 = I16(-3)
    flag: bool = True
    wide: U64 = U64(0x1122_3344_5566_7788)


def _ring() -> Ring:
    made = Ring(null())
    for i in range(3):
        made.members[i].value = U32(i * 5 + 1)
        made.members[i].next = Ptr.to(made.members[(i + 1) % 3])
    made.first = Ptr.to(made.members[1])
    made.inside = Ptr.to(made.members[2]).cast(U32)
    made.name = data(b"ring")
    made.rest = made.members.slice()[1:]
    return made


def _table() -> Array[U32, Literal[256]]:
    """The table of CRC-32."""
    table = Array[U32, Literal[256]]()
    for i in range(256):
        value = i
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        table[i] = U32(value)
    return table


RING = _ring()
TABLE = _table()
SETTINGS = Settings()
LATER = Node(U32(4))
EARLIER = Node(U32(3), Ptr.to(LATER))
LIMIT = 10
NAMES = (b"zero", b"one", b"two")
SIZES = {"small": U64(3), "large": U64(700)}


def follow(steps: U8) -> U32:
    at = RING.first
    total = U32(0)
    for _ in U64.range(U64(steps % 9)):
        total = total * 17 % 100003 + at.value.value
        at = at.value.next
    return total


def interior_pointer(a: U8) -> U32:
    RING.inside.value = U32(a)
    return RING.members[2].value


def interior_slice(i: U8) -> U32:
    return RING.rest[i % 3].value + U32(RING.rest.length) * 1000


def bytes_in_a_field(i: U8) -> U8:
    return RING.name[i % 5]


def settings() -> tuple[U8, I16, bool, U64]:
    return SETTINGS.small, SETTINGS.signed, SETTINGS.flag, SETTINGS.wide


def changed(a: U16) -> U64:
    SETTINGS.wide = SETTINGS.wide.rotate_left(1) ^ U64(a)
    SETTINGS.flag = not SETTINGS.flag
    return SETTINGS.wide + U64(SETTINGS.flag)


def separate_objects() -> tuple[U32, U32]:
    return EARLIER.next.value.value, EARLIER.value


def crc(text: Slice[U8]) -> U32:
    value = ~U32(0)
    for byte in text:
        value = TABLE[(value ^ U32(byte)) & 0xFF] ^ value >> 8
    return ~value


def python_constants(a: U8) -> U64:
    """Ints of the module are constants of the code."""
    return U64(a) + LIMIT * 3 + len(NAMES) + SIZES["large"]


def constant_conditions(a: U8) -> U8:
    if LIMIT > 5:
        return a
    return U8(0)
