"""test and [: conditions as exit statuses."""

from __future__ import annotations

from cloudos.apps.options import Usage
from cloudos.contracts.files import DEVICE, DIRECTORY, FILE, PIPE, TERMINAL
from cloudos.contracts.streams import Status
from cloudos.lang import I64, U8, U64, Error, managed
from cloudos.sdk import InvalidNumber, List, Text, is_terminal, print_error
from cloudos.sdk.filesystem import same_file, status

TROUBLE = 2
DASH = ord("-")
DEEPEST = 100


def trouble(message: str) -> None:
    """Complain and raise Usage."""
    print_error(f"test: {message}")
    raise Usage


@managed
class Condition:
    """The parser of a condition, which finds out whether it is true as it goes."""

    words: List[Text]
    at: U64
    depth: U64

    def left(self) -> U64:
        """How many words are left."""
        return self.words.length - self.at

    def word(self, offset: U64) -> Text:
        """A word behind the position."""
        return self.words[self.at + offset]

    def is_word(self, offset: U64, text: str) -> bool:
        return offset < self.left() and self.word(offset).equals(text)

    def whole(self) -> bool:
        """POSIX says what up to four words mean; more are read by precedence. Raises Usage."""
        result = self.counted(self.words.length)
        if self.left() > 0:
            trouble(f"extra argument '{self.word(U64(0))}'")
        return result

    def counted(self, count: U64) -> bool:
        """A condition of so many words."""
        if count == 0:
            return False
        if count == 1:
            self.at += 1
            return self.words[self.at - 1].length > 0
        if count == 2:
            return self.two()
        if count == 3 and self.three():
            return self.binary()
        if count == 3 and self.is_word(U64(0), "!"):
            self.at += 1
            return not self.two()
        if count == 3 and self.is_word(U64(0), "(") and self.is_word(U64(2), ")"):
            self.at += 3
            return self.words[self.at - 2].length > 0
        if count == 4 and self.is_word(U64(0), "!"):
            self.at += 1
            return not self.counted(U64(3))
        if count == 4 and self.is_word(U64(0), "(") and self.is_word(U64(3), ")"):
            self.at += 1
            result = self.two()
            self.at += 1
            return result
        return self.disjunction()

    def two(self) -> bool:
        if self.is_word(U64(0), "!"):
            self.at += 2
            return self.words[self.at - 1].length == 0
        if not is_unary(self.word(U64(0))):
            trouble(f"'{self.word(U64(0))}': unary operator expected")
        return self.unary()

    def three(self) -> bool:
        """Whether the second of three words is an operator of two."""
        return is_binary(self.word(U64(1)))

    def disjunction(self) -> bool:
        result = self.conjunction()
        while self.is_word(U64(0), "-o"):
            self.at += 1
            right = self.conjunction()
            result = result or right
        return result

    def conjunction(self) -> bool:
        result = self.negation()
        while self.is_word(U64(0), "-a"):
            self.at += 1
            right = self.negation()
            result = result and right
        return result

    def negation(self) -> bool:
        if self.left() == 0:
            trouble("argument expected")
        if self.left() > 2 and is_binary(self.word(U64(1))) and not self.is_joining(U64(1)):
            return self.binary()
        if self.is_word(U64(0), "!") and self.left() > 1:
            self.at += 1
            return not self.negation()
        if self.is_word(U64(0), "("):
            return self.parentheses()
        if self.left() > 1 and is_unary(self.word(U64(0))) and not self.is_joining(U64(1)):
            return self.unary()
        self.at += 1
        return self.words[self.at - 1].length > 0

    def is_joining(self, offset: U64) -> bool:
        return self.is_word(offset, "-a") or self.is_word(offset, "-o")

    def parentheses(self) -> bool:
        self.at += 1
        self.depth += 1
        if self.depth > DEEPEST:
            trouble("too many parentheses")
        result = self.disjunction()
        self.depth -= 1
        if not self.is_word(U64(0), ")"):
            trouble("')' expected")
        self.at += 1
        return result

    def unary(self) -> bool:
        """An operator and its operand."""
        letter = self.word(U64(0))[1]
        operand = self.word(U64(1))
        self.at += 2
        match letter:
            case 0x6E:
                return operand.length > 0
            case 0x7A:
                return operand.length == 0
            case 0x74:
                return terminal(operand)
            case _:
                return file_is(letter, operand)

    def binary(self) -> bool:
        """An operator between two operands."""
        left = self.word(U64(0))
        operator = self.word(U64(1))
        right = self.word(U64(2))
        self.at += 3
        if operator.equals("=") or operator.equals("=="):
            return left == right
        if operator.equals("!="):
            return left != right
        if operator.equals("<"):
            return left < right
        if operator.equals(">"):
            return right < left
        if operator.equals("-a"):
            return left.length > 0 and right.length > 0
        if operator.equals("-o"):
            return left.length > 0 or right.length > 0
        if operator.equals("-nt"):
            return newer(left, right)
        if operator.equals("-ot"):
            return newer(right, left)
        if operator.equals("-ef"):
            return same(left, right)
        return compares(operator, number(left), number(right))


def compares(operator: Text, left: I64, right: I64) -> bool:
    """Compare two numbers."""
    if operator.equals("-eq"):
        return left == right
    if operator.equals("-ne"):
        return left != right
    if operator.equals("-lt"):
        return left < right
    if operator.equals("-le"):
        return left <= right
    if operator.equals("-gt"):
        return left > right
    return left >= right


def number(text: Text) -> I64:
    """A number, perhaps between blanks; raises Usage."""
    try:
        return text.strip().to_integer()
    except InvalidNumber:
        trouble(f"invalid integer '{text}'")
        return I64(0)


def is_unary(word: Text) -> bool:
    """Whether a word is an operator with one operand."""
    if word.length != 2 or word[0] != DASH:
        return False
    letters = Text("bcdefghknprstuwxzLOGSN")
    for letter in letters.content:
        if letter == word[1]:
            return True
    return False


def is_binary(word: Text) -> bool:
    """Whether a word is an operator between two operands."""
    for known in Text("= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef -a -o").words():
        if known == word:
            return True
    return False


def terminal(text: Text) -> bool:
    """Whether a standard stream is a terminal."""
    descriptor = number(text)
    return descriptor >= 0 and descriptor <= 2 and is_terminal(U64.truncate(descriptor))


def file_is(letter: U8, path: Text) -> bool:
    """Whether a file is there and is what the letter asks."""
    try:
        found = status(path)
    except Error:
        return False
    match letter:
        case 0x65:  # e
            return True
        case 0x66:  # f
            return found.kind == FILE
        case 0x64:  # d
            return found.kind == DIRECTORY
        case 0x63:  # c
            return found.kind == DEVICE or found.kind == TERMINAL
        case 0x70:  # p
            return found.kind == PIPE
        case 0x73:  # s
            return found.length > 0
        case 0x72:  # r
            return found.mode & 0o400 != 0
        case 0x77:  # w
            return found.mode & 0o200 != 0
        case 0x78:  # x
            return found.mode & 0o100 != 0
        case 0x4F | 0x47:  # O, G: there is one user
            return True
        case _:  # links, sockets, blocks and special bits do not exist
            return False


def times(path: Text) -> U64 | None:
    """When a file was changed; None when it is not there."""
    try:
        return status(path).modified
    except Error:
        return None


def newer(left: Text, right: Text) -> bool:
    """Whether a file was changed after another; one that is not there is older than all."""
    first = times(left)
    second = times(right)
    if first is None:
        return False
    return second is None or first > second


def same(left: Text, right: Text) -> bool:
    try:
        first: Status = status(left)
        second = status(right)
    except Error:
        return False
    return same_file(first, second)


def test(arguments: List[Text]) -> U8:
    """Say whether a condition is true: 0 yes, 1 no, 2: it is no condition."""
    try:
        words = arguments.slice(U64(1), arguments.length)
        return U8(0) if Condition(words, U64(0), U64(0)).whole() else U8(1)
    except Usage:
        return U8(TROUBLE)


def bracket(arguments: List[Text]) -> U8:
    """`test` under the name `[`, with a `]` at the end."""
    if arguments.length < 2 or not arguments[arguments.length - 1].equals("]"):
        print_error("[: missing ']'")
        return U8(TROUBLE)
    return test(arguments.slice(U64(0), arguments.length - 1))
