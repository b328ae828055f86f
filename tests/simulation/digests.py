"""SHA-256 and ChaCha20 with what Python has: chained records and random numbers would take half of the time otherwise.

`tests/unit/sdk/test_sha256.py` and `tests/unit/services/test_entropy.py` test the system's own.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any, Literal
from weakref import WeakKeyDictionary

from cloudos.lang import U8, Array, Region, Slice

MASK = 0xFFFF_FFFF
STATE = struct.Struct("<16I")
BLOCK = STATE.size
COUNTER = 12
# Which words the quarter rounds of two rounds take (RFC 8439, section 2.3).
QUARTERS = (
    (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
    (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
)  # fmt: skip


def install(modules: dict[str, Any]) -> None:
    """Let a copy of a program's modules compute so."""
    if "cloudos.sdk.sha256" in modules:
        sha256 = modules["cloudos.sdk.sha256"].Sha256
        sha256.update, sha256.finish = _sha256()
    if "cloudos.services.entropy.generator" in modules:
        modules["cloudos.services.entropy.generator"].ChaCha20.next_block = next_block


def _sha256() -> tuple[Callable[[Any, Any], None], Callable[[Any, Any], None]]:
    """`update` and `finish`. Of what they do, the struct holds only how many bytes came: none before a message."""
    under_way: WeakKeyDictionary[Region, dict[int, Any]] = WeakKeyDictionary()

    def hash_of(sha: Any) -> Any:
        here = under_way.setdefault(sha._region, {})
        if sha.total == 0:
            here[sha._offset] = hashlib.sha256()
        return here[sha._offset]

    def update(sha: Any, content: Any) -> None:
        hash_of(sha).update(bytes(content))
        sha.total += content.length

    def finish(sha: Any, into: Any) -> None:
        put(hash_of(sha).digest(), into)
        sha.begin()

    return update, finish


def next_block(cipher: Any, into: Slice[U8]) -> None:
    """See `ChaCha20`."""
    region, offset = cipher.state._region, cipher.state._offset
    state = STATE.unpack_from(region.data, offset)
    words = list(state)
    for _ in range(10):
        for a, b, c, d in QUARTERS:
            _quarter(words, a, b, c, d)
    content = STATE.pack(*((one + other) & MASK for one, other in zip(words, state, strict=True)))
    put(content[: min(int(into.length), BLOCK)], into)
    cipher.state[COUNTER] = cipher.state[COUNTER].wrapping_add(1)


def _quarter(words: list[int], a: int, b: int, c: int, d: int) -> None:
    for left, right, at, count in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        words[left] = (words[left] + words[right]) & MASK
        mixed = words[at] ^ words[left]
        words[at] = (mixed << count | mixed >> (32 - count)) & MASK


def put(content: bytes, into: Slice[U8]) -> None:
    """Store at most 64 bytes at the start of a slice."""
    staged = Array[U8, Literal[64]]()
    staged._region.data[: len(content)] = content
    into[0 : len(content)].copy_from(staged.slice()[0 : len(content)])
