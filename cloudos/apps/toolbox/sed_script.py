"""Scripts of sed: from text to a list of commands."""

from __future__ import annotations

from cloudos.apps.regex import EXTENDED, IGNORE_CASE, Regex, compile_pattern
from cloudos.apps.regex_errors import BadPattern, problem
from cloudos.lang import U8, U64, Error, error_code, managed
from cloudos.sdk import ByteBuffer, List, Text

# Kinds of addresses.
LINE = 0
LAST = 1
PATTERN = 2
EVERY = 3  # first~step
MORE = 4  # +N, only as the second

# Kinds of pieces of a replacement: the text, or the number of a group; 0 is the whole match.
LITERAL = 0xFFFF

NEWLINE = ord("\n")
BACKSLASH = ord("\\")
AMPERSAND = ord("&")
SEMICOLON = ord(";")
OPENING = ord("{")
CLOSING = ord("}")
BANG = ord("!")
COMMA = ord(",")
DOLLAR = ord("$")
PLUS = ord("+")
TILDE = ord("~")
SLASH = ord("/")
HASH = ord("#")
COLON = ord(":")
OPEN_BRACKET = ord("[")
CLOSE_BRACKET = ord("]")
MOST_BLOCKS = 100


class BadScript(Error):
    """The script makes no sense; the parser's `problem` says why."""


@managed
class Address:
    """Lines that are meant."""

    kind: U64
    number: U64 = U64(0)
    step: U64 = U64(0)
    # None: the one that was used last.
    regex: Regex | None = None


@managed
class Piece:
    """A part of a replacement."""

    kind: U64
    text: Text


@managed
class Command:
    """One command."""

    letter: U8
    first: Address | None
    second: Address | None
    negated: bool
    # While a range goes on: its last line, 0 where a pattern ends it.
    within: bool
    until: U64
    # Text of a, i, c; a file's name of r and w; a label; both sides of y.
    text: Text
    other: Text
    # Where b, t, T and { go on, and the status of q.
    target: U64
    # Of s: what is replaced by what, from which match on, and what then.
    regex: Regex | None
    pieces: List[Piece]
    occurrence: U64
    every: bool
    prints: bool


def new_command() -> Command:
    """A command of nothing."""
    none = U64(0)
    nothing = Text("")
    return Command(
        U8(0), None, None, False, False, none, nothing, nothing, none, None, List[Piece](), U64(1), False, False
    )


@managed
class Script:
    """The parser, and the commands that it found."""

    text: Text
    at: U64
    flags: U64
    commands: List[Command]
    # Numbers of commands that opened blocks.
    blocks: List[U64]
    problem: Text

    def fail(self, problem: str) -> None:
        """Note what is wrong; the caller raises BadScript."""
        self.problem = Text(f"char {self.at}: {problem}")

    def peek(self) -> U8:
        """The next byte; 0 at the end."""
        return self.text[self.at] if self.at < self.text.length else U8(0)

    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.at >= self.text.length

    def skip(self, newlines: bool) -> None:
        """Skip blanks, and what stands between commands."""
        while not self.ended():
            byte = self.peek()
            between = byte == NEWLINE or byte == SEMICOLON
            if not (byte == 0x20 or byte == 0x09 or (newlines and between)):
                return
            self.at += 1

    def parse(self) -> None:
        """Read all commands. Raises BadScript."""
        while True:
            self.skip(True)
            if self.ended():
                break
            if self.peek() == HASH:
                while not self.ended() and self.peek() != NEWLINE:
                    self.at += 1
                continue
            command = new_command()
            self.addresses(command)
            self.command(command)
            self.commands.append(command)
        if self.blocks.length > 0:
            self.fail("unmatched `{'")
            raise BadScript
        self.link()

    def link(self) -> None:
        """Find the labels that are jumped to. Raises BadScript."""
        for command in self.commands:
            letter = command.letter
            if letter != 0x62 and letter | 0x20 != 0x74:
                continue
            command.target = self.commands.length
            if command.text.length == 0:
                continue
            found = False
            for i in U64.range(self.commands.length):
                if self.commands[i].letter == COLON and self.commands[i].text == command.text:
                    command.target = i
                    found = True
            if not found:
                self.fail(f"can't find label for jump to `{command.text}'")
                raise BadScript

    # Addresses.

    def addresses(self, command: Command) -> None:
        """Those before a command, and `!`. Raises BadScript."""
        command.first = self.address()
        self.skip(False)
        if command.first is not None and self.peek() == COMMA:
            self.at += 1
            self.skip(False)
            if self.peek() == PLUS:
                self.at += 1
                command.second = Address(U64(MORE), self.number())
            else:
                command.second = self.address()
            if command.second is None:
                self.fail("unexpected `,'")
                raise BadScript
            self.skip(False)
        while self.peek() == BANG:
            command.negated = True
            self.at += 1
            self.skip(False)

    def address(self) -> Address | None:
        """One address, if there is one. Raises BadScript."""
        byte = self.peek()
        if 0x30 <= byte <= 0x39:
            number = self.number()
            if self.peek() == TILDE:
                self.at += 1
                return Address(U64(EVERY), number, self.number())
            return Address(U64(LINE), number)
        if byte == DOLLAR:
            self.at += 1
            return Address(U64(LAST))
        if byte != SLASH and byte != BACKSLASH:
            return None
        if byte == BACKSLASH:
            self.at += 1
        pattern = self.delimited(True)
        flags = self.flags
        while self.peek() == 0x49:
            flags = flags | IGNORE_CASE
            self.at += 1
        return Address(U64(PATTERN), regex=self.compile(pattern, flags))

    def number(self) -> U64:
        """Digits; 0 when there are none."""
        value = U64(0)
        while 0x30 <= self.peek() <= 0x39:
            value = value.saturating_mul(10).saturating_add(U64(self.peek() - 0x30))
            self.at += 1
        return value

    def compile(self, pattern: Text, flags: U64) -> Regex | None:
        """A pattern made ready; None for an empty one. Raises BadScript."""
        if pattern.length == 0:
            return None
        try:
            return compile_pattern(pattern, flags)
        except BadPattern:
            self.fail(f"{problem(error_code())}")
            raise BadScript

    def delimited(self, pattern: bool) -> Text:
        """What stands between the next byte and its next occurrence, which is taken too. Raises BadScript.

        A newline is written as `\\n`. `pattern`: brackets hide the delimiter.
        """
        delimiter = self.peek()
        self.at += 1
        out = ByteBuffer()
        while not self.ended() and self.peek() != delimiter:
            byte = self.peek()
            self.at += 1
            if byte == OPEN_BRACKET and pattern:
                out.append(byte)
                self.bracket(out)
            elif byte == BACKSLASH and not self.ended():
                self.escaped(delimiter, pattern, out)
            elif byte == NEWLINE and pattern:
                break
            else:
                out.append(byte)
        if self.ended():
            self.fail("unterminated command")
            raise BadScript
        self.at += 1
        return out.to_text()

    def escaped(self, delimiter: U8, pattern: bool, out: ByteBuffer) -> None:
        """What stands behind a backslash between delimiters."""
        byte = self.peek()
        self.at += 1
        if byte == delimiter and byte != AMPERSAND:
            out.append(byte)
        elif byte == 0x6E and pattern:
            out.append(U8(NEWLINE))
        elif byte == 0x74 and pattern:
            out.append(U8(9))
        else:
            out.append(U8(BACKSLASH))
            out.append(byte)

    def bracket(self, out: ByteBuffer) -> None:
        """The rest of a bracket expression."""
        start = self.at
        while not self.ended() and self.peek() != NEWLINE:
            byte = self.peek()
            first = self.at == start or (self.at == start + 1 and self.text[start] == 0x5E)
            self.at += 1
            if byte == BACKSLASH and (self.peek() == 0x6E or self.peek() == 0x74):
                byte = U8(NEWLINE) if self.peek() == 0x6E else U8(9)
                self.at += 1
            out.append(byte)
            if byte == CLOSE_BRACKET and not first:
                return
            kind = self.peek()
            if byte == OPEN_BRACKET and (kind == COLON or kind == 0x2E or kind == 0x3D):
                self.bracket_class(kind, out)

    def bracket_class(self, kind: U8, out: ByteBuffer) -> None:
        """`[:name:]` up to its end."""
        out.append(kind)
        self.at += 1
        while not self.ended():
            byte = self.peek()
            self.at += 1
            out.append(byte)
            if byte == kind and self.peek() == CLOSE_BRACKET:
                out.append(U8(CLOSE_BRACKET))
                self.at += 1
                return

    # Commands.

    def command(self, command: Command) -> None:
        """A command behind its addresses. Raises BadScript."""
        letter = self.peek()
        command.letter = letter
        self.at += 1
        match letter:
            case 0x7B:
                self.blocks.append(self.commands.length)
            case 0x7D:
                if self.blocks.length == 0 or command.first is not None:
                    self.fail("unexpected `}'")
                    raise BadScript
                self.commands[self.blocks.pop()].target = self.commands.length
                self.finish()
            case 0x61 | 0x69 | 0x63:
                command.text = self.lines()
            case 0x3A | 0x62 | 0x74 | 0x54:
                command.text = self.label(letter == COLON)
            case 0x72 | 0x77:
                command.text = self.rest()
            case 0x73:
                self.substitution(command)
            case 0x79:
                self.table(command)
            case 0x71 | 0x51:
                self.skip(False)
                command.target = self.number()
                self.finish()
            case 0x64 | 0x44 | 0x70 | 0x50 | 0x6E | 0x4E | 0x67 | 0x47 | 0x68 | 0x48 | 0x78 | 0x3D | 0x6C:
                self.finish()
            case _:
                self.fail("missing command" if letter == 0 else f"unknown command: `{letter:c}'")
                raise BadScript

    def finish(self) -> None:
        """Nothing but the next command may follow. Raises BadScript."""
        self.skip(False)
        byte = self.peek()
        if not self.ended() and byte != NEWLINE and byte != SEMICOLON and byte != CLOSING and byte != HASH:
            self.fail("extra characters after command")
            raise BadScript

    def lines(self) -> Text:
        """The text of a, i and c: the rest of the line, and more lines where a backslash ends one. Raises BadScript."""
        self.skip(False)
        if self.peek() == BACKSLASH:
            self.at += 1
            start = self.at
            self.skip(False)
            if self.peek() == NEWLINE:
                self.at += 1
            else:
                self.at = start
        if self.ended():
            self.fail("expected \\ after `a', `c' or `i'")
            raise BadScript
        out = ByteBuffer()
        while not self.ended() and self.peek() != NEWLINE:
            byte = self.peek()
            self.at += 1
            if byte == BACKSLASH and not self.ended():
                byte = self.peek()
                self.at += 1
            out.append(byte)
        out.append(U8(NEWLINE))
        return out.to_text()

    def label(self, defines: bool) -> Text:
        """A label up to the end of the line, or to a semicolon where it is used."""
        self.skip(False)
        start = self.at
        while not self.ended() and self.peek() != NEWLINE and self.peek() != SEMICOLON:
            if not defines and self.peek() == CLOSING:
                break
            self.at += 1
        return self.text.slice(start, self.at).strip()

    def rest(self) -> Text:
        """A file's name, up to the end of the line. Raises BadScript."""
        self.skip(False)
        start = self.at
        while not self.ended() and self.peek() != NEWLINE:
            self.at += 1
        if self.at == start:
            self.fail("missing filename in r/R/w/W commands")
            raise BadScript
        return self.text.slice(start, self.at)

    def substitution(self, command: Command) -> None:
        """`s/pattern/replacement/flags`. Raises BadScript."""
        pattern = self.delimited(True)
        self.at -= 1
        self.replacement(self.delimited(False), command)
        flags = self.flags
        while True:
            byte = self.peek()
            if byte == 0x67:
                command.every = True
            elif byte == 0x70:
                command.prints = True
            elif byte == 0x69 or byte == 0x49:
                flags = flags | IGNORE_CASE
            elif 0x31 <= byte <= 0x39:
                command.occurrence = self.number()
                continue
            elif byte == 0x77:
                self.at += 1
                command.text = self.rest()
                break
            else:
                self.finish()
                break
            self.at += 1
        command.regex = self.compile(pattern, flags)
        regex = command.regex
        for piece in command.pieces:
            if regex is not None and piece.kind != LITERAL and piece.kind * 2 + 1 >= regex.slots.length:
                self.fail(f"invalid reference \\{piece.kind} on `s' command's RHS")
                raise BadScript

    def replacement(self, text: Text, command: Command) -> None:
        """Take a replacement apart."""
        literal = ByteBuffer()
        at = U64(0)
        while at < text.length:
            byte = text[at]
            at += 1
            group = U64(LITERAL)
            if byte == AMPERSAND:
                group = U64(0)
            elif byte == BACKSLASH and at < text.length:
                byte = text[at]
                at += 1
                if 0x30 <= byte <= 0x39:
                    group = U64(byte - 0x30)
                elif byte == 0x6E:
                    byte = U8(NEWLINE)
                elif byte == 0x74:
                    byte = U8(9)
            if group == LITERAL:
                literal.append(byte)
                continue
            command.pieces.append(Piece(U64(LITERAL), literal.to_text()))
            literal.clear()
            command.pieces.append(Piece(group, Text("")))
        command.pieces.append(Piece(U64(LITERAL), literal.to_text()))

    def table(self, command: Command) -> None:
        """`y/from/to/`. Raises BadScript."""
        command.text = without_backslashes(self.delimited(False))
        self.at -= 1
        command.other = without_backslashes(self.delimited(False))
        if command.text.length != command.other.length:
            self.fail("strings for `y' command are different lengths")
            raise BadScript
        self.finish()


def without_backslashes(text: Text) -> Text:
    """One side of y: `\\\\` and `\\n` as what they mean."""
    out = ByteBuffer()
    at = U64(0)
    while at < text.length:
        byte = text[at]
        at += 1
        if byte == BACKSLASH and at < text.length:
            following = text[at]
            if following == 0x6E or following == BACKSLASH or following == 0x74:
                at += 1
                byte = U8(NEWLINE) if following == 0x6E else U8(9) if following == 0x74 else following
        out.append(byte)
    return out.to_text()


def parse_script(text: Text, extended: bool) -> Script:
    """A parser for a script; `parse` fills in its commands."""
    return Script(text, U64(0), U64(EXTENDED) if extended else U64(0), List[Command](), List[U64](), Text(""))
