"""Print the SHA-256 digests of files, as coreutils' sha256sum does.

    bin/cloudos run --file photo.jpg examples/sha256sum.py photo.jpg
    bin/cloudos run examples/sha256sum.py < photo.jpg

The algorithm is FIPS 180-4, sections 5 and 6.2. Arithmetic is modulo 2**32, so additions say `wrapping_add`: a plain
`+` would stop the program at the first overflow.
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, U64, Array, Slice, data, free_slice, new_slice, struct, write_text, zeroed
from cloudos.sdk import ByteBuffer, List, NotFound, Reader, Text, open_file, print, print_error, run, stdin

BLOCK = 64  # bytes
BACKSLASH = ord("\\")
NEWLINE = ord("\n")
CARRIAGE_RETURN = ord("\r")
CHUNK = 65536  # bytes read at a time


def primes(count: int) -> list[int]:
    """The first prime numbers. This runs while the program is built, where all of Python is at hand."""
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


@struct
class Digest:
    """A SHA-256 computation under way."""

    state: Array[U32, Literal[8]] = zeroed()
    schedule: Array[U32, Literal[64]] = zeroed()
    block: Array[U8, Literal[64]] = zeroed()
    filled: U64 = U64(0)  # bytes waiting in block
    total: U64 = U64(0)  # bytes so far

    def begin(self) -> None:
        """Start a new message."""
        self.state = INITIAL_STATE
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
        """End the message: a one bit, zeros, and the length in bits fill up the last block."""
        bits = self.total * 8
        self.update(data(b"\x80"))
        if self.filled > BLOCK - 8:
            self.update(ZEROS.slice()[0 : U64(BLOCK) - self.filled])
        self.update(ZEROS.slice()[0 : U64(BLOCK - 8) - self.filled])
        length = Array[U8, Literal[8]]()
        for i in U64.range(8):
            length[i] = U8.truncate(bits >> (U64(56) - i * 8))
        self.update(length.slice())

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


ZEROS = Array[U8, Literal[64]]()
digest = Digest()


def digest_of(reader: Reader) -> Text:
    """The digest of all that is left to read, as 64 hexadecimal digits."""
    chunk = new_slice(U8, CHUNK)
    digest.begin()
    while True:
        count = reader.read(chunk)
        if count == 0:
            break
        digest.update(chunk[0:count])
    free_slice(chunk)
    digest.finish()
    result = ByteBuffer()
    for word in digest.state:
        write_text(result, f"{word:08x}")
    return result.to_text()


def print_line(result: Text, name: Text) -> None:
    """One line of output. A name that would break the line is escaped, and a backslash before the line says so."""
    escaped = ByteBuffer()
    for byte in name.content:
        if byte == BACKSLASH:
            write_text(escaped, "\\\\")
        elif byte == NEWLINE:
            write_text(escaped, "\\n")
        elif byte == CARRIAGE_RETURN:
            write_text(escaped, "\\r")
        else:
            escaped.append(byte)
    mark = "" if escaped.length == name.length else "\\"
    print(f"{mark}{result}  {escaped.to_text()}")


def print_digest(name: Text) -> None:
    """Print the digest of a file, or of standard input for `-`. Raises NotFound."""
    if name.equals("-"):
        print_line(digest_of(stdin), name)
    else:
        print_line(digest_of(open_file(name)), name)


def main(args: List[Text]) -> U8:
    names = List[Text]()
    only_names = False
    for i in U64.range(1, args.length):
        name = args[i]
        if only_names or name.equals("-") or not name.starts_with("-"):
            names.append(name)
        elif name.equals("--"):
            only_names = True
        else:
            print_error(f"sha256sum: invalid option '{name}'\nusage: sha256sum [FILE]...")
            return U8(1)
    if names.length == 0:
        names.append(Text("-"))
    status = U8(0)
    for name in names:
        try:
            print_digest(name)
        except NotFound:
            print_error(f"sha256sum: {name}: No such file or directory")
            status = U8(1)
    return status


if __name__ == "__main__":
    run(main)
