"""SHA-256 against CPython's own, for messages in any pieces."""

from __future__ import annotations

import hashlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.lang import U8, Array, data
from cloudos.sdk.sha256 import Sha256


def digest(*pieces: bytes, hash: Sha256 | None = None) -> bytes:
    hash = Sha256() if hash is None else hash
    for piece in pieces:
        hash.update(data(piece) if piece else Array[U8, Literal[1]]().slice()[0:0])
    into = Array[U8, Literal[32]]()
    hash.finish(into.slice())
    return bytes(int(byte) for byte in into)


@pytest.mark.parametrize("length", [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128])
def test_lengths_around_the_ends_of_blocks(length: int) -> None:
    message = bytes(range(256))[:length]
    assert digest(message) == hashlib.sha256(message).digest()


@given(st.lists(st.binary(max_size=150), max_size=4))
def test_pieces_do_not_matter(pieces: list[bytes]) -> None:
    assert digest(*pieces) == hashlib.sha256(b"".join(pieces)).digest()


def test_a_finished_hash_begins_anew() -> None:
    hash = Sha256()
    digest(b"one", hash=hash)
    assert digest(b"two", hash=hash) == hashlib.sha256(b"two").digest()
