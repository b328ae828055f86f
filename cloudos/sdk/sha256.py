"""SHA-256 (FIPS 180-4, sections 5 and 6.2) over bytes that come piece by piece.

    hash = Sha256()
    hash.update(text)
    digest = Array[U8, Literal[32]]()
    hash.finish(digest.slice())

Arithmetic is modulo 2**32, so additions say `wrapping_add`.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, U64, Array, Slice, data, struct, zeroed

BLOCK = 64  # bytes
DIGEST = 32  # bytes


def primes(count: int) -> list[int]:
    """The first prime numbers. Runs while the program is built."""
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


def root_words(count: int, degree: int) -> list[U32]:
    """`root_bits` of the first primes."""
    return [U32(root_bits(prime, degree)) for prime in primes(count)]


ROUND_CONSTANTS = Array[U32, Literal[64]]()
INITIAL_STATE = Array[U32, Literal[8]]()
for number, word in enumerate(root_words(64, 3)):
    ROUND_CONSTANTS[number] = word
for number, word in enumerate(root_words(8, 2)):
    INITIAL_STATE[number] = word
ZEROS = Array[U8, Literal[64]]()


@struct
class Sha256:
    """A computation under way: `update` as often as needed, then `finish`, after which a new message begins."""

    state: Array[U32, Literal[8]] = INITIAL_STATE
    schedule: Array[U32, Literal[64]] = zeroed()
    block: Array[U8, Literal[64]] = zeroed()
    filled: U64 = U64(0)  # bytes waiting in block
    total: U64 = U64(0)  # bytes so far

    def begin(self) -> None:
        """Forget what came, and start a new message."""
        self.state = INITIAL_STATE
        self.filled = U64(0)
        self.total = U64(0)

    def update(self, content: Slice[U8]) -> None:
        """Take more bytes of the message."""
        self.total += content.length
        position = U64(0)
        if self.filled > 0:
            position = min(U64(BLOCK) - self.filled, content.length)
            self._keep(content[0:position])
            if self.filled < BLOCK:
                return
            self._compress(self.block.slice())
            self.filled = U64(0)
        while content.length - position >= BLOCK:
            self._compress(content[position : position + BLOCK])
            position += BLOCK
        self._keep(content[position : content.length])

    def finish(self, into: Slice[U8]) -> None:
        """End the message, put its digest into the first 32 bytes of `into`, and begin a new one."""
        bits = self.total * 8
        # A one bit, zeros, and the length in bits fill up the last block.
        self.update(data(b"\x80"))
        if self.filled > BLOCK - 8:
            self.update(ZEROS.slice()[0 : U64(BLOCK) - self.filled])
        self.update(ZEROS.slice()[0 : U64(BLOCK - 8) - self.filled])
        length = Array[U8, Literal[8]]()
        for i in U64.range(8):
            length[i] = U8.truncate(bits >> (U64(56) - i * 8))
        self.update(length.slice())
        for i in U64.range(DIGEST):
            into[i] = U8.truncate(self.state[i // 4] >> (U32(24) - U32(i % 4) * 8))
        self.begin()

    def _keep(self, content: Slice[U8]) -> None:
        """Put bytes into the block that is not full yet."""
        stop = self.filled + content.length
        self.block.slice()[self.filled : stop].copy_from(content)
        self.filled = stop

    def _compress(self, block: Slice[U8]) -> None:
        """Mix a block of 64 bytes into the state."""
        self._expand(block)
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
        self._add(U64(0), a, b, c, d)
        self._add(U64(4), e, f, g, h)

    def _expand(self, block: Slice[U8]) -> None:
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

    def _add(self, first: U64, a: U32, b: U32, c: U32, d: U32) -> None:
        """Add four words to the state."""
        self.state[first] = self.state[first].wrapping_add(a)
        self.state[first + 1] = self.state[first + 1].wrapping_add(b)
        self.state[first + 2] = self.state[first + 2].wrapping_add(c)
        self.state[first + 3] = self.state[first + 3].wrapping_add(d)
