"""From bytes to tokens: operators, and words as their pieces.

What a `$(` opens is parsed where it stands, so the lexer calls the parser back through `Nested`.
"""

from __future__ import annotations

from typing import Protocol

from cloudos.apps.shell.aliases import Replacements
from cloudos.apps.shell.characters import (
    AMPERSAND,
    BACKQUOTE,
    BACKSLASH,
    BAR,
    CLOSE,
    CLOSE_BRACE,
    COLON,
    DASH,
    DOLLAR,
    DOUBLE_QUOTE,
    EQUALS,
    GREATER,
    HASH,
    LESS,
    NEWLINE,
    OPEN,
    OPEN_BRACE,
    PERCENT,
    PLUS,
    QUESTION,
    QUOTE,
    SEMICOLON,
    TAB,
    all_digits,
    ends_word,
    is_blank,
    is_digit,
    is_name_byte,
    is_name_start,
    is_operator,
    is_special,
)
from cloudos.apps.shell.tree import Node, Part, PartKind, Redirection, Word, plain_part
from cloudos.lang import U8, U64, Error, IntEnum, Slice, enum, managed
from cloudos.sdk import ByteBuffer, List, Text

DEEPEST = 60  # expansions within expansions and commands within commands: each takes a piece of the stack
LENGTH = 0x40  # the operator of `${#x}`


class SyntaxFailure(Error):
    """The script does not follow the grammar; the lexer knows what is wrong, and where."""


@enum(U8)
class Token(IntEnum):
    """Kinds of tokens. NUMBER is the digits directly before `<` or `>`."""

    END = 0
    NEWLINE = 1
    WORD = 2
    NUMBER = 3
    OPERATOR = 4


class Source(Protocol):
    """Where a script comes from, line by line."""

    def more(self, into: ByteBuffer) -> bool:
        """Append one more line; False at the end."""


class Nested(Protocol):
    """The parser, for the commands within words."""

    def substitution(self, lexer: Lexer) -> Node:
        """Commands up to the `)`. Raises SyntaxFailure."""

    def backquoted(self, text: Text, outer: Lexer) -> Node:
        """All commands of a text of its own. Raises SyntaxFailure."""


@managed
class Builder:
    """A word in the making."""

    word: Word
    literal: ByteBuffer

    def __init__(self) -> None:
        self.word = Word()
        self.literal = ByteBuffer()

    def flush(self) -> None:
        """Make a piece of the unquoted bytes so far."""
        if self.literal.length > 0:
            self.word.parts.append(plain_part(PartKind.LITERAL, self.literal.to_text()))
            self.literal.clear()

    def add(self, part: Part) -> None:
        """One more piece."""
        self.flush()
        self.word.parts.append(part)

    def quote(self, text: Slice[U8]) -> None:
        """Bytes that stand for themselves."""
        self.add(plain_part(PartKind.QUOTED, Text.from_bytes(text)))

    def done(self) -> Word:
        """The word."""
        self.flush()
        return self.word


@managed
class Lexer:
    """Reads tokens; the current one is in `kind`, `text`, `word`."""

    buffer: ByteBuffer
    source: Source
    nested: Nested
    position: U64
    line: U64
    depth: U64
    ended: bool
    kind: Token
    # The bytes of an operator or a number; of a word, if nothing in it is quoted or expanded.
    text: Text
    word: Word
    # Here-documents whose text begins behind the next newline.
    pending: List[Redirection]
    problem: Text
    # Where the word begins, and the aliases that may be meant by it.
    start: U64
    aliases: Replacements | None

    def __init__(self, source: Source, nested: Nested) -> None:
        self.buffer = ByteBuffer()
        self.source = source
        self.nested = nested
        self.position = U64(0)
        self.line = U64(1)
        self.depth = U64(0)
        self.ended = False
        self.kind = Token.NEWLINE
        self.text = Text("")
        self.word = Word()
        self.pending = List[Redirection]()
        self.problem = Text("")
        self.start = U64(0)
        self.aliases = None

    # Bytes.

    def peek(self) -> U8:
        """The next byte; 0 at the end."""
        if self.position >= self.buffer.length and not self.fill():
            return U8(0)
        return self.buffer[self.position]

    def peek_behind(self) -> U8:
        """The byte after the next one; 0 at the end."""
        if self.position + 1 >= self.buffer.length and not self.fill():
            return U8(0)
        return self.buffer[self.position + 1]

    def fill(self) -> bool:
        """Get one more line."""
        if self.ended:
            return False
        self.ended = not self.source.more(self.buffer)
        return not self.ended

    def forget_read(self) -> None:
        """Give up the bytes that were read, so that an endless session does not keep them all."""
        if self.position == self.buffer.length:
            self.buffer.clear()
            self.position = U64(0)
            aliases = self.aliases
            if aliases is not None:
                aliases.active.clear()
                aliases.follows = U64(0)

    def take(self) -> U8:
        """Take a byte; 0 at the end."""
        byte = self.peek()
        if self.position < self.buffer.length:
            self.position += 1
        if byte == NEWLINE:
            self.line += 1
        return byte

    def skip_blanks(self) -> None:
        """Skip blanks, joined lines and a comment."""
        while True:
            byte = self.peek()
            if is_blank(byte):
                self.take()
            elif byte == BACKSLASH and self.peek_behind() == NEWLINE:
                self.take()
                self.take()
            else:
                break
        if self.peek() == HASH:
            while self.peek() != NEWLINE and self.peek() != 0:
                self.take()

    def complain(self, problem: str) -> None:
        """Note what is wrong; the caller raises SyntaxFailure."""
        self.problem = Text(problem)

    # Tokens.

    def next(self) -> None:
        """Read a token."""
        self.skip_blanks()
        byte = self.peek()
        if byte == 0:
            self.kind = Token.END
            self.text = Text("end of file")
            self.read_here_documents()
        elif byte == NEWLINE:
            self.take()
            self.kind = Token.NEWLINE
            self.text = Text("newline")
            self.read_here_documents()
        elif is_operator(byte):
            self.kind = Token.OPERATOR
            self.text = self.operator()
        else:
            self.read_word_token()

    def replace_alias(self, any_place: bool) -> bool:
        """Read the text of an alias in place of a word that is one; False when it is none.

        `any_place`: wherever it stands, and not only behind an alias that ends with a blank.
        """
        aliases = self.aliases
        if aliases is None or self.kind != Token.WORD or self.text.length == 0:
            return False
        if not any_place and (aliases.follows == 0 or self.start < aliases.follows):
            return False
        value = aliases.value(self.text, self.start)
        if value is None:
            if not any_place:
                aliases.follows = U64(0)
            return False
        aliases.put(self.buffer, self.start, self.position, self.text, value)
        self.position = self.start
        self.next()
        return True

    def operator(self) -> Text:
        """Take the longest operator."""
        result = ByteBuffer()
        first = self.take()
        result.append(first)
        second = self.peek()
        twice = first == second and (
            first == AMPERSAND or first == BAR or first == SEMICOLON or first == LESS or first == GREATER
        )
        if twice or (first == LESS and (second == AMPERSAND or second == GREATER)):
            result.append(self.take())
            if first == LESS and second == LESS and self.peek() == DASH:
                result.append(self.take())
        elif first == GREATER and (second == AMPERSAND or second == BAR):
            result.append(self.take())
        return result.to_text()

    def read_word_token(self) -> None:
        """Take a word, or the number of a descriptor."""
        self.start = self.position
        self.word = self.read_word()
        self.kind = Token.WORD
        self.text = Text("")
        if self.word.parts.length == 1 and self.word.parts[0].kind == PartKind.LITERAL:
            self.text = self.word.parts[0].text
            follows = self.peek()
            if (follows == LESS or follows == GREATER) and all_digits(self.text.content):
                self.kind = Token.NUMBER

    def opens_parenthesis(self) -> bool:
        """Whether the next thing on the line is a `(`."""
        while is_blank(self.peek()):
            self.take()
        return self.peek() == OPEN

    # Words.

    def read_word(self) -> Word:
        """Take an unquoted word with its quotes and expansions."""
        builder = Builder()
        while True:
            byte = self.peek()
            if ends_word(byte):
                return builder.done()
            self.read_piece(builder, byte)

    def read_piece(self, builder: Builder, byte: U8) -> None:
        """Take one piece of an unquoted word."""
        if byte == QUOTE:
            self.single_quoted(builder)
        elif byte == DOUBLE_QUOTE:
            self.double_quoted(builder)
        elif byte == BACKSLASH:
            self.take()
            self.escaped(builder)
        elif byte == DOLLAR:
            self.dollar(builder, False)
        elif byte == BACKQUOTE:
            self.backquotes(builder, False)
        else:
            builder.literal.append(self.take())

    def escaped(self, builder: Builder) -> None:
        """What follows an unquoted backslash."""
        if self.peek() == NEWLINE:
            self.take()
        elif self.peek() == 0:
            builder.literal.append(U8(BACKSLASH))
        else:
            start = self.position
            self.take()
            builder.quote(self.buffer.content()[start : start + 1])

    def single_quoted(self, builder: Builder) -> None:
        """Everything up to the next single quote. Raises SyntaxFailure."""
        self.take()
        content = ByteBuffer()
        while self.peek() != QUOTE:
            if self.peek() == 0:
                self.complain("unterminated quoted string")
                raise SyntaxFailure
            content.append(self.take())
        self.take()
        builder.quote(content.content())

    def double_quoted(self, builder: Builder) -> None:
        """Up to the closing double quote. Raises SyntaxFailure."""
        self.take()
        builder.flush()
        before = builder.word.parts.length
        content = ByteBuffer()
        while self.peek() != DOUBLE_QUOTE:
            if self.peek() == 0:
                self.complain("unterminated quoted string")
                raise SyntaxFailure
            self.quoted_piece(builder, content, U8(DOUBLE_QUOTE))
        self.take()
        if content.length > 0 or builder.word.parts.length == before:
            builder.quote(content.content())

    def quoted_piece(self, builder: Builder, content: ByteBuffer, closing: U8) -> None:
        """Take a piece within double quotes or a here-document; plain bytes gather in `content`."""
        byte = self.peek()
        if byte == DOLLAR or byte == BACKQUOTE:
            if content.length > 0:
                builder.quote(content.content())
                content.clear()
            if byte == BACKQUOTE:
                self.backquotes(builder, True)
            else:
                self.dollar(builder, True)
            return
        self.take()
        if byte != BACKSLASH:
            content.append(byte)
            return
        follows = self.peek()
        if follows == NEWLINE:
            self.take()
        elif follows == DOLLAR or follows == BACKQUOTE or follows == BACKSLASH or (follows == closing and closing != 0):
            content.append(self.take())
        else:
            content.append(U8(BACKSLASH))

    def dollar(self, builder: Builder, quoted: bool) -> None:
        """An expansion, or a `$` that is none. Raises SyntaxFailure."""
        self.enter()
        self.take()
        byte = self.peek()
        if byte == OPEN:
            self.take()
            if self.peek() != OPEN or not self.arithmetic(builder, quoted):
                self.command(builder, quoted)
        elif byte == OPEN_BRACE:
            self.take()
            self.braced(builder, quoted)
        elif is_name_start(byte):
            builder.add(Part(PartKind.PARAMETER, self.name(), quoted, U64(0), False, None, None))
        elif is_digit(byte) or is_special(byte):
            start = self.position
            self.take()
            name = Text.from_bytes(self.buffer.content()[start : start + 1])
            builder.add(Part(PartKind.PARAMETER, name, quoted, U64(0), False, None, None))
        elif quoted:
            builder.add(plain_part(PartKind.QUOTED, Text("$")))
        else:
            builder.literal.append(U8(DOLLAR))
        self.depth -= 1

    def enter(self) -> None:
        """One level deeper. Raises SyntaxFailure when there are too many."""
        if self.depth == DEEPEST:
            self.complain("too deeply nested")
            raise SyntaxFailure
        self.depth += 1

    def name(self) -> Text:
        """Take a name."""
        result = ByteBuffer()
        while is_name_byte(self.peek()):
            result.append(self.take())
        return result.to_text()

    def command(self, builder: Builder, quoted: bool) -> None:
        """The commands of `$(…)`. Raises SyntaxFailure."""
        kind, text, word, pending = self.kind, self.text, self.word, self.pending
        self.pending = List[Redirection]()
        body = self.nested.substitution(self)
        self.kind = kind
        self.text = text
        self.word = word
        self.pending = pending
        builder.add(Part(PartKind.COMMAND, Text(""), quoted, U64(0), False, None, body))

    def arithmetic(self, builder: Builder, quoted: bool) -> bool:
        """The expression of `$((…))`; False, and nothing taken, when it turns out to be a command."""
        start, line = self.position, self.line
        self.take()
        expression = Builder()
        content = ByteBuffer()
        depth = U64(0)
        while True:
            byte = self.peek()
            if byte == 0 or (byte == CLOSE and depth == 0 and self.peek_behind() != CLOSE):
                self.position = start
                self.line = line
                return False
            if byte == CLOSE and depth == 0:
                break
            if byte == OPEN:
                depth += 1
            elif byte == CLOSE:
                depth -= 1
            if byte == DOUBLE_QUOTE:
                self.take()
            else:
                self.quoted_piece(expression, content, U8(0))
        self.take()
        self.take()
        expression.quote(content.content())
        builder.add(Part(PartKind.ARITHMETIC, Text(""), quoted, U64(0), False, expression.done(), None))
        return True

    def backquotes(self, builder: Builder, quoted: bool) -> None:
        """The commands between backquotes. Raises SyntaxFailure."""
        self.enter()
        self.take()
        content = ByteBuffer()
        while self.peek() != BACKQUOTE:
            byte = self.take()
            if byte == 0:
                self.complain("EOF in backquote substitution")
                raise SyntaxFailure
            follows = self.peek()
            escape = follows == BACKQUOTE or follows == BACKSLASH or follows == DOLLAR
            if byte == BACKSLASH and (escape or (quoted and follows == DOUBLE_QUOTE)):
                byte = self.take()
            content.append(byte)
        self.take()
        body = self.nested.backquoted(content.to_text(), self)
        builder.add(Part(PartKind.COMMAND, Text(""), quoted, U64(0), False, None, body))
        self.depth -= 1

    def braced(self, builder: Builder, quoted: bool) -> None:
        """What stands in `${…}`. Raises SyntaxFailure."""
        length = False
        if self.peek() == HASH and self.peek_behind() != CLOSE_BRACE:
            behind = self.peek_behind()
            length = is_name_byte(behind) or is_special(behind)
        if length:
            self.take()
        name = self.parameter_name()
        part = Part(PartKind.PARAMETER, name, quoted, U64(0), False, None, None)
        if length:
            part.operator = U64(LENGTH)
        elif self.peek() != CLOSE_BRACE:
            self.read_operator(part)
            pattern = part.operator == PERCENT or part.operator == HASH
            part.word = self.operand(quoted and not pattern)
        if self.take() != CLOSE_BRACE:
            self.complain("bad substitution")
            raise SyntaxFailure
        builder.add(part)

    def parameter_name(self) -> Text:
        """A name, a number, or one special byte. Raises SyntaxFailure."""
        result = ByteBuffer()
        first = self.peek()
        if is_name_start(first):
            return self.name()
        if is_digit(first):
            while is_digit(self.peek()):
                result.append(self.take())
        elif is_special(first):
            result.append(self.take())
        else:
            self.complain("bad substitution")
            raise SyntaxFailure
        return result.to_text()

    def read_operator(self, part: Part) -> None:
        """What is to be done with the parameter. Raises SyntaxFailure."""
        byte = self.take()
        if byte == COLON:
            part.strong = True
            byte = self.take()
        known = byte == DASH or byte == EQUALS or byte == QUESTION or byte == PLUS
        if byte == PERCENT or byte == HASH:
            known = not part.strong
            if self.peek() == byte:
                part.strong = True
                self.take()
        if not known:
            self.complain("bad substitution")
            raise SyntaxFailure
        part.operator = U64(byte)

    def operand(self, quoted: bool) -> Word:
        """The word up to the closing brace; within double quotes it is quoted. Raises SyntaxFailure."""
        builder = Builder()
        content = ByteBuffer()
        while self.peek() != CLOSE_BRACE:
            byte = self.peek()
            if byte == 0:
                self.complain("missing '}'")
                raise SyntaxFailure
            if not quoted:
                self.read_piece(builder, byte)
            elif byte == DOUBLE_QUOTE:
                if content.length > 0:
                    builder.quote(content.content())
                    content.clear()
                self.double_quoted(builder)
            else:
                self.quoted_piece(builder, content, U8(CLOSE_BRACE))
        if content.length > 0:
            builder.quote(content.content())
        return builder.done()

    # Here-documents.

    def read_here_documents(self) -> None:
        """Read the texts that begin here."""
        for one in self.pending:
            one.target = self.here_document(one)
        self.pending.clear()

    def here_document(self, one: Redirection) -> Word:
        """The text up to the line that is the delimiter, or to the end."""
        content = ByteBuffer()
        line = ByteBuffer()
        first_line = self.line
        while self.peek() != 0:
            line.clear()
            if one.strip:
                while self.peek() == TAB:
                    self.take()
            while self.peek() != NEWLINE and self.peek() != 0:
                line.append(self.take())
            self.take()
            if line.content().equals(one.delimiter.content):
                break
            line.append(U8(NEWLINE))
            content.write(line.content())
        if one.quoted:
            builder = Builder()
            builder.quote(content.content())
            return builder.done()
        inner = Lexer(Nothing(), self.nested)
        inner.buffer.write(content.content())
        inner.line = first_line
        inner.depth = self.depth
        try:
            return inner.here_text()
        except SyntaxFailure:
            self.problem = inner.problem
            raise

    def here_text(self) -> Word:
        """All that is left, as the text of a here-document. Raises SyntaxFailure."""
        builder = Builder()
        content = ByteBuffer()
        while self.peek() != 0:
            self.quoted_piece(builder, content, U8(0))
        builder.quote(content.content())
        return builder.done()


@managed
class Nothing:
    """The source of a text that is there already."""

    unused: U64 = U64(0)

    def more(self, into: ByteBuffer) -> bool:
        """There is no more."""
        return False
