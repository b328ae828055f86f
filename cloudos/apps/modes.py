"""Permission bits as texts: `rwxr-xr-x` in listings, `755` and `u=rwx,go-w` on command lines."""

from __future__ import annotations

from cloudos.lang import U8, U64, Error, managed
from cloudos.sdk import Text
from cloudos.sdk.filesystem import creation_mask

ALL = 0o777
COMMA = ord(",")
MINUS = ord("-")
PLUS = ord("+")
EQUALS = ord("=")


class BadMode(Error):
    """The text does not spell permission bits."""


@managed
class ModeReader:
    """Applies symbolic changes to permission bits."""

    text: Text
    at: U64
    mode: U64
    is_directory: bool

    def peek(self) -> U8:
        return self.text[self.at] if self.at < self.text.length else U8(0)

    def run(self) -> U64:
        """The bits after all changes; raises BadMode."""
        while True:
            self.clause()
            if self.at == self.text.length:
                return self.mode
            if self.peek() != COMMA:
                raise BadMode
            self.at += 1

    def clause(self) -> None:
        """Who, and what happens to whose bits."""
        who = self.users()
        everyone = who == 0
        if everyone:
            who = U64(ALL)
        if self.peek() != PLUS and self.peek() != MINUS and self.peek() != EQUALS:
            raise BadMode
        while self.peek() == PLUS or self.peek() == MINUS or self.peek() == EQUALS:
            action = self.peek()
            self.at += 1
            bits = self.bits() & who
            if everyone:
                bits = bits & ~creation_mask()
            if action == PLUS:
                self.mode = self.mode | bits
            elif action == MINUS:
                self.mode = self.mode & ~bits
            else:
                self.mode = (self.mode & ~who) | bits

    def users(self) -> U64:
        """The bits of those named, 0 for nobody."""
        result = U64(0)
        while True:
            match self.peek():
                case 0x75:
                    result = result | 0o700
                case 0x67:
                    result = result | 0o070
                case 0x6F:
                    result = result | 0o007
                case 0x61:
                    result = result | 0o777
                case _:
                    return result
            self.at += 1

    def bits(self) -> U64:
        """The permissions named, for everyone."""
        result = U64(0)
        while True:
            match self.peek():
                case 0x72:
                    result = result | 0o444
                case 0x77:
                    result = result | 0o222
                case 0x78:
                    result = result | 0o111
                case 0x58:
                    if self.is_directory or self.mode & 0o111 != 0:
                        result = result | 0o111
                case 0x75:
                    result = result | (self.mode >> 6 & 7) * 0o111
                case 0x67:
                    result = result | (self.mode >> 3 & 7) * 0o111
                case 0x6F:
                    result = result | (self.mode & 7) * 0o111
                case _:
                    return result
            self.at += 1


def parse_mode(text: Text, mode: U64, is_directory: bool) -> U64:
    """The permission bits that a text makes of `mode`: an octal number, or symbolic changes. Raises BadMode."""
    if text.length == 0:
        raise BadMode
    if text[0] < 0x30 or text[0] > 0x39:
        return ModeReader(text, U64(0), mode, is_directory).run()
    value = U64(0)
    for byte in text.content:
        if byte < 0x30 or byte > 0x37 or value > ALL:
            raise BadMode
        value = value * 8 + U64(byte - 0x30)
    if value > ALL:
        raise BadMode
    return value


def mode_text(mode: U64) -> Text:
    """Nine letters or dashes."""
    user = three(mode >> 6)
    group = three(mode >> 3)
    return Text(f"{user}{group}{three(mode)}")


def three(bits: U64) -> Text:
    read = "r" if bits & 4 != 0 else "-"
    write = "w" if bits & 2 != 0 else "-"
    run = "x" if bits & 1 != 0 else "-"
    return Text(f"{read}{write}{run}")
