"""`$((…))`: integers of 64 bits with C's operators, which wrap around."""

from __future__ import annotations

from cloudos.apps.shell.characters import (
    AMPERSAND,
    BANG,
    BAR,
    CARET,
    CLOSE,
    COLON,
    DASH,
    EQUALS,
    GREATER,
    LESS,
    OPEN,
    PERCENT,
    PLUS,
    QUESTION,
    SLASH,
    STAR,
    TILDE,
    is_digit,
    is_name_byte,
    is_name_start,
)
from cloudos.apps.shell.state import State
from cloudos.lang import I64, U8, U64, Error, Slice, data, managed
from cloudos.sdk import ByteBuffer, Text

DEEPEST = 60  # nested parentheses, signs and values of variables: each takes a piece of the stack
SMALLEST = I64(I64.MIN)
LEVELS = 10

OPERATORS = (
    (b"||",),
    (b"&&",),
    (b"|",),
    (b"^",),
    (b"&",),
    (b"==", b"!="),
    (b"<=", b">=", b"<", b">"),
    (b"<<", b">>"),
    (b"+", b"-"),
    (b"*", b"/", b"%"),
)
"""From the loosest to the tightest; documentation of `level_of`, and checked against it by the tests."""


class ArithmeticFailure(Error):
    """The expression has no value; the evaluator's `problem` says why."""


@managed
class Arithmetic:
    """Evaluates one expression as it reads it. Where a value is not wanted (`0 && x`), `idle` is above 0."""

    text: Text
    state: State
    position: U64
    depth: U64
    idle: U64
    problem: Text
    # The operator that `binary_operator` found.
    operator: ByteBuffer

    def __init__(self, text: Text, state: State) -> None:
        self.text = text
        self.state = state
        self.position = U64(0)
        self.depth = U64(0)
        self.idle = U64(0)
        self.problem = Text("")
        self.operator = ByteBuffer()

    def evaluate(self) -> I64:
        """The value. Raises ArithmeticFailure, and ExpansionFailure for a variable that cannot be set."""
        value = self.assignment()
        if self.peek() != 0:
            self.fail("expecting EOF")
            raise ArithmeticFailure
        return value

    def fail(self, problem: str) -> None:
        """Note what is wrong; the caller raises ArithmeticFailure."""
        self.problem = Text(f'arithmetic expression: {problem}: "{self.text}"')

    def peek(self) -> U8:
        """The next byte that is not white space; 0 at the end."""
        while self.position < self.text.length and (
            self.text[self.position] == 0x20 or 0x09 <= self.text[self.position] <= 0x0D
        ):
            self.position += 1
        return self.at(U64(0))

    def at(self, offset: U64) -> U8:
        """A byte further on; 0 behind the end."""
        place = self.position + offset
        return self.text[place] if place < self.text.length else U8(0)

    def assignment(self) -> I64:
        """`name = value`, `name += value` and so on, or a condition."""
        if is_name_start(self.peek()):
            start = self.position
            name = self.name()
            length = self.assignment_operator()
            if length > 0:
                operator = Text.from_bytes(self.text.content[self.position : self.position + length - 1])
                self.position += length
                value = self.assignment()
                if length > 1:
                    value = self.apply(operator.content, self.variable(name), value)
                if self.idle == 0:
                    self.state.set(name, Text(f"{value}"))
                return value
            self.position = start
        return self.conditional()

    def assignment_operator(self) -> U64:
        """How long the assignment operator is that comes next; 0: there is none."""
        first = self.peek()
        second = self.at(U64(1))
        if first == EQUALS:
            return U64(0) if second == EQUALS else U64(1)
        twice = first == second and (first == LESS or first == GREATER)
        if twice and self.at(U64(2)) == EQUALS:
            return U64(3)
        single = (
            first == PLUS
            or first == DASH
            or first == STAR
            or first == SLASH
            or first == PERCENT
            or first == AMPERSAND
            or first == BAR
            or first == CARET
        )
        return U64(2) if single and second == EQUALS else U64(0)

    def conditional(self) -> I64:
        """`condition ? one : other`."""
        value = self.binary(U64(0))
        if self.peek() != QUESTION:
            return value
        self.position += 1
        if value == 0:
            self.idle += 1
        one = self.assignment()
        if value == 0:
            self.idle -= 1
        if self.peek() != COLON:
            self.fail("expecting ':'")
            raise ArithmeticFailure
        self.position += 1
        if value != 0:
            self.idle += 1
        other = self.conditional()
        if value != 0:
            self.idle -= 1
        return one if value != 0 else other

    def binary(self, level: U64) -> I64:
        """Operators of a level and tighter ones, from the left."""
        if level == LEVELS:
            return self.unary()
        left = self.binary(level + 1)
        while True:
            length = self.binary_operator()
            operator = Text.from_bytes(self.text.content[self.position : self.position + length])
            if length == 0 or level_of(operator.content) != level:
                return left
            self.position += length
            if level > 1:
                left = self.apply(operator.content, left, self.binary(level + 1))
                continue
            decided = left != 0 if level == 0 else left == 0
            if decided:
                self.idle += 1
            right = self.binary(level + 1)
            if decided:
                self.idle -= 1
            left = truth(left != 0 or right != 0 if level == 0 else left != 0 and right != 0)

    def binary_operator(self) -> U64:
        """How long the binary operator is that comes next; 0: there is none, or it assigns."""
        first = self.peek()
        if first == 0 or self.assignment_operator() > 0:
            return U64(0)
        if self.position + 2 <= self.text.length:
            if level_of(self.text.content[self.position : self.position + 2]) < LEVELS:
                return U64(2)
        return U64(1) if level_of(self.text.content[self.position : self.position + 1]) < LEVELS else U64(0)

    def unary(self) -> I64:
        """Signs and negations."""
        if self.depth == DEEPEST:
            self.fail("too deeply nested")
            raise ArithmeticFailure
        self.depth += 1
        byte = self.peek()
        if byte == DASH:
            self.position += 1
            value = self.unary().wrapping_neg()
        elif byte == PLUS:
            self.position += 1
            value = self.unary()
        elif byte == TILDE:
            self.position += 1
            value = ~self.unary()
        elif byte == BANG:
            self.position += 1
            value = truth(self.unary() == 0)
        else:
            value = self.primary()
        self.depth -= 1
        return value

    def primary(self) -> I64:
        """A number, a variable, or an expression in parentheses."""
        byte = self.peek()
        if byte == OPEN:
            self.position += 1
            value = self.assignment()
            if self.peek() != CLOSE:
                self.fail("expecting ')'")
                raise ArithmeticFailure
            self.position += 1
            return value
        if is_digit(byte):
            return self.number()
        if is_name_start(byte):
            return self.variable(self.name())
        self.fail("expecting primary")
        raise ArithmeticFailure

    def name(self) -> Text:
        """Take a name."""
        start = self.position
        while is_name_byte(self.at(U64(0))):
            self.position += 1
        return self.text.slice(start, self.position)

    def number(self) -> I64:
        """Take a decimal, octal (`0…`) or hexadecimal (`0x…`) constant; larger ones than fit are the largest."""
        start = self.position
        while is_name_byte(self.at(U64(0))):
            self.position += 1
        value = constant(self.text.content[start : self.position])
        if value is None:
            self.fail("bad number")
            raise ArithmeticFailure
        return value

    def variable(self, name: Text) -> I64:
        """The value of a variable: 0 when it is not set or empty. Raises ArithmeticFailure when it is no number."""
        value = self.state.get(name)
        if value is None:
            return I64(0)
        text = value.strip()
        if text.length == 0:
            return I64(0)
        negative = text[0] == DASH
        signed = negative or text[0] == PLUS
        found = constant(text.content[1 if signed else 0 : text.length])
        if found is None:
            self.problem = Text(f"Illegal number: {value}")
            raise ArithmeticFailure
        return found.wrapping_neg() if negative else found

    def apply(self, operator: Slice[U8], left: I64, right: I64) -> I64:
        """The value of a binary operator. Raises ArithmeticFailure for a division by zero."""
        first = operator[0]
        if first == SLASH or first == PERCENT:
            if right == 0:
                if self.idle > 0:
                    return I64(0)
                self.fail("division by zero")
                raise ArithmeticFailure
            return quotient(left, right) if first == SLASH else remainder(left, right)
        return computed(operator, left, right)


def truth(value: bool) -> I64:
    """1 or 0."""
    return I64(1) if value else I64(0)


def level_of(operator: Slice[U8]) -> U64:
    """How tightly a binary operator binds: its row in OPERATORS; LEVELS when it is none."""
    first = operator[0]
    if operator.length == 2:
        second = operator[1]
        if second == EQUALS:
            if first == EQUALS or first == BANG:
                return U64(5)
            return U64(6) if first == LESS or first == GREATER else U64(LEVELS)
        if first != second:
            return U64(LEVELS)
        if first == BAR:
            return U64(0)
        if first == AMPERSAND:
            return U64(1)
        return U64(7) if first == LESS or first == GREATER else U64(LEVELS)
    if first == BAR:
        return U64(2)
    if first == CARET:
        return U64(3)
    if first == AMPERSAND:
        return U64(4)
    if first == LESS or first == GREATER:
        return U64(6)
    if first == PLUS or first == DASH:
        return U64(8)
    return U64(9) if first == STAR or first == SLASH or first == PERCENT else U64(LEVELS)


def computed(operator: Slice[U8], left: I64, right: I64) -> I64:
    """The value of a binary operator that always has one."""
    match operator[0]:
        case 0x2A:
            return left.wrapping_mul(right)
        case 0x2B:
            return left.wrapping_add(right)
        case 0x2D:
            return left.wrapping_sub(right)
        case 0x7C:
            return left | right
        case 0x5E:
            return left ^ right
        case 0x26:
            return left & right
        case 0x3D:
            return truth(left == right)
        case 0x21:
            return truth(left != right)
        case _:
            return compared(operator, left, right)


def compared(operator: Slice[U8], left: I64, right: I64) -> I64:
    """Comparisons and shifts."""
    count = U64.truncate(right) % 64
    if operator.equals(data(b"<<")):
        return I64.truncate(U64.truncate(left).wrapping_shl(count))
    if operator.equals(data(b">>")):
        return left >> I64(count)
    if operator.equals(data(b"<=")):
        return truth(left <= right)
    if operator.equals(data(b">=")):
        return truth(left >= right)
    return truth(left < right if operator[0] == LESS else left > right)


def quotient(left: I64, right: I64) -> I64:
    """Rounded towards zero, as C does."""
    if right == -1:
        return left.wrapping_neg()
    value = left // right
    return value + 1 if value < 0 and value.wrapping_mul(right) != left else value


def remainder(left: I64, right: I64) -> I64:
    """With the sign of the left side, as C does."""
    if right == -1:
        return I64(0)
    return left.wrapping_sub(quotient(left, right).wrapping_mul(right))


def constant(text: Slice[U8]) -> I64 | None:
    """The value of a constant; None when it is none. Larger ones than fit are the largest."""
    base, at = U64(10), U64(0)
    if text.length > 2 and text[0] == 0x30 and text[1] | 0x20 == 0x78:
        base, at = U64(16), U64(2)
    elif text.length > 1 and text[0] == 0x30:
        base, at = U64(8), U64(1)
    if text.length == 0:
        return None
    value = U64(0)
    for position in U64.range(at, text.length):
        digit = digit_value(text[position])
        if digit >= base:
            return None
        value = min(value.saturating_mul(base).saturating_add(digit), U64(I64.MAX))
    return I64(value)


def digit_value(byte: U8) -> U64:
    """The value of a digit of any base; 99 when it is none."""
    if is_digit(byte):
        return U64(byte) - 0x30
    letter = byte | 0x20
    return U64(letter) - 0x61 + 10 if 0x61 <= letter <= 0x7A else U64(99)
