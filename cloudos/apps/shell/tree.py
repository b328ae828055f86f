"""The syntax tree: what the parser makes of a script, and the interpreter runs."""

from __future__ import annotations

from cloudos.lang import U8, U64, IntEnum, enum, managed
from cloudos.sdk import List, Text


@enum(U8)
class PartKind(IntEnum):
    """What a piece of a word is."""

    LITERAL = 0
    QUOTED = 1
    PARAMETER = 2
    COMMAND = 3
    ARITHMETIC = 4


@enum(U8)
class NodeKind(IntEnum):
    """What a command is. `children` hold: of AND and OR two sides, of LIST and PIPELINE all commands, of IF condition,
    consequence and perhaps the alternative, of WHILE and UNTIL condition and body; of the others a body."""

    SIMPLE = 0
    PIPELINE = 1
    AND = 2
    OR = 3
    LIST = 4
    BACKGROUND = 5
    GROUP = 6
    SUBSHELL = 7
    IF = 8
    WHILE = 9
    UNTIL = 10
    FOR = 11
    CASE = 12
    FUNCTION = 13


@enum(U8)
class Direction(IntEnum):
    """What a redirection does."""

    READ = 0
    WRITE = 1
    CLOBBER = 2
    APPEND = 3
    BOTH = 4
    COPY = 5
    HERE = 6


@managed
class Part:
    """A piece of a word."""

    kind: PartKind
    # The bytes of LITERAL and QUOTED, the name of a PARAMETER.
    text: Text
    # Whether the expansion stands in double quotes.
    quoted: bool
    # Of a PARAMETER: 0, or the byte of `- = ? +` (perhaps after a colon), `% #` (perhaps doubled), or `@` for `${#x}`.
    operator: U64
    # Whether there was a colon, or the operator was doubled.
    strong: bool
    # What stands behind the operator, or the expression of ARITHMETIC.
    word: Word | None
    body: Node | None


@managed
class Word:
    """A word as it was written, before expansion."""

    parts: List[Part]

    def __init__(self) -> None:
        self.parts = List[Part]()


@managed
class Assignment:
    """`name=value` before a command."""

    name: Text
    value: Word


@managed
class Redirection:
    """`descriptor>target`; of HERE the target is the text itself."""

    descriptor: U64
    direction: Direction
    target: Word
    # Of HERE: the line that ends the text, whether it was quoted, and whether tabs are taken off.
    delimiter: Text
    quoted: bool
    strip: bool


@managed
class CaseItem:
    """Patterns and what is done when one of them matches."""

    patterns: List[Word]
    body: Node


@managed
class Node:
    """A command."""

    kind: NodeKind
    line: U64
    children: List[Node]
    words: List[Word]
    assignments: List[Assignment]
    redirections: List[Redirection]
    cases: List[CaseItem]
    # Of FOR the variable, of FUNCTION its name, of BACKGROUND the text as written.
    name: Text
    # Of PIPELINE: after `!`. Of FOR: there was `in`.
    flag: bool

    def __init__(self, kind: NodeKind, line: U64) -> None:
        self.kind = kind
        self.line = line
        self.children = List[Node]()
        self.words = List[Word]()
        self.assignments = List[Assignment]()
        self.redirections = List[Redirection]()
        self.cases = List[CaseItem]()
        self.name = Text("")
        self.flag = False


def plain_part(kind: PartKind, text: Text) -> Part:
    """A piece that is not expanded."""
    return Part(kind, text, kind == PartKind.QUOTED, U64(0), False, None, None)
