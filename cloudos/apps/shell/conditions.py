"""`test` and `[`."""

from __future__ import annotations

from cloudos.apps.shell.characters import DASH, SMALL_N, SMALL_T, SMALL_Z
from cloudos.apps.shell.environment import file_status
from cloudos.apps.shell.state import State
from cloudos.contracts.files import DEVICE, DIRECTORY, FILE, PIPE, TERMINAL
from cloudos.lang import I64, U64, Error, managed
from cloudos.sdk import InvalidNumber, List, Text, programs

FAILED = 2
DEEPEST = 50  # parentheses and negations: each takes a piece of the stack


class BadCondition(Error):
    """The words are no condition; `problem` says why."""


@managed
class Condition:
    """Evaluates the words of a condition as it reads them."""

    state: State
    words: List[Text]
    position: U64
    depth: U64
    problem: Text

    @property
    def left(self) -> U64:
        """How many words there are still."""
        return self.words.length - self.position

    def is_next(self, word: str) -> bool:
        """Whether this word comes next."""
        return self.left > 0 and self.words[self.position].equals(word)

    def take(self) -> Text:
        """The next word. Raises BadCondition when there is none."""
        if self.left == 0:
            self.problem = Text("argument expected")
            raise BadCondition
        self.position += 1
        return self.words[self.position - 1]

    def whole(self) -> bool:
        """All the words. Raises BadCondition."""
        # With few words their number decides, so that `test "$x"` and `test "$x" = "$y"` work for any values.
        count = self.words.length
        if count == 0:
            return False
        if count == 1:
            return self.words[0].length > 0
        if count == 3 and is_binary(self.words[1]):
            return self.binary()
        if count == 4 and self.is_next("!") and is_binary(self.words[2]):
            self.position = U64(1)
            return not self.binary()
        result = self.either()
        if self.left > 0:
            self.problem = Text(f"{self.words[self.position]}: unexpected operator")
            raise BadCondition
        return result

    def either(self) -> bool:
        """Conditions joined by `-o`."""
        result = self.both()
        while self.is_next("-o"):
            self.position += 1
            other = self.both()
            result = result or other
        return result

    def both(self) -> bool:
        """Conditions joined by `-a`."""
        result = self.negation()
        while self.is_next("-a"):
            self.position += 1
            other = self.negation()
            result = result and other
        return result

    def negation(self) -> bool:
        """A condition, perhaps after `!`."""
        if self.depth == DEEPEST:
            self.problem = Text("too deeply nested")
            raise BadCondition
        if self.is_next("!") and self.left > 1:
            self.position += 1
            self.depth += 1
            result = not self.negation()
            self.depth -= 1
            return result
        return self.primary()

    def primary(self) -> bool:
        """One condition."""
        if self.left > 2 and is_binary(self.words[self.position + 1]):
            return self.binary()
        if self.is_next("(") and self.left > 1:
            self.position += 1
            self.depth += 1
            result = self.either()
            self.depth -= 1
            if not self.is_next(")"):
                self.problem = Text("closing paren expected")
                raise BadCondition
            self.position += 1
            return result
        word = self.take()
        if self.left > 0 and word.length == 2 and word[0] == DASH and is_unary(word):
            return self.unary(word, self.take())
        return word.length > 0

    def unary(self, operator: Text, operand: Text) -> bool:
        """A condition of one operand."""
        letter = operator[1]
        if letter == SMALL_N:
            return operand.length > 0
        if letter == SMALL_Z:
            return operand.length == 0
        if letter == SMALL_T:
            return self.is_terminal(operand)
        found = file_status(self.state.absolute(operand)) if operand.length > 0 else None
        if found is None:
            return False
        match letter:
            case 0x66:  # f
                return found.kind == FILE
            case 0x64:  # d
                return found.kind == DIRECTORY
            case 0x72:  # r
                return found.mode & 0o400 != 0
            case 0x77:  # w
                return found.mode & 0o200 != 0
            case 0x78:  # x
                return found.mode & 0o100 != 0
            case 0x73:  # s
                return found.length > 0
            case 0x70:  # p
                return found.kind == PIPE
            case 0x63:  # c
                return found.kind == DEVICE or found.kind == TERMINAL
            case 0x65:  # e
                return True
            case _:
                return False

    def is_terminal(self, operand: Text) -> bool:
        """Whether a descriptor is a terminal. Raises BadCondition."""
        number = self.integer(operand)
        if number < 0 or number > 9:
            return False
        channel = self.state.channels[U64(number)]
        if channel.handle == 0:
            return False
        try:
            return programs.SYSTEM.stream_status(channel.handle).kind == TERMINAL
        except Error:
            return False

    def binary(self) -> bool:
        """A condition of two operands. Raises BadCondition."""
        left = self.take()
        operator = self.take()
        right = self.take()
        if operator.equals("=") or operator.equals("=="):
            return left == right
        if operator.equals("!="):
            return left != right
        if operator.equals("<"):
            return left < right
        if operator.equals(">"):
            return left > right
        if operator.equals("-nt") or operator.equals("-ot") or operator.equals("-ef"):
            return self.files(left, operator, right)
        a, b = self.integer(left), self.integer(right)
        if operator.equals("-eq"):
            return a == b
        if operator.equals("-ne"):
            return a != b
        if operator.equals("-lt"):
            return a < b
        if operator.equals("-le"):
            return a <= b
        return a > b if operator.equals("-gt") else a >= b

    def files(self, left: Text, operator: Text, right: Text) -> bool:
        """`-nt`, `-ot` and `-ef`."""
        one = file_status(self.state.absolute(left))
        other = file_status(self.state.absolute(right))
        if one is None or other is None:
            return False
        if operator.equals("-nt"):
            return one.modified > other.modified
        if operator.equals("-ot"):
            return one.modified < other.modified
        return one.number == other.number and one.mount == other.mount

    def integer(self, word: Text) -> I64:
        """A word as a number. Raises BadCondition."""
        try:
            return word.strip().to_integer()
        except InvalidNumber:
            self.problem = Text(f"Illegal number: {word}")
            raise BadCondition


def is_binary(word: Text) -> bool:
    """Whether it stands between two operands."""
    return word in Text("= == != < > -eq -ne -lt -le -gt -ge -nt -ot -ef").words()


def is_unary(word: Text) -> bool:
    """Whether an operand follows it."""
    return word in Text("-n -z -t -f -d -r -w -x -s -p -c -e -b -h -L -S -u -g -k -O -G").words()


def test(state: State, words: List[Text]) -> None:
    """`test`: status 0 for true, 1 for false, 2 when it is no condition."""
    condition = Condition(state, words, U64(0), U64(0), Text(""))
    try:
        state.status = U64(0) if condition.whole() else U64(1)
    except BadCondition:
        state.complain(f"test: {condition.problem}")
        state.status = U64(FAILED)


def bracket(state: State, fields: List[Text]) -> None:
    """`[ … ]`."""
    last = fields.length - 1
    if not fields[last].equals("]"):
        state.complain("[: missing ]")
        state.status = U64(FAILED)
        return
    test(state, fields.slice(U64(1), last))
