"""Searching, comparing and hashing of byte slices, shared by `Text`, `Bytes` and `ByteBuffer`."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice, new_slice

FNV_OFFSET = 0xCBF29CE484222325  # FNV-1a, 64 bits: RFC 9923, section 5
FNV_PRIME = 0x100000001B3


def hash_bytes(content: Slice[U8]) -> U64:
    """FNV-1a over the bytes, its high half folded into the low one, which alone picks a slot in a small table."""
    state = U64(FNV_OFFSET)
    for byte in content:
        state = (state ^ U64(byte)).wrapping_mul(FNV_PRIME)
    return state ^ (state >> 32)


def bytes_less(left: Slice[U8], right: Slice[U8]) -> bool:
    """Whether `left` comes before `right` in byte order; a prefix comes before what it begins."""
    common = min(left.length, right.length)
    for i in U64.range(common):
        if left[i] != right[i]:
            return left[i] < right[i]
    return left.length < right.length


def find_bytes(content: Slice[U8], wanted: Slice[U8], start: U64) -> U64 | None:
    """The first position from `start` on at which `wanted` occurs."""
    position = start
    while position + wanted.length <= content.length:
        if content[position : position + wanted.length].equals(wanted):
            return position
        position += 1
    return None


def copy_bytes(content: Slice[U8]) -> Slice[U8]:
    """A heap copy, owned by the caller, who frees it unless it is empty."""
    if content.length == 0:
        return content
    result = new_slice(U8, content.length)
    result.copy_from(content)
    return result


def is_space(byte: U8) -> bool:
    """Whether this is ASCII white space: what Python's `bytes.isspace` says."""
    return byte == 0x20 or (byte >= 0x09 and byte <= 0x0D)


def lower_letter(byte: U8) -> U8:
    """ASCII capital letters made small, all else unchanged."""
    if byte >= 0x41 and byte <= 0x5A:
        return byte + 0x20
    return byte


def find_byte(content: Slice[U8], wanted: U8) -> U64 | None:
    """The first position of a byte."""
    for i in U64.range(content.length):
        if content[i] == wanted:
            return i
    return None
