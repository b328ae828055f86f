"""SHA-256 (FIPS 180-4, sections 5 and 6.2).

    digest = Sha256()
    digest.update(content)
    digest.finish()
    print(f"{digest.hexadecimal()}")

Arithmetic is modulo 2**32, so additions say `wrapping_add`: a plain `+` would stop the program at the first overflow.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, U64, Array, Slice, data, free_slice, managed, new_slice, write_text, zeroed
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.text import Text
from cloudos.sdk.readers import Reader

BLOCK = 64  # bytes
CHUNK = 16384  # bytes read at a time


def primes(count: int) -> list[int]:
    """The first prime numbers. This runs while the program is built."""
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def root_bits(number: int, degree: int) -> int:
    """The first 32 bits of the fractional part of the square or cube root of `number`."""
    low, high = 0, number << 32
    while low < high:  # the largest integer whose power does not exceed number * 2**(32 * degree)
        middle = (low + high + 1) // 2
        if middle**degree <= number << (32 * degree):
            low = middle
        else:
            high = middle - 1
    return low % 2**32


ROUND_CONSTANTS = Array[U32, Literal[64]]()
INITIAL_STATE = Array[U32, Literal[8]]()
for number, prime in enumerate(primes(64)):
    ROUND_CONSTANTS[number] = U32(root_bits(prime, 3))
    if number < 8:
        INITIAL_STATE[number] = U32(root_bits(prime, 2))
ZEROS = Array[U8, Literal[64]]()


@managed
class Sha256:
    """A computation under way."""

    state: Array[U32, Literal[8]]
    schedule: Array[U32, Literal[64]]
    block: Array[U8, Literal[64]]
    filled: U64  # bytes waiting in block
    total: U64  # bytes so far

    def __init__(self) -> None:
        self.state = INITIAL_STATE
        self.schedule = zeroed()
        self.block = zeroed()
        self.filled = U64(0)
        self.total = U64(0)

    def update(self, content: Slice[U8]) -> None:
        """Take more bytes of the message."""
        self.total += content.length
        position = U64(0)
        if self.filled > 0:
            position = min(U64(BLOCK) - self.filled, content.length)
            self.keep(content[0:position])
            if self.filled < BLOCK:
                return
            self.compress(self.block.slice())
            self.filled = U64(0)
        while content.length - position >= BLOCK:
            self.compress(content[position : position + BLOCK])
            position += BLOCK
        self.keep(content[position : content.length])

    def keep(self, content: Slice[U8]) -> None:
        """Put bytes into the block that is not full yet."""
        stop = self.filled + content.length
        self.block.slice()[self.filled : stop].copy_from(content)
        self.filled = stop

    def finish(self) -> None:
        """End the message: a one bit, zeros, and the length in bits fill up the last block. `state` is the digest."""
        bits = self.total * 8
        self.update(data(b"\x80"))
        if self.filled > BLOCK - 8:
            self.update(ZEROS.slice()[0 : U64(BLOCK) - self.filled])
        self.update(ZEROS.slice()[0 : U64(BLOCK - 8) - self.filled])
        length = Array[U8, Literal[8]]()
        for i in U64.range(8):
            length[i] = U8.truncate(bits >> (U64(56) - i * 8))
        self.update(length.slice())

    def hexadecimal(self) -> Text:
        """The digest as 64 hexadecimal digits, after `finish`."""
        result = ByteBuffer()
        for i in U64.range(8):
            write_text(result, f"{self.state[i]:08x}")
        return result.to_text()

    def compress(self, block: Slice[U8]) -> None:
        """Mix a block of 64 bytes into the state."""
        self.expand(block)
        a, b, c, d = self.state[0], self.state[1], self.state[2], self.state[3]
        e, f, g, h = self.state[4], self.state[5], self.state[6], self.state[7]
        for i in U64.range(64):
            sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25)
            choice = g ^ (e & (f ^ g))  # bits of f where e has ones, of g elsewhere
            mixed = h.wrapping_add(sum1).wrapping_add(choice).wrapping_add(ROUND_CONSTANTS[i])
            mixed = mixed.wrapping_add(self.schedule[i])
            sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)
            majority = (a & b) | (c & (a | b))
            h = g
            g = f
            f = e
            e = d.wrapping_add(mixed)
            d = c
            c = b
            b = a
            a = mixed.wrapping_add(sum0).wrapping_add(majority)
        self.add(U64(0), a, b, c, d)
        self.add(U64(4), e, f, g, h)

    def expand(self, block: Slice[U8]) -> None:
        """Fill the message schedule: 16 words from the block, 48 more from those."""
        words = self.schedule
        for i in U64.range(16):
            word = U32(0)
            for byte in block[i * 4 : i * 4 + 4]:
                word = word.wrapping_shl(8) | U32(byte)
            words[i] = word
        for i in U64.range(16, 64):
            early = words[i - 15]
            late = words[i - 2]
            sigma0 = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3)
            sigma1 = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10)
            words[i] = words[i - 16].wrapping_add(sigma0).wrapping_add(words[i - 7]).wrapping_add(sigma1)

    def add(self, first: U64, a: U32, b: U32, c: U32, d: U32) -> None:
        """Add four words to the state."""
        self.state[first] = self.state[first].wrapping_add(a)
        self.state[first + 1] = self.state[first + 1].wrapping_add(b)
        self.state[first + 2] = self.state[first + 2].wrapping_add(c)
        self.state[first + 3] = self.state[first + 3].wrapping_add(d)


def digest_of(reader: Reader) -> Text:
    """The digest of all that is left to read, as 64 hexadecimal digits. Raises what reading does."""
    chunk = new_slice(U8, CHUNK)
    digest = Sha256()
    try:
        while True:
            count = reader.read(chunk)
            if count == 0:
                break
            digest.update(chunk[0:count])
    finally:
        free_slice(chunk)
    digest.finish()
    return digest.hexadecimal()
