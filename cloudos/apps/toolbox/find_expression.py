"""The expressions of find: parsing, and what they say of a file."""

from __future__ import annotations

from cloudos.apps.counts import to_count
from cloudos.apps.inputs import reason
from cloudos.apps.modes import BadMode, parse_mode
from cloudos.apps.options import Usage
from cloudos.apps.paths import base_name
from cloudos.apps.toolbox.commands import runner
from cloudos.apps.toolbox.find_execution import Execution
from cloudos.apps.wildcards import Wildcard
from cloudos.contracts.files import DEVICE, DIRECTORY, FILE, PIPE, TERMINAL
from cloudos.contracts.streams import Status
from cloudos.lang import U64, Error, error_code, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout
from cloudos.sdk.filesystem import list_directory, now, remove, remove_directory, status

# Kinds of nodes.
NOT = 0  # left
AND = 1  # left, right
OR = 2
COMMA = 3
NAME = 4  # wildcard
PATH = 5
TYPE = 6  # value: a kind
SIZE = 7  # relation, value, unit
NEWER = 8  # value: a time
OLDER = 9  # relation, value, unit of time: -mtime, -mmin
LINKS = 10
PERMISSIONS = 11  # relation, value
EMPTY = 12
ALWAYS = 13
NEVER = 14
PRINT = 15
PRINT_ZERO = 16
PRUNE = 17
DELETE = 18
EXECUTE = 19  # command: true when it succeeds

# Relations of a number.
LESS = 0
EQUAL = 1
MORE = 2

MINUTE = 60_000_000_000  # nanoseconds
DAY = 86_400_000_000_000
MANY = 0xFFFF_FFFF_FFFF_FFFF
DEEPEST = 100
MINUS = ord("-")
PLUS = ord("+")


@managed
class Node:
    """A part of an expression."""

    kind: U64
    left: Node | None = None
    right: Node | None = None
    wildcard: Wildcard | None = None
    value: U64 = U64(0)
    unit: U64 = U64(1)
    relation: U64 = U64(EQUAL)
    command: Execution | None = None


@managed
class Visit:
    """A file that find looks at."""

    path: Text
    kind: U64
    mode: U64
    length: U64
    modified: U64
    links: U64
    pruned: bool
    failed: bool

    def delete(self) -> bool:
        """Remove it; whether that went well."""
        try:
            if self.kind == DIRECTORY:
                remove_directory(self.path)
            else:
                remove(self.path)
            return True
        except Error:
            print_error(f"find: cannot delete '{self.path}': {reason(error_code())}")
            self.failed = True
            return False

    def is_empty(self) -> bool:
        """Whether it is a file without bytes or a directory without names."""
        if self.kind == FILE:
            return self.length == 0
        if self.kind != DIRECTORY:
            return False
        try:
            return list_directory(self.path).length == 0
        except Error:
            return False


def visit_of(path: Text, found: Status) -> Visit:
    return Visit(path, found.kind, found.mode, found.length, found.modified, found.links, False, False)


def compares(relation: U64, value: U64, wanted: U64) -> bool:
    if relation == LESS:
        return value < wanted
    return value > wanted if relation == MORE else value == wanted


def holds(node: Node, visit: Visit) -> bool:
    """Whether an expression is true of a file; does what its actions say."""
    left = node.left
    right = node.right
    if left is not None:
        if node.kind == NOT:
            return not holds(left, visit)
        if right is not None:
            if node.kind == AND:
                return holds(left, visit) and holds(right, visit)
            if node.kind == OR:
                return holds(left, visit) or holds(right, visit)
            holds(left, visit)
            return holds(right, visit)
    wildcard = node.wildcard
    if wildcard is not None:
        return wildcard.matches(base_name(visit.path) if node.kind == NAME else visit.path)
    return primary(node, visit)


def primary(node: Node, visit: Visit) -> bool:
    """Whether a test is true; do what an action says."""
    match node.kind:
        case 6:
            return visit.kind == node.value or (node.value == DEVICE and visit.kind == TERMINAL)
        case 7:
            return compares(node.relation, (visit.length + node.unit - 1) // node.unit, node.value)
        case 8:
            return visit.modified > node.value
        case 9:
            return compares(node.relation, age(visit, node.unit), node.value)
        case 10:
            return compares(node.relation, visit.links, node.value)
        case 11:
            if node.relation == LESS:
                return visit.mode & node.value == node.value
            return visit.mode & node.value != 0 if node.relation == MORE else visit.mode == node.value
        case 12:
            return visit.is_empty()
        case 14:
            return False
        case 15:
            write_text(stdout, f"{visit.path}\n")
        case 16:
            write_text(stdout, f"{visit.path}\0")
        case 17:
            visit.pruned = True
        case 18:
            return visit.delete()
        case 19:
            command = node.command
            return command is not None and command.run(visit.path)
        case _:
            pass
    return True


def age(visit: Visit, unit: U64) -> U64:
    """How long ago a file was changed, in whole units."""
    try:
        return now().saturating_sub(visit.modified) // unit
    except Error:
        return U64(0)


@managed
class Expression:
    """The parser, and what it found that holds for the whole search."""

    words: List[Text]
    at: U64
    depth: U64
    least: U64  # levels: -mindepth
    most: U64  # -maxdepth
    late: bool  # what is in a directory comes before it: -depth
    acts: bool  # has an action, so nothing is printed by itself
    batches: List[Execution]  # commands that take many files at once

    def peek(self, text: str) -> bool:
        return self.at < self.words.length and self.words[self.at].equals(text)

    def next(self, after: Text) -> Text:
        """The next word; raises Usage when there is none."""
        if self.at == self.words.length:
            print_error(f"find: missing argument to '{after}'")
            raise Usage
        self.at += 1
        return self.words[self.at - 1]

    def whole(self) -> Node:
        """The whole expression, to be printed if it does nothing else; raises Usage."""
        result = Node(U64(ALWAYS)) if self.words.length == 0 else self.list()
        if self.at < self.words.length:
            print_error(f"find: invalid expression at '{self.words[self.at]}'")
            raise Usage
        if not self.acts:
            result = Node(U64(AND), result, Node(U64(PRINT)))
        return result

    def list(self) -> Node:
        left = self.disjunction()
        while self.peek(","):
            self.at += 1
            left = Node(U64(COMMA), left, self.disjunction())
        return left

    def disjunction(self) -> Node:
        left = self.conjunction()
        while self.peek("-o") or self.peek("-or"):
            self.at += 1
            left = Node(U64(OR), left, self.conjunction())
        return left

    def conjunction(self) -> Node:
        left = self.negation()
        while self.at < self.words.length and not self.peek(")") and not self.peek(","):
            if self.peek("-o") or self.peek("-or"):
                break
            if self.peek("-a") or self.peek("-and"):
                self.at += 1
            left = Node(U64(AND), left, self.negation())
        return left

    def negation(self) -> Node:
        if self.peek("!") or self.peek("-not"):
            self.at += 1
            return Node(U64(NOT), self.negation())
        if not self.peek("("):
            return self.test(self.next(Text("an operator")))
        self.at += 1
        self.depth += 1
        if self.depth > DEEPEST:
            print_error("find: too many parentheses")
            raise Usage
        result = self.list()
        self.depth -= 1
        if not self.peek(")"):
            print_error("find: there is no ')' for a '('")
            raise Usage
        self.at += 1
        return result

    def test(self, word: Text) -> Node:
        """A test or an action by its name."""
        node = self.plain(word)
        if node is not None:
            return node
        if word.equals("-name") or word.equals("-iname"):
            return self.pattern(U64(NAME), word)
        if word.equals("-path") or word.equals("-ipath") or word.equals("-wholename"):
            return self.pattern(U64(PATH), word)
        if word.equals("-type"):
            return self.type(word)
        if word.equals("-size"):
            return self.size(word)
        if word.equals("-mtime"):
            return self.relative(U64(OLDER), word, U64(DAY))
        if word.equals("-mmin"):
            return self.relative(U64(OLDER), word, U64(MINUTE))
        if word.equals("-links"):
            return self.relative(U64(LINKS), word, U64(1))
        if word.equals("-perm"):
            return self.permissions(word)
        if word.equals("-newer"):
            return self.newer(word)
        if word.equals("-exec"):
            return self.execution(word)
        if word.equals("-maxdepth"):
            self.most = self.count(word)
            return Node(U64(ALWAYS))
        if word.equals("-mindepth"):
            self.least = self.count(word)
            return Node(U64(ALWAYS))
        print_error(f"find: unknown predicate '{word}'")
        raise Usage

    def plain(self, word: Text) -> Node | None:
        """A test or action that takes no argument."""
        if word.equals("-print"):
            self.acts = True
            return Node(U64(PRINT))
        if word.equals("-print0"):
            self.acts = True
            return Node(U64(PRINT_ZERO))
        if word.equals("-delete"):
            self.acts = True
            self.late = True
            return Node(U64(DELETE))
        if word.equals("-prune"):
            return Node(U64(PRUNE))
        if word.equals("-empty"):
            return Node(U64(EMPTY))
        if word.equals("-depth") or word.equals("-d"):
            self.late = True
            return Node(U64(ALWAYS))
        if word.equals("-true") or word.equals("-xdev") or word.equals("-mount"):
            return Node(U64(ALWAYS))
        if word.equals("-false"):
            return Node(U64(NEVER))
        return None

    def execution(self, word: Text) -> Node:
        """`-exec COMMAND ;` and `-exec COMMAND {} +`."""
        self.acts = True
        words = List[Text]()
        while True:
            one = self.next(word)
            many = one.equals("+") and words.length > 0 and words[words.length - 1].equals("{}")
            if one.equals(";") or many:
                break
            words.append(one)
        if many:
            words.pop()
        if words.length == 0:
            print_error(f"find: missing argument to '{word}'")
            raise Usage
        made = Execution(words, many, List[Text](), U64(0), runner("find", True), False)
        if many:
            self.batches.append(made)
        return Node(U64(EXECUTE), command=made)

    def pattern(self, kind: U64, word: Text) -> Node:
        return Node(kind, wildcard=Wildcard(self.next(word), word[1] == 0x69, False))

    def type(self, word: Text) -> Node:
        letter = self.next(word)
        kind = U64(0)
        if letter.equals("f"):
            kind = U64(FILE)
        elif letter.equals("d"):
            kind = U64(DIRECTORY)
        elif letter.equals("p"):
            kind = U64(PIPE)
        elif letter.equals("c") or letter.equals("b"):
            kind = U64(DEVICE)
        elif not letter.equals("l") and not letter.equals("s"):  # there are none of those
            print_error(f"find: Unknown argument to -type: {letter}")
            raise Usage
        return Node(U64(TYPE), value=kind)

    def count(self, word: Text) -> U64:
        text = self.next(word)
        try:
            return to_count(text)
        except InvalidNumber:
            print_error(f"find: Expected a positive decimal integer argument to {word}, but got '{text}'")
            raise Usage from None

    def number(self, kind: U64, word: Text, text: Text, unit: U64) -> Node:
        """A number, after `+` for more than that or `-` for less."""
        relation = U64(EQUAL)
        digits = text
        if text.length > 0 and (text[0] == PLUS or text[0] == MINUS):
            relation = U64(MORE) if text[0] == PLUS else U64(LESS)
            digits = text.slice(U64(1), text.length)
        try:
            return Node(kind, value=to_count(digits), unit=unit, relation=relation)
        except InvalidNumber:
            print_error(f"find: invalid argument '{text}' to '{word}'")
            raise Usage from None

    def relative(self, kind: U64, word: Text, unit: U64) -> Node:
        return self.number(kind, word, self.next(word), unit)

    def size(self, word: Text) -> Node:
        """A size in blocks of 512 bytes, or in the unit that a letter names."""
        text = self.next(word)
        unit = U64(512)
        if text.length > 0:
            match text[text.length - 1]:
                case 0x63:
                    unit = U64(1)
                case 0x77:
                    unit = U64(2)
                case 0x62:
                    unit = U64(512)
                case 0x6B:
                    unit = U64(1 << 10)
                case 0x4D:
                    unit = U64(1 << 20)
                case 0x47:
                    unit = U64(1 << 30)
                case _:
                    return self.number(U64(SIZE), word, text, unit)
            text = text.slice(U64(0), text.length - 1)
        return self.number(U64(SIZE), word, text, unit)

    def permissions(self, word: Text) -> Node:
        """`-perm MODE`: exactly; `-MODE`: all of these; `/MODE`: any of these."""
        text = self.next(word)
        relation = U64(EQUAL)
        mode = text
        if text.starts_with("-") or text.starts_with("/"):
            relation = U64(LESS) if text[0] == MINUS else U64(MORE)
            mode = text.slice(U64(1), text.length)
        try:
            return Node(U64(PERMISSIONS), value=parse_mode(mode, U64(0), False), relation=relation)
        except BadMode:
            print_error(f"find: invalid mode '{text}'")
            raise Usage from None

    def newer(self, word: Text) -> Node:
        path = self.next(word)
        try:
            return Node(U64(NEWER), value=status(path).modified)
        except Error:
            print_error(f"find: '{path}': {reason(error_code())}")
            raise Usage from None
