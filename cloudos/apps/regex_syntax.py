"""Regular expressions of POSIX, basic and extended, as a tree: the parser behind `cloudos.apps.regex`.

With what GNU's programs add: `\\+ \\? \\|` in basic ones, `\\w \\W \\s \\S \\b \\B \\< \\>` in both.
Bytes are characters.
"""

from __future__ import annotations

from cloudos.apps.regex_brackets import BracketReader
from cloudos.apps.regex_errors import (
    BadBackReference,
    BadInterval,
    PatternTooLarge,
    ReversedInterval,
    TrailingBackslash,
    UnmatchedBrace,
    UnmatchedClose,
    UnmatchedParenthesis,
)
from cloudos.lang import U8, U64, managed
from cloudos.sdk import List, Text

# Kinds of nodes, with what `a`, `b` and `c` of a node are.
EMPTY = 0
BYTE = 1  # a: the byte
ANY = 2
SET = 3  # a: number of the set
JOIN = 4  # a, b: nodes, one after the other
CHOICE = 5  # a, b: nodes, one or the other
REPEAT = 6  # a: node; b, c: at least, at most
GROUP = 7  # a: node; b: number of the group
ASSERT = 8  # a: which
BACK = 9  # a: number of the group

# Assertions.
AT_START = 0
AT_END = 1
AT_BOUNDARY = 2
INSIDE = 3
AT_WORD_START = 4
AT_WORD_END = 5

MANY = 1 << 32  # no upper limit of a repetition
MOST_REPEATS = 32767
DEEPEST = 200  # groups in groups

BACKSLASH = ord("\\")
BAR = ord("|")
CARET = ord("^")
CLOSE = ord(")")
CLOSE_BRACE = ord("}")
COMMA = ord(",")
DOLLAR = ord("$")
DOT = ord(".")
OPEN = ord("(")
OPEN_BRACE = ord("{")
OPEN_BRACKET = ord("[")
PLUS = ord("+")
QUESTION = ord("?")
STAR = ord("*")

# What comes next in a pattern.
T_END = 0
T_BYTE = 1
T_STAR = 2
T_PLUS = 3
T_QUESTION = 4
T_INTERVAL = 5
T_OPEN = 6
T_CLOSE = 7
T_BAR = 8
T_CARET = 9
T_DOLLAR = 10
T_DOT = 11
T_BRACKET = 12
T_ESCAPE = 13  # a backslash and something of its own meaning


@managed
class Tree:
    """The nodes of a parsed pattern, each a row of four numbers."""

    kinds: List[U64]
    a: List[U64]
    b: List[U64]
    c: List[U64]
    sets: List[U64]  # four words of 64 bits for each set
    groups: U64
    has_back_references: bool

    def __init__(self) -> None:
        self.kinds = List[U64]()
        self.a = List[U64]()
        self.b = List[U64]()
        self.c = List[U64]()
        self.sets = List[U64]()
        self.groups = U64(0)
        self.has_back_references = False

    def add(self, kind: U64, a: U64, b: U64, c: U64) -> U64:
        """One more node; its number."""
        self.kinds.append(kind)
        self.a.append(a)
        self.b.append(b)
        self.c.append(c)
        return self.kinds.length - 1

    def leaf(self, kind: U64, a: U64) -> U64:
        return self.add(kind, a, U64(0), U64(0))


@managed
class Parser:
    """Recursive descent over a pattern."""

    pattern: Text
    extended: bool
    at: U64
    tree: Tree
    depth: U64
    closed: U64  # bit n: group n is complete

    def __init__(self, pattern: Text, extended: bool) -> None:
        self.pattern = pattern
        self.extended = extended
        self.at = U64(0)
        self.tree = Tree()
        self.depth = U64(0)
        self.closed = U64(0)

    def byte(self, offset: U64) -> U8:
        """The byte so far behind the position; 0 beyond the end."""
        at = self.at + offset
        return self.pattern[at] if at < self.pattern.length else U8(0)

    def token(self) -> U64:
        """What comes next."""
        if self.at == self.pattern.length:
            return U64(T_END)
        byte = self.pattern[self.at]
        if byte == BACKSLASH:
            return self.escaped_token()
        if byte == STAR:
            return U64(T_STAR)
        if byte == DOT:
            return U64(T_DOT)
        if byte == OPEN_BRACKET:
            return U64(T_BRACKET)
        if byte == CARET:
            return U64(T_CARET)
        if byte == DOLLAR:
            return U64(T_DOLLAR)
        return self.operator(byte) if self.extended else U64(T_BYTE)

    def escaped_token(self) -> U64:
        if self.at + 1 == self.pattern.length:
            raise TrailingBackslash
        byte = self.pattern[self.at + 1]
        if not self.extended:
            found = self.operator(byte)
            if found != T_BYTE:
                return found
        return U64(T_ESCAPE)

    def operator(self, byte: U8) -> U64:
        """The operators that extended expressions write as they are, and basic ones behind a backslash."""
        if byte == OPEN:
            return U64(T_OPEN)
        if byte == CLOSE:
            return U64(T_CLOSE)
        if byte == BAR:
            return U64(T_BAR)
        if byte == PLUS:
            return U64(T_PLUS)
        if byte == QUESTION:
            return U64(T_QUESTION)
        if byte == OPEN_BRACE:
            return U64(T_INTERVAL)
        return U64(T_BYTE)

    def skip(self) -> None:
        """Pass an operator."""
        self.at += 1 if self.pattern[self.at] != BACKSLASH else 2

    def whole(self) -> U64:
        """The whole pattern; the number of its node."""
        result = self.choice()
        if self.token() == T_CLOSE:
            raise UnmatchedClose
        return result

    def choice(self) -> U64:
        left = self.branch()
        while self.token() == T_BAR:
            self.skip()
            right = self.branch()
            left = self.tree.add(U64(CHOICE), left, right, U64(0))
        return left

    def branch(self) -> U64:
        result = self.tree.leaf(U64(EMPTY), U64(0))
        first = True
        while True:
            token = self.token()
            if token == T_END or token == T_BAR or (token == T_CLOSE and (self.depth > 0 or not self.extended)):
                return result
            anchor = token == T_CARET and (self.extended or first)
            if first and self.extended and is_postfix(token) and token != T_INTERVAL:
                self.skip()  # nothing to repeat: GNU's programs pass over it
                continue
            piece = self.piece(token, first)
            result = self.tree.add(U64(JOIN), result, piece, U64(0))
            first = first and anchor and not self.extended

    def piece(self, token: U64, first: bool) -> U64:
        """An atom and the repetitions behind it."""
        result = self.atom(token, first)
        if not self.extended and first and token == T_CARET:
            return result
        while True:
            token = self.token()
            if token == T_STAR:
                self.skip()
                result = self.tree.add(U64(REPEAT), result, U64(0), U64(MANY))
            elif token == T_PLUS:
                self.skip()
                result = self.tree.add(U64(REPEAT), result, U64(1), U64(MANY))
            elif token == T_QUESTION:
                self.skip()
                result = self.tree.add(U64(REPEAT), result, U64(0), U64(1))
            elif token == T_INTERVAL and self.is_interval():
                self.skip()
                low, high = self.interval()
                result = self.tree.add(U64(REPEAT), result, low, high)
            else:
                return result

    def is_interval(self) -> bool:
        """Whether a brace begins an interval: in extended expressions one that begins none stands for itself."""
        if not self.extended:
            return True
        at = self.at
        try:
            self.at += 1
            self.interval()
            return True
        except (BadInterval, UnmatchedBrace):
            return False
        except (ReversedInterval, PatternTooLarge):
            return True
        finally:
            self.at = at

    def interval(self) -> tuple[U64, U64]:
        """The numbers of `{m}`, `{m,}`, `{m,n}` or `{,n}`, the brace being passed."""
        low = self.number()
        high = low
        if self.byte(U64(0)) == COMMA:
            self.at += 1
            high = self.number()
            if high is None:
                high = U64(MANY)
            if low is None:
                low = U64(0)
        if not self.extended:
            if self.byte(U64(0)) != BACKSLASH:
                self.fail_interval()
            self.at += 1
        if self.byte(U64(0)) != CLOSE_BRACE:
            self.fail_interval()
        self.at += 1
        if low is None or high is None:
            raise BadInterval
        if low > high:
            raise ReversedInterval
        if low > MOST_REPEATS or (high > MOST_REPEATS and high != MANY):
            raise PatternTooLarge
        return low, high

    def fail_interval(self) -> None:
        if self.at >= self.pattern.length:
            raise UnmatchedBrace
        raise BadInterval

    def number(self) -> U64 | None:
        """A decimal number, if one comes next."""
        start = self.at
        value = U64(0)
        while self.byte(U64(0)) >= 0x30 and self.byte(U64(0)) <= 0x39:
            value = min(value * 10 + U64(self.byte(U64(0)) - 0x30), U64(MOST_REPEATS + 1))
            self.at += 1
        return None if self.at == start else value

    def atom(self, token: U64, first: bool) -> U64:
        if token == T_OPEN:
            return self.group()
        if token == T_DOT:
            self.at += 1
            return self.tree.leaf(U64(ANY), U64(0))
        if token == T_BRACKET:
            reader = BracketReader(self.pattern, self.at + 1)
            reader.read()
            self.at = reader.at
            for word in reader.words:
                self.tree.sets.append(word)
            return self.tree.leaf(U64(SET), self.tree.sets.length // 4 - 1)
        if token == T_CARET and (self.extended or first):
            self.at += 1
            return self.tree.leaf(U64(ASSERT), U64(AT_START))
        if token == T_DOLLAR and (self.extended or self.is_last()):
            self.at += 1
            return self.tree.leaf(U64(ASSERT), U64(AT_END))
        if token == T_ESCAPE:
            return self.escape()
        if token == T_INTERVAL and not self.extended:
            raise BadInterval
        if not self.extended and (token == T_PLUS or token == T_QUESTION):
            self.at += 1  # the backslash: at the start there is nothing to repeat
        byte = self.pattern[self.at]
        self.at += 1
        return self.tree.leaf(U64(BYTE), U64(byte))

    def is_last(self) -> bool:
        """Whether a dollar of a basic expression ends a branch."""
        after = self.at + 1
        if after == self.pattern.length:
            return True
        if self.byte(U64(1)) != BACKSLASH:
            return False
        return self.byte(U64(2)) == CLOSE or self.byte(U64(2)) == BAR

    def group(self) -> U64:
        self.skip()
        self.depth += 1
        if self.depth > DEEPEST:
            raise PatternTooLarge
        self.tree.groups += 1
        number = self.tree.groups
        inner = self.choice()
        if self.token() != T_CLOSE:
            raise UnmatchedParenthesis
        self.skip()
        self.depth -= 1
        if number < 10:
            self.closed = self.closed | U64(1) << number
        return self.tree.add(U64(GROUP), inner, number, U64(0))

    def escape(self) -> U64:
        """A backslash and what follows it."""
        byte = self.pattern[self.at + 1]
        self.at += 2
        if byte >= 0x31 and byte <= 0x39:
            number = U64(byte - 0x30)
            if self.closed >> number & 1 == 0:
                raise BadBackReference
            self.tree.has_back_references = True
            return self.tree.leaf(U64(BACK), number)
        match byte:
            case 0x3C:
                return self.tree.leaf(U64(ASSERT), U64(AT_WORD_START))
            case 0x3E:
                return self.tree.leaf(U64(ASSERT), U64(AT_WORD_END))
            case 0x62:
                return self.tree.leaf(U64(ASSERT), U64(AT_BOUNDARY))
            case 0x42:
                return self.tree.leaf(U64(ASSERT), U64(INSIDE))
            case 0x60:
                return self.tree.leaf(U64(ASSERT), U64(AT_START))
            case 0x27:
                return self.tree.leaf(U64(ASSERT), U64(AT_END))
            case 0x77:
                return self.class_set(Text("[_[:alnum:]]"))
            case 0x57:
                return self.class_set(Text("[^_[:alnum:]]"))
            case 0x73:
                return self.class_set(Text("[[:space:]]"))
            case 0x53:
                return self.class_set(Text("[^[:space:]]"))
            case _:
                return self.tree.leaf(U64(BYTE), U64(byte))

    def class_set(self, bracket: Text) -> U64:
        reader = BracketReader(bracket, U64(1))
        reader.read()
        for word in reader.words:
            self.tree.sets.append(word)
        return self.tree.leaf(U64(SET), self.tree.sets.length // 4 - 1)


def is_postfix(token: U64) -> bool:
    """Whether a token repeats what stands before it."""
    return token == T_STAR or token == T_PLUS or token == T_QUESTION or token == T_INTERVAL
