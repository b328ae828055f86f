"""From tokens to the syntax tree, one complete command at a time (POSIX.1-2017, Shell Command Language, 2.10)."""

from __future__ import annotations

from cloudos.apps.shell.aliases import Replacements
from cloudos.apps.shell.characters import (
    AMPERSAND,
    BAR,
    CLOSE,
    EQUALS,
    GREATER,
    LESS,
    OPEN,
    SEMICOLON,
    is_name,
    name_length,
)
from cloudos.apps.shell.lexer import DEEPEST, Lexer, Nothing, Source, SyntaxFailure, Token
from cloudos.apps.shell.tree import (
    Assignment,
    CaseItem,
    Direction,
    Node,
    NodeKind,
    PartKind,
    Redirection,
    Word,
    plain_part,
)
from cloudos.lang import U8, U64, Slice, data, managed, struct
from cloudos.sdk import ByteBuffer, List, Map, Text

IF = data(b"if")
THEN = data(b"then")
ELIF = data(b"elif")
ELSE = data(b"else")
FI = data(b"fi")
WHILE = data(b"while")
UNTIL = data(b"until")
FOR = data(b"for")
IN = data(b"in")
DO = data(b"do")
DONE = data(b"done")
CASE = data(b"case")
ESAC = data(b"esac")
OPENING = data(b"{")
CLOSING = data(b"}")
NOT = data(b"!")
CLOBBER = data(b">|")
APPEND = data(b">>")
BOTH = data(b"<>")
COPY_IN = data(b"<&")
COPY_OUT = data(b">&")
HERE = data(b"<<")
HERE_STRIPPED = data(b"<<-")
AND_IF = data(b"&&")
OR_IF = data(b"||")
CASE_END = data(b";;")


@struct
class Substitutions:
    """The parser as the lexer sees it."""

    unused: U64 = U64(0)

    def substitution(self, lexer: Lexer) -> Node:
        """Commands up to the `)`, which is taken. Raises SyntaxFailure."""
        parser = Parser(lexer)
        lexer.next()
        body = parser.commands()
        if not parser.operator_is(U8(CLOSE)):
            parser.unexpected()
            raise SyntaxFailure
        return body

    def backquoted(self, text: Text, outer: Lexer) -> Node:
        """All commands of a text of its own. Raises SyntaxFailure."""
        inner = Lexer(Nothing(), self)
        inner.buffer.write(text.content)
        inner.line = outer.line
        inner.depth = outer.depth
        aliases = outer.aliases
        if aliases is not None:
            inner.aliases = Replacements(aliases.aliases)
        try:
            return everything(inner)
        except SyntaxFailure:
            outer.problem = inner.problem
            raise


SUBSTITUTIONS = Substitutions()


def script_lexer(source: Source, aliases: Map[Text, Text]) -> Lexer:
    """A lexer over a source of commands, in which aliases count."""
    lexer = Lexer(source, SUBSTITUTIONS)
    lexer.aliases = Replacements(aliases)
    return lexer


def everything(lexer: Lexer) -> Node:
    """All commands up to the end. Raises SyntaxFailure."""
    parser = Parser(lexer)
    lexer.next()
    body = parser.commands()
    if lexer.kind != Token.END:
        parser.unexpected()
        raise SyntaxFailure
    return body


def lexer_of(source: Source) -> Lexer:
    """A lexer over a source."""
    return Lexer(source, SUBSTITUTIONS)


def text_lexer(text: Text) -> Lexer:
    """A lexer over a text."""
    lexer = Lexer(Nothing(), SUBSTITUTIONS)
    lexer.buffer.write(text.content)
    return lexer


@managed
class Parser:
    """Recursive descent; the lexer holds the current token."""

    lexer: Lexer

    def next_command(self) -> Node | None:
        """The commands up to the end of a line, or of the lines that they take; None at the end of the script.

        Raises SyntaxFailure. Reads nothing behind the newline, so that a script may be typed as it runs.
        """
        self.lexer.forget_read()
        self.lexer.next()
        while self.lexer.kind == Token.NEWLINE:
            self.lexer.forget_read()
            self.lexer.next()
        if self.lexer.kind == Token.END:
            return None
        result = Node(NodeKind.LIST, self.lexer.line)
        while not self.line_ends():
            if not self.one_of_list(result):
                break
        if not self.line_ends():
            self.unexpected()
            raise SyntaxFailure
        return result

    # Tokens.

    def line_ends(self) -> bool:
        """Whether the token is a newline or the end of the script."""
        return self.lexer.kind == Token.NEWLINE or self.lexer.kind == Token.END

    def is_some_word(self) -> bool:
        """Whether the token is a word, or digits that would be a descriptor elsewhere."""
        return self.lexer.kind == Token.WORD or self.lexer.kind == Token.NUMBER

    def is_word(self, wanted: Slice[U8]) -> bool:
        """Whether the token is this unquoted word."""
        return self.lexer.kind == Token.WORD and self.lexer.text.content.equals(wanted)

    def is_operator(self, wanted: Slice[U8]) -> bool:
        """Whether the token is this operator."""
        return self.lexer.kind == Token.OPERATOR and self.lexer.text.content.equals(wanted)

    def operator_is(self, byte: U8) -> bool:
        """Whether the token is the operator of one byte."""
        lexer = self.lexer
        return lexer.kind == Token.OPERATOR and lexer.text.length == 1 and lexer.text[0] == byte

    def unexpected(self) -> None:
        """Note that the token does not belong here, unless something is noted already."""
        if self.lexer.problem.length > 0:
            return
        if self.lexer.kind == Token.END or self.lexer.kind == Token.NEWLINE:
            self.lexer.complain(f"{self.lexer.text} unexpected")
        elif self.lexer.text.length > 0:
            self.lexer.complain(f'"{self.lexer.text}" unexpected')
        else:
            self.lexer.complain("word unexpected")

    def expect(self, wanted: Slice[U8]) -> None:
        """Take a reserved word. Raises SyntaxFailure when it is something else."""
        if not self.is_word(wanted):
            self.unexpected()
            raise SyntaxFailure
        self.lexer.next()

    def skip_newlines(self) -> None:
        """Take newlines."""
        while self.lexer.kind == Token.NEWLINE:
            self.lexer.next()

    # Lists.

    def ends_list(self) -> bool:
        """Whether the token can only stand behind a list of commands."""
        kind = self.lexer.kind
        if kind == Token.END:
            return True
        if kind == Token.OPERATOR:
            return self.operator_is(U8(CLOSE)) or self.is_operator(CASE_END)
        if kind != Token.WORD or self.lexer.text.length == 0:
            return False
        return (
            self.is_word(THEN)
            or self.is_word(ELIF)
            or self.is_word(ELSE)
            or self.is_word(FI)
            or self.is_word(DO)
            or self.is_word(DONE)
            or self.is_word(ESAC)
            or self.is_word(CLOSING)
        )

    def commands(self) -> Node:
        """Commands separated by newlines, `;` and `&`, perhaps none. Raises SyntaxFailure."""
        result = Node(NodeKind.LIST, self.lexer.line)
        self.skip_newlines()
        while not self.ends_list():
            separated = self.one_of_list(result)
            newline = self.lexer.kind == Token.NEWLINE
            self.skip_newlines()
            if not separated and not newline:
                break
        return result

    def some_commands(self) -> Node:
        """`commands`, but at least one. Raises SyntaxFailure."""
        result = self.commands()
        if result.children.length == 0:
            self.unexpected()
            raise SyntaxFailure
        return result

    def one_of_list(self, into: Node) -> bool:
        """One command with its `;` or `&`; whether there was such. Raises SyntaxFailure."""
        start = self.lexer.position
        if self.lexer.kind == Token.WORD or self.lexer.kind == Token.OPERATOR or self.lexer.kind == Token.NUMBER:
            # The token was read already: jobs show the command from its first word on, as far as that is known.
            start -= min(self.lexer.text.length, start)
        command = self.and_or()
        if self.operator_is(U8(AMPERSAND)):
            job = Node(NodeKind.BACKGROUND, command.line)
            job.children.append(command)
            stop = self.lexer.position - 1
            shown = Text.from_bytes(self.lexer.buffer.content()[min(start, stop) : stop])
            job.name = shown.strip()
            into.children.append(job)
        else:
            into.children.append(command)
            if not self.operator_is(U8(SEMICOLON)):
                return False
        self.lexer.next()
        return True

    def and_or(self) -> Node:
        """Pipelines joined by `&&` and `||`. Raises SyntaxFailure."""
        left = self.pipeline()
        while True:
            both = self.is_operator(AND_IF)
            if not both and not self.is_operator(OR_IF):
                return left
            joined = Node(NodeKind.AND if both else NodeKind.OR, left.line)
            self.lexer.next()
            self.skip_newlines()
            joined.children.append(left)
            joined.children.append(self.pipeline())
            left = joined

    def pipeline(self) -> Node:
        """Commands joined by `|`, perhaps after `!`. Raises SyntaxFailure."""
        result = Node(NodeKind.PIPELINE, self.lexer.line)
        while self.is_word(NOT):
            result.flag = not result.flag
            result.name = Text("!")
            self.lexer.next()
        first = self.command()
        result.children.append(first)
        while self.operator_is(U8(BAR)):
            self.lexer.next()
            self.skip_newlines()
            result.children.append(self.command())
        return first if result.children.length == 1 and result.name.length == 0 else result

    # Commands.

    def command(self) -> Node:
        """A simple or compound command, or a function's definition. Raises SyntaxFailure."""
        if self.lexer.depth == DEEPEST:
            self.lexer.complain("too deeply nested")
            raise SyntaxFailure
        self.lexer.depth += 1
        while self.lexer.replace_alias(True):
            pass
        found = self.compound()
        if found is not None:
            self.redirections(found)
            result = found
        elif self.ends_list() or self.line_ends() or self.is_word(NOT):
            self.unexpected()
            raise SyntaxFailure
        else:
            result = self.simple()
        self.lexer.depth -= 1
        return result

    def compound(self) -> Node | None:
        """A compound command without its redirections; None when the token begins none. Raises SyntaxFailure."""
        if self.operator_is(U8(OPEN)):
            return self.enclosed(NodeKind.SUBSHELL)
        if self.lexer.kind != Token.WORD or self.lexer.text.length == 0:
            return None
        if self.is_word(OPENING):
            return self.enclosed(NodeKind.GROUP)
        if self.is_word(IF):
            return self.conditional()
        if self.is_word(WHILE):
            return self.loop(NodeKind.WHILE)
        if self.is_word(UNTIL):
            return self.loop(NodeKind.UNTIL)
        if self.is_word(FOR):
            return self.iteration()
        if self.is_word(CASE):
            return self.selection()
        return None

    def enclosed(self, kind: NodeKind) -> Node:
        """`( … )` or `{ … }`. Raises SyntaxFailure."""
        result = Node(kind, self.lexer.line)
        self.lexer.next()
        result.children.append(self.some_commands())
        closed = self.is_word(CLOSING) if kind == NodeKind.GROUP else self.operator_is(U8(CLOSE))
        if not closed:
            self.unexpected()
            raise SyntaxFailure
        self.lexer.next()
        return result

    def conditional(self) -> Node:
        """From `if` or `elif` on. Raises SyntaxFailure."""
        result = Node(NodeKind.IF, self.lexer.line)
        self.lexer.next()
        result.children.append(self.some_commands())
        self.expect(THEN)
        result.children.append(self.some_commands())
        if self.is_word(ELIF):
            result.children.append(self.conditional())
            return result
        if self.is_word(ELSE):
            self.lexer.next()
            result.children.append(self.some_commands())
        self.expect(FI)
        return result

    def loop(self, kind: NodeKind) -> Node:
        """`while` or `until`. Raises SyntaxFailure."""
        result = Node(kind, self.lexer.line)
        self.lexer.next()
        result.children.append(self.some_commands())
        result.children.append(self.body())
        return result

    def body(self) -> Node:
        """`do … done`. Raises SyntaxFailure."""
        self.expect(DO)
        result = self.some_commands()
        self.expect(DONE)
        return result

    def iteration(self) -> Node:
        """`for`. Raises SyntaxFailure."""
        result = Node(NodeKind.FOR, self.lexer.line)
        self.lexer.next()
        if self.lexer.kind != Token.WORD or not is_name(self.lexer.text.content):
            self.lexer.complain("bad for loop variable")
            raise SyntaxFailure
        result.name = self.lexer.text
        self.lexer.next()
        self.skip_newlines()
        if self.is_word(IN):
            result.flag = True
            self.lexer.next()
            while self.lexer.kind == Token.WORD:
                result.words.append(self.lexer.word)
                self.lexer.next()
            if not self.operator_is(U8(SEMICOLON)) and self.lexer.kind != Token.NEWLINE:
                self.unexpected()
                raise SyntaxFailure
        if self.operator_is(U8(SEMICOLON)):
            self.lexer.next()
        self.skip_newlines()
        result.children.append(self.body())
        return result

    def selection(self) -> Node:
        """`case`. Raises SyntaxFailure."""
        result = Node(NodeKind.CASE, self.lexer.line)
        self.lexer.next()
        if self.lexer.kind != Token.WORD:
            self.unexpected()
            raise SyntaxFailure
        result.words.append(self.lexer.word)
        self.lexer.next()
        self.skip_newlines()
        self.expect(IN)
        self.skip_newlines()
        while not self.is_word(ESAC):
            result.cases.append(self.case_item())
            if self.is_operator(CASE_END):
                self.lexer.next()
            elif not self.is_word(ESAC):
                self.unexpected()
                raise SyntaxFailure
            self.skip_newlines()
        self.lexer.next()
        return result

    def case_item(self) -> CaseItem:
        """Patterns, `)` and commands. Raises SyntaxFailure."""
        if self.operator_is(U8(OPEN)):
            self.lexer.next()
        patterns = List[Word]()
        while True:
            if not self.is_some_word():
                self.unexpected()
                raise SyntaxFailure
            patterns.append(self.lexer.word)
            self.lexer.next()
            if not self.operator_is(U8(BAR)):
                break
            self.lexer.next()
        if not self.operator_is(U8(CLOSE)):
            self.unexpected()
            raise SyntaxFailure
        self.lexer.next()
        return CaseItem(patterns, self.commands())

    # Simple commands.

    def simple(self) -> Node:
        """Assignments, words and redirections, or `name() command`. Raises SyntaxFailure."""
        result = Node(NodeKind.SIMPLE, self.lexer.line)
        while True:
            if self.lexer.kind == Token.WORD:
                if result.words.length == 0 and self.assignment(result):
                    continue
                if self.lexer.replace_alias(result.words.length == 0 and result.assignments.length > 0):
                    continue
                word, text = self.lexer.word, self.lexer.text
                first = result.words.length == 0 and result.assignments.length == 0
                if first and result.redirections.length == 0 and text.length > 0 and self.lexer.opens_parenthesis():
                    return self.function(text)
                result.words.append(word)
                self.lexer.next()
            elif not self.redirection(result):
                break
        if result.words.length + result.assignments.length + result.redirections.length == 0:
            self.unexpected()
            raise SyntaxFailure
        return result

    def assignment(self, into: Node) -> bool:
        """Take `name=value`, if that is what the word is."""
        word = self.lexer.word
        if word.parts.length == 0 or word.parts[0].kind != PartKind.LITERAL:
            return False
        first = word.parts[0].text
        length = name_length(first.content)
        if length == 0 or length == first.length or first[length] != EQUALS:
            return False
        value = Word()
        if length + 1 < first.length:
            value.parts.append(plain_part(PartKind.LITERAL, first.slice(length + 1, first.length)))
        for number in U64.range(1, word.parts.length):
            value.parts.append(word.parts[number])
        into.assignments.append(Assignment(first.slice(U64(0), length), value))
        self.lexer.next()
        return True

    def function(self, name: Text) -> Node:
        """What follows the name of a function. Raises SyntaxFailure."""
        result = Node(NodeKind.FUNCTION, self.lexer.line)
        result.name = name
        self.lexer.next()
        self.lexer.next()
        if not self.operator_is(U8(CLOSE)) or not is_name(name.content):
            self.lexer.complain("bad function definition")
            raise SyntaxFailure
        self.lexer.next()
        self.skip_newlines()
        result.children.append(self.command())
        return result

    # Redirections.

    def redirections(self, into: Node) -> None:
        """All that follow. Raises SyntaxFailure."""
        while self.redirection(into):
            pass

    def redirection(self, into: Node) -> bool:
        """Take one redirection, if there is one. Raises SyntaxFailure."""
        descriptor: U64 | None = None
        if self.lexer.kind == Token.NUMBER:
            descriptor = U64(self.lexer.text[0]) - 0x30 if self.lexer.text.length == 1 else U64(10)
            self.lexer.next()
        elif self.lexer.kind != Token.OPERATOR:
            return False
        first = self.lexer.text[0]
        if first != LESS and first != GREATER:
            return False
        number = descriptor if descriptor is not None else U64(0) if first == LESS else U64(1)
        direction = self.direction()
        strip = self.is_operator(HERE_STRIPPED)
        self.lexer.next()
        if not self.is_some_word():
            self.unexpected()
            raise SyntaxFailure
        made = Redirection(number, direction, self.lexer.word, Text(""), False, strip)
        if direction == Direction.HERE:
            self.delimit(made)
        into.redirections.append(made)
        self.lexer.next()
        return True

    def direction(self) -> Direction:
        """What the operator means."""
        if self.is_operator(CLOBBER):
            return Direction.CLOBBER
        if self.is_operator(APPEND):
            return Direction.APPEND
        if self.is_operator(BOTH):
            return Direction.BOTH
        if self.is_operator(COPY_IN) or self.is_operator(COPY_OUT):
            return Direction.COPY
        if self.is_operator(HERE) or self.is_operator(HERE_STRIPPED):
            return Direction.HERE
        return Direction.READ if self.lexer.text[0] == LESS else Direction.WRITE

    def delimit(self, made: Redirection) -> None:
        """The word is what ends a here-document, whose text begins behind the newline."""
        content = ByteBuffer()
        for part in made.target.parts:
            made.quoted = made.quoted or part.kind == PartKind.QUOTED
            content.write(part.text.content)
        made.delimiter = content.to_text()
        self.lexer.pending.append(made)
