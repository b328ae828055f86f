"""tr: other bytes in place of some, or none."""

from __future__ import annotations

from cloudos.apps.byte_classes import NoSuchClass, class_number, in_class
from cloudos.apps.inputs import CHUNK
from cloudos.apps.options import Options, Usage, parse_leading
from cloudos.lang import U8, U64, free_slice, managed, new_slice
from cloudos.sdk import ByteBuffer, List, Text, print_error, stdin, stdout

BACKSLASH = ord("\\")
CLOSE = ord("]")
COLON = ord(":")
DASH = ord("-")
EQUALS = ord("=")
OPEN = ord("[")
STAR = ord("*")
UPPER_CLASS = 3
LOWER_CLASS = 4
ALL = 256  # bytes


@managed
class SetReader:
    """Reads one of the sets on the command line."""

    text: Text
    at: U64
    bytes: ByteBuffer
    fill_at: U64  # where a `[x*]` stands; beyond the bytes when there is none
    fill_byte: U8
    has_fill: bool
    has_class: bool

    def __init__(self, text: Text) -> None:
        self.text = text
        self.at = U64(0)
        self.bytes = ByteBuffer()
        self.fill_at = U64(0)
        self.fill_byte = U8(0)
        self.has_fill = False
        self.has_class = False

    def peek(self, offset: U64) -> U8:
        at = self.at + offset
        return self.text[at] if at < self.text.length else U8(0)

    def byte(self) -> U8:
        """One byte, perhaps written with a backslash."""
        byte = self.text[self.at]
        self.at += 1
        if byte != BACKSLASH or self.at == self.text.length:
            return byte
        if self.peek(U64(0)) >= 0x30 and self.peek(U64(0)) <= 0x37:
            return self.octal(U64(3))
        byte = self.text[self.at]
        self.at += 1
        match byte:
            case 0x61:
                return U8(7)
            case 0x62:
                return U8(8)
            case 0x66:
                return U8(12)
            case 0x6E:
                return U8(10)
            case 0x72:
                return U8(13)
            case 0x74:
                return U8(9)
            case 0x76:
                return U8(11)
            case _:
                return byte

    def octal(self, limit: U64) -> U8:
        """Up to so many octal digits, as far as they make a byte."""
        value = U64(0)
        for _ in U64.range(limit):
            digit = self.peek(U64(0))
            if digit < 0x30 or digit > 0x37 or value * 8 + U64(digit - 0x30) > 255:
                break
            value = value * 8 + U64(digit - 0x30)
            self.at += 1
        return U8(value)

    def read(self) -> None:
        """Read the whole set; raises Usage."""
        while self.at < self.text.length:
            if self.text[self.at] == OPEN and (self.named() or self.repeated()):
                continue
            low = self.byte()
            if self.peek(U64(0)) != DASH or self.at + 1 >= self.text.length:
                self.bytes.append(low)
                continue
            self.at += 1
            high = self.byte()
            if high < low:
                print_error(f"tr: range-endpoints of '{low:c}-{high:c}' are in reverse collating sequence order")
                raise Usage
            for byte in U64.range(U64(low), U64(high) + 1):
                self.bytes.append(U8(byte))

    def named(self) -> bool:
        """Take `[:class:]` or `[=x=]`, if one is here."""
        mark = self.peek(U64(1))
        if mark != COLON and mark != EQUALS:
            return False
        end = self.at + 2
        while end + 1 < self.text.length and not (self.text[end] == mark and self.text[end + 1] == CLOSE):
            end += 1
        if end + 1 >= self.text.length:
            return False
        name = self.text.slice(self.at + 2, end)
        if mark == EQUALS:
            if name.length != 1:
                return False
            self.bytes.append(name[0])
        else:
            self.add_class(name)
        self.at = end + 2
        return True

    def add_class(self, name: Text) -> None:
        try:
            number = class_number(name)
        except NoSuchClass:
            print_error(f"tr: invalid character class '{name}'")
            raise Usage from None
        self.has_class = self.has_class or (number != UPPER_CLASS and number != LOWER_CLASS)
        for byte in U64.range(ALL):
            if in_class(number, U8(byte)):
                self.bytes.append(U8(byte))

    def repeated(self) -> bool:
        """Take `[x*]` or `[x*n]`, if one is here."""
        start = self.at
        self.at += 1
        if self.at < self.text.length:
            byte = self.byte()
            if self.peek(U64(0)) == STAR:
                self.at += 1
                octal = self.peek(U64(0)) == 0x30
                count = U64(0)
                while self.peek(U64(0)) >= 0x30 and self.peek(U64(0)) <= 0x39 and count < ALL * 8:
                    count = count * (8 if octal else 10) + U64(self.peek(U64(0)) - 0x30)
                    self.at += 1
                if self.peek(U64(0)) == CLOSE:
                    self.at += 1
                    self.repeat(byte, count)
                    return True
        self.at = start
        return False

    def repeat(self, byte: U8, count: U64) -> None:
        if count == 0:
            self.fill_at = self.bytes.length
            self.fill_byte = byte
            self.has_fill = True
        for _ in U64.range(count):
            self.bytes.append(byte)

    def stretched(self, length: U64) -> ByteBuffer:
        """The bytes of the second set, made at least so many: by `[x*]`, else by repeating the last."""
        if self.bytes.length >= length:
            return self.bytes
        missing = length - self.bytes.length
        result = ByteBuffer()
        at = self.fill_at if self.has_fill else self.bytes.length
        filler = self.fill_byte if self.has_fill else self.bytes[self.bytes.length - 1]
        result.write(self.bytes.content()[0:at])
        for _ in U64.range(missing):
            result.append(filler)
        result.write(self.bytes.content()[at : self.bytes.length])
        return result


@managed
class Translation:
    """What becomes of each byte."""

    to: ByteBuffer
    deleted: ByteBuffer  # 1 for those that go
    squeezed: ByteBuffer  # 1 for those of which a run becomes one
    last: U64  # the byte written last; 256 at first

    def __init__(self) -> None:
        self.to = ByteBuffer()
        self.deleted = ByteBuffer()
        self.squeezed = ByteBuffer()
        self.last = U64(ALL)
        for byte in U64.range(ALL):
            self.to.append(U8(byte))
            self.deleted.append(U8(0))
            self.squeezed.append(U8(0))

    def run(self) -> None:
        """Copy standard input to standard output, changed."""
        room = new_slice(U8, CHUNK)
        while True:
            count = stdin.read(room)
            if count == 0:
                break
            used = U64(0)
            for i in U64.range(count):
                byte = room[i]
                if self.deleted[U64(byte)] != 0:
                    continue
                byte = self.to[U64(byte)]
                if self.squeezed[U64(byte)] != 0 and U64(byte) == self.last:
                    continue
                self.last = U64(byte)
                room[used] = byte
                used += 1
            stdout.write(room[0:used])
        free_slice(room)


def complement(bytes: ByteBuffer) -> ByteBuffer:
    """All other bytes, in order."""
    result = ByteBuffer()
    for byte in U64.range(ALL):
        found = False
        for i in U64.range(bytes.length):
            found = found or U64(bytes[i]) == byte
        if not found:
            result.append(U8(byte))
    return result


def translation(options: Options) -> Translation:
    """What the command line asks for; raises Usage."""
    operands = options.operands
    deleting = options.has("d")
    squeezing = options.has("s")
    least = U64(1) if deleting != squeezing else U64(2)
    most = U64(1) if deleting and not squeezing else U64(2)
    if operands.length < least or operands.length > most:
        what = "missing operand" if operands.length < least else "extra operand"
        print_error(f"tr: {what}")
        raise Usage
    first = SetReader(operands[0])
    first.read()
    chosen = complement(first.bytes) if options.has("cC") else first.bytes
    result = Translation()
    if deleting:
        for i in U64.range(chosen.length):
            result.deleted[U64(chosen[i])] = U8(1)
    squeezed = chosen
    if operands.length == 2:
        second = SetReader(operands[1])
        second.read()
        squeezed = second.bytes
        if not deleting:
            squeezed = translate(result, chosen, second, options.has("t"))
    if squeezing:
        for i in U64.range(squeezed.length):
            result.squeezed[U64(squeezed[i])] = U8(1)
    return result


def translate(into: Translation, chosen: ByteBuffer, second: SetReader, truncated: bool) -> ByteBuffer:
    """Let bytes of the first set become those of the second, which is given back as long as it has to be."""
    if second.bytes.length == 0 and not second.has_fill:
        print_error("tr: when not truncating set1, string2 must be non-empty")
        raise Usage
    if second.has_class:
        print_error(
            "tr: when translating, the only character classes that may appear in string2 are 'upper' and 'lower'"
        )
        raise Usage
    targets = second.bytes if truncated else second.stretched(chosen.length)
    for i in U64.range(min(chosen.length, targets.length)):
        into.to[U64(chosen[i])] = targets[i]
    return targets


def tr(arguments: List[Text]) -> U8:
    """Translate (two sets), delete (`-d`) or squeeze (`-s`) bytes; `-c`: the bytes that are not in the first set."""
    try:
        translation(parse_leading(arguments, "cCdst")).run()
    except Usage:
        return U8(1)
    return U8(0)
