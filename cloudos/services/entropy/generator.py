"""The generator: ChaCha20 (RFC 8439) with fast key erasure.

Each request makes a key stream, whose first 32 bytes are the next key and the rest the output: who learns the key later
cannot compute what was given before.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, U64, Array, Slice, struct, zeroed

BLOCK = 64
KEY = 32
# "expand 32-byte k", section 2.3.
CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)


@struct
class ChaCha20:
    """The block function: section 2.3."""

    state: Array[U32, Literal[16]] = zeroed()
    work: Array[U32, Literal[16]] = zeroed()

    def begin(self, key: Slice[U8], counter: U32, nonce: Slice[U8]) -> None:
        """Set key (32 bytes), block counter and nonce (12 bytes)."""
        self.state[0], self.state[1] = U32(CONSTANTS[0]), U32(CONSTANTS[1])
        self.state[2], self.state[3] = U32(CONSTANTS[2]), U32(CONSTANTS[3])
        for i in U64.range(8):
            self.state[4 + i] = word_at(key, i * 4)
        self.state[12] = counter
        for i in U64.range(3):
            self.state[13 + i] = word_at(nonce, i * 4)

    def next_block(self, into: Slice[U8]) -> None:
        """64 bytes of key stream, or as many as fit; the counter goes on."""
        self.work = self.state
        for _ in U64.range(10):
            self.quarter(U64(0), U64(4), U64(8), U64(12))
            self.quarter(U64(1), U64(5), U64(9), U64(13))
            self.quarter(U64(2), U64(6), U64(10), U64(14))
            self.quarter(U64(3), U64(7), U64(11), U64(15))
            self.quarter(U64(0), U64(5), U64(10), U64(15))
            self.quarter(U64(1), U64(6), U64(11), U64(12))
            self.quarter(U64(2), U64(7), U64(8), U64(13))
            self.quarter(U64(3), U64(4), U64(9), U64(14))
        for i in U64.range(min(into.length, U64(BLOCK))):
            word = self.work[i // 4].wrapping_add(self.state[i // 4])
            into[i] = U8.truncate(word >> U32(i % 4) * 8)
        self.state[12] = self.state[12].wrapping_add(1)

    def quarter(self, a: U64, b: U64, c: U64, d: U64) -> None:
        """The quarter round: section 2.1."""
        w = self.work
        w[a] = w[a].wrapping_add(w[b])
        w[d] = (w[d] ^ w[a]).rotate_left(16)
        w[c] = w[c].wrapping_add(w[d])
        w[b] = (w[b] ^ w[c]).rotate_left(12)
        w[a] = w[a].wrapping_add(w[b])
        w[d] = (w[d] ^ w[a]).rotate_left(8)
        w[c] = w[c].wrapping_add(w[d])
        w[b] = (w[b] ^ w[c]).rotate_left(7)


def word_at(text: Slice[U8], at: U64) -> U32:
    """Four bytes, little endian."""
    word = U32(0)
    for i in U64.range(4):
        word = word | U32(text[at + i]) << U32(i) * 8
    return word


@struct
class Generator:
    """The key, and the cipher."""

    key: Array[U8, Literal[32]] = zeroed()
    nonce: Array[U8, Literal[12]] = zeroed()
    cipher: ChaCha20 = ChaCha20()

    def fill(self, into: Slice[U8]) -> None:
        """Fill all of a slice, and replace the key."""
        self.cipher.begin(self.key.slice(), U32(0), self.nonce.slice())
        first = Array[U8, Literal[64]]()
        self.cipher.next_block(first.slice())
        self.key.slice().copy_from(first.slice()[0:KEY])
        taken = min(into.length, U64(BLOCK - KEY))
        into[0:taken].copy_from(first.slice()[KEY : taken + KEY])
        first.slice().fill(U8(0))
        while taken < into.length:
            self.cipher.next_block(into[taken : into.length])
            taken = min(taken + BLOCK, into.length)
        # What is left in the cipher would tell the old key.
        self.cipher.state.slice().fill(U32(0))
        self.cipher.work.slice().fill(U32(0))
