"""A calculator: an expression in each line, its value in answer.

    bin/cloudos run examples/calc.py

    6 * 7
    side = 3
    -side ** 2 + (1 - 10) // 4

Integers of 64 bits with Python's operators + - * // % **, parentheses, and variables. A mistake is reported and the
next line is read; the end of the input ends the program.

The grammar, one method of `Parser` for each rule:

    line    = [NAME "="] sum
    sum     = product {("+" | "-") product}
    product = unary {("*" | "//" | "%") unary}
    unary   = ("-" | "+") unary | power
    power   = atom ["**" unary]
    atom    = NUMBER | NAME | "(" sum ")"
"""

from __future__ import annotations

from cloudos.lang import I64, U8, U64, Error, managed
from cloudos.sdk import InvalidNumber, KeyMissing, Map, Text, is_terminal, lines, print, print_error, run, stdin

DEEPEST = 100  # nested parentheses and signs: each takes a piece of the stack
SMALLEST = I64(I64.MIN)

PLUS = ord("+")
MINUS = ord("-")
STAR = ord("*")
SLASH = ord("/")
PERCENT = ord("%")
EQUALS = ord("=")
OPEN = ord("(")
CLOSE = ord(")")
ZERO = ord("0")
NINE = ord("9")
SMALL_A = ord("a")
SMALL_Z = ord("z")
UNDERSCORE = ord("_")


class Unexpected(Error):
    """The line does not follow the grammar."""


class TooDeep(Error):
    """More than DEEPEST levels of parentheses and signs."""


class UnknownName(Error):
    """A variable without a value."""


class OutOfRange(Error):
    """A number or a result that does not fit into 64 bits."""


class DivisionByZero(Error):
    """The right side of // or % is zero."""


class NegativeExponent(Error):
    """The result would not be an integer."""


def add(left: I64, right: I64) -> I64:
    """The sum; raises OutOfRange. A plain + would end the program on overflow, which is not the user's fault."""
    result = left.wrapping_add(right)
    if (left ^ result) & (right ^ result) < 0:  # both operands differ from the result in sign
        raise OutOfRange
    return result


def subtract(left: I64, right: I64) -> I64:
    """The difference; raises OutOfRange."""
    result = left.wrapping_sub(right)
    if (left ^ right) & (left ^ result) < 0:
        raise OutOfRange
    return result


def multiply(left: I64, right: I64) -> I64:
    """The product; raises OutOfRange."""
    if left == 0 or right == 0:
        return I64(0)
    if left == -1:
        return subtract(I64(0), right)
    result = left.wrapping_mul(right)
    if result // left != right:
        raise OutOfRange
    return result


def divide(left: I64, right: I64) -> I64:
    """The quotient, rounded down; raises DivisionByZero, OutOfRange."""
    if right == 0:
        raise DivisionByZero
    if left == SMALLEST and right == -1:
        raise OutOfRange
    return left // right


def remainder(left: I64, right: I64) -> I64:
    """What // leaves, with the sign of the right side; raises DivisionByZero."""
    if right == 0:
        raise DivisionByZero
    if right == -1:
        return I64(0)
    return left % right


def power(base: I64, exponent: I64) -> I64:
    """By repeated squaring; raises NegativeExponent, OutOfRange."""
    if exponent < 0:
        raise NegativeExponent
    result = I64(1)
    factor = base
    rest = exponent
    while rest > 0:
        if rest % 2 == 1:
            result = multiply(result, factor)
        rest = rest // 2
        if rest > 0:
            factor = multiply(factor, factor)
    return result


def is_digit(byte: U8) -> bool:
    return byte >= ZERO and byte <= NINE


def is_letter(byte: U8) -> bool:
    letter = byte | 0x20
    return (letter >= SMALL_A and letter <= SMALL_Z) or byte == UNDERSCORE


@managed
class Parser:
    """Reads one line and computes as it goes: recursive descent."""

    line: Text
    variables: Map[Text, I64]
    position: U64
    depth: U64

    def __init__(self, line: Text, variables: Map[Text, I64]) -> None:
        self.line = line
        self.variables = variables
        self.position = U64(0)
        self.depth = U64(0)

    def peek(self) -> U8:
        """The next byte that is not a space; 0 at the end of the line."""
        while self.position < self.line.length and self.line[self.position] <= 0x20:
            self.position += 1
        if self.position == self.line.length:
            return U8(0)
        return self.line[self.position]

    def follows(self, symbol: U8) -> bool:
        """Whether the byte after the next one is this symbol."""
        return self.position + 1 < self.line.length and self.line[self.position + 1] == symbol

    def take(self, length: U64) -> None:
        self.position += length

    def name(self) -> Text | None:
        """Take a name, if one comes next."""
        if not is_letter(self.peek()):
            return None
        start = self.position
        while self.position < self.line.length and is_name_byte(self.line[self.position]):
            self.position += 1
        return self.line.slice(start, self.position)

    def statement(self) -> I64 | None:
        """A whole line: the value of an expression, or None for an assignment."""
        name = self.name()
        if name is not None and self.peek() == EQUALS:
            self.take(U64(1))
            self.variables[name] = self.complete()
            return None
        self.position = U64(0)
        return self.complete()

    def complete(self) -> I64:
        """A sum up to the end of the line."""
        value = self.sum()
        if self.peek() != 0:
            raise Unexpected
        return value

    def sum(self) -> I64:
        value = self.product()
        while True:
            symbol = self.peek()
            if symbol == PLUS:
                self.take(U64(1))
                value = add(value, self.product())
            elif symbol == MINUS:
                self.take(U64(1))
                value = subtract(value, self.product())
            else:
                return value

    def product(self) -> I64:
        value = self.unary()
        while True:
            symbol = self.peek()
            if symbol == STAR and not self.follows(U8(STAR)):
                self.take(U64(1))
                value = multiply(value, self.unary())
            elif symbol == SLASH and self.follows(U8(SLASH)):
                self.take(U64(2))
                value = divide(value, self.unary())
            elif symbol == PERCENT:
                self.take(U64(1))
                value = remainder(value, self.unary())
            else:
                return value

    def unary(self) -> I64:
        if self.depth == DEEPEST:
            raise TooDeep
        self.depth += 1
        symbol = self.peek()
        if symbol == MINUS:
            self.take(U64(1))
            value = subtract(I64(0), self.unary())
        elif symbol == PLUS:
            self.take(U64(1))
            value = self.unary()
        else:
            value = self.power()
        self.depth -= 1
        return value

    def power(self) -> I64:
        value = self.atom()
        if self.peek() == STAR and self.follows(U8(STAR)):
            self.take(U64(2))
            return power(value, self.unary())
        return value

    def atom(self) -> I64:
        symbol = self.peek()
        if symbol == OPEN:
            self.take(U64(1))
            value = self.sum()
            if self.peek() != CLOSE:
                raise Unexpected
            self.take(U64(1))
            return value
        if is_digit(symbol):
            return self.number()
        name = self.name()
        if name is None:
            raise Unexpected
        try:
            return self.variables[name]
        except KeyMissing:
            raise UnknownName from None

    def number(self) -> I64:
        start = self.position
        while self.position < self.line.length and is_digit(self.line[self.position]):
            self.position += 1
        try:
            return self.line.slice(start, self.position).to_integer()
        except InvalidNumber:
            raise OutOfRange from None


def is_name_byte(byte: U8) -> bool:
    return is_letter(byte) or is_digit(byte)


def evaluate(line: Text, variables: Map[Text, I64]) -> None:
    """Compute one line and print its value, or what is wrong with it."""
    parser = Parser(line, variables)
    try:
        value = parser.statement()
        if value is not None:
            print(f"{value}")
    except Unexpected:
        print_error(f"calc: column {parser.position + 1}: this is not understood")
    except UnknownName:
        print_error(f"calc: column {parser.position}: a variable without a value")
    except TooDeep:
        print_error(f"calc: column {parser.position + 1}: more than {DEEPEST} levels")
    except OutOfRange:
        print_error("calc: the result does not fit into 64 bits")
    except DivisionByZero:
        print_error("calc: division by zero")
    except NegativeExponent:
        print_error("calc: negative exponent")


def prompt() -> None:
    """Invite a person to type; a program that reads the answers gets nothing but answers."""
    if is_terminal():
        print("> ", end="")


def main() -> None:
    variables = Map[Text, I64]()
    prompt()
    for line in lines(stdin):
        if line.strip().length > 0:
            evaluate(line, variables)
        prompt()


if __name__ == "__main__":
    run(main)
