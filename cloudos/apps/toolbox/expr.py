"""expr: values of expressions."""

from __future__ import annotations

from cloudos.apps.options import Usage
from cloudos.apps.regex import compile_pattern
from cloudos.apps.regex_errors import BadPattern, problem
from cloudos.lang import I64, U8, U64, Error, error_code, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout

TROUBLE = 2
FAILED = 3
DEEPEST = 100
SMALLEST = I64(I64.MIN)


class OutOfRange(Error):
    """A result does not fit into 64 bits."""


def complain(message: str) -> None:
    """Say what is wrong, and raise Usage."""
    print_error(f"expr: {message}")
    raise Usage


def truth(value: Text) -> bool:
    """Whether a value is neither empty nor zero."""
    if value.length == 0:
        return False
    start = U64(1) if value[0] == 0x2D and value.length > 1 else U64(0)
    for i in U64.range(start, value.length):
        if value[i] != 0x30:
            return True
    return False


def integer(value: Text) -> I64 | None:
    """The number that a value is, None when it is none. Raises OutOfRange."""
    start = U64(1) if value.length > 1 and value[0] == 0x2D else U64(0)
    if value.length == 0:
        return None
    for i in U64.range(start, value.length):
        if value[i] < 0x30 or value[i] > 0x39:
            return None
    try:
        return value.to_integer()
    except InvalidNumber:
        raise OutOfRange from None


def operand(value: Text) -> I64:
    """The number that a value has to be; raises Usage."""
    found = integer(value)
    if found is None:
        complain("non-integer argument")
        return I64(0)
    return found


def added(left: I64, right: I64, minus: bool) -> I64:
    """Sum or difference; raises OutOfRange."""
    result = left.wrapping_sub(right) if minus else left.wrapping_add(right)
    limited = left.saturating_sub(right) if minus else left.saturating_add(right)
    if result != limited:
        raise OutOfRange
    return result


def multiplied(left: I64, right: I64) -> I64:
    """The product; raises OutOfRange."""
    result = left.wrapping_mul(right)
    if result != left.saturating_mul(right):
        raise OutOfRange
    return result


def divided(left: I64, right: I64, rest: bool) -> I64:
    """Quotient, rounded to zero, or remainder; raises Usage and OutOfRange."""
    if right == 0:
        complain("division by zero")
    if left == SMALLEST and right == -1:
        if rest:
            return I64(0)
        raise OutOfRange
    quotient = left // right
    if quotient * right != left and (left < 0) != (right < 0):
        quotient += 1
    return left - quotient * right if rest else quotient


@managed
class Expression:
    """The parser, which computes as it goes. What `|` and `&` pass over is computed too, but may not fail."""

    words: List[Text]
    at: U64
    depth: U64

    def takes(self, text: str) -> bool:
        """Pass a word, if it is this one."""
        if self.at < self.words.length and self.words[self.at].equals(text):
            self.at += 1
            return True
        return False

    def next(self) -> Text:
        """The next word; raises Usage when there is none."""
        if self.at == self.words.length:
            complain(f"syntax error: missing argument after '{self.words[self.at - 1]}'")
        self.at += 1
        return self.words[self.at - 1]

    def either(self, live: bool) -> Text:
        left = self.both(live)
        while self.takes("|"):
            right = self.both(live and not truth(left))
            if not truth(left):
                left = right if truth(right) else Text("0")
        return left

    def both(self, live: bool) -> Text:
        left = self.comparison(live)
        while self.takes("&"):
            right = self.comparison(live and truth(left))
            if not truth(left) or not truth(right):
                left = Text("0")
        return left

    def comparison(self, live: bool) -> Text:
        left = self.sum(live)
        while True:
            if self.takes("<"):
                left = flag(order(left, self.sum(live)) < 0)
            elif self.takes("<="):
                left = flag(order(left, self.sum(live)) <= 0)
            elif self.takes("=") or self.takes("=="):
                left = flag(order(left, self.sum(live)) == 0)
            elif self.takes("!="):
                left = flag(order(left, self.sum(live)) != 0)
            elif self.takes(">="):
                left = flag(order(left, self.sum(live)) >= 0)
            elif self.takes(">"):
                left = flag(order(left, self.sum(live)) > 0)
            else:
                return left

    def sum(self, live: bool) -> Text:
        left = self.product(live)
        while True:
            minus = False
            if self.takes("-"):
                minus = True
            elif not self.takes("+"):
                return left
            right = self.product(live)
            if live:
                left = Text(f"{added(operand(left), operand(right), minus)}")

    def product(self, live: bool) -> Text:
        left = self.match(live)
        while True:
            if self.takes("*"):
                right = self.match(live)
                if live:
                    left = Text(f"{multiplied(operand(left), operand(right))}")
            elif self.takes("/"):
                right = self.match(live)
                if live:
                    left = Text(f"{divided(operand(left), operand(right), False)}")
            elif self.takes("%"):
                right = self.match(live)
                if live:
                    left = Text(f"{divided(operand(left), operand(right), True)}")
            else:
                return left

    def match(self, live: bool) -> Text:
        left = self.function(live)
        while self.takes(":"):
            right = self.function(live)
            if live:
                left = matched(left, right)
        return left

    def function(self, live: bool) -> Text:
        """The operators that are words, else a value."""
        if self.takes("+"):
            return self.next()
        if self.takes("length"):
            return Text(f"{self.function(live).length}")
        if self.takes("match"):
            text = self.function(live)
            return matched(text, self.function(live))
        if self.takes("index"):
            text = self.function(live)
            return found(text, self.function(live))
        if self.takes("substr"):
            text = self.function(live)
            position = self.function(live)
            return part(text, position, self.function(live))
        if not self.takes("("):
            return self.next()
        self.depth += 1
        if self.depth > DEEPEST:
            complain("too many parentheses")
        result = self.either(live)
        self.depth -= 1
        if not self.takes(")"):
            complain("syntax error: expecting ')'")
        return result


def flag(value: bool) -> Text:
    return Text("1") if value else Text("0")


def order(left: Text, right: Text) -> I64:
    """Below, at or above 0, as a value is less, equal or greater: as numbers if both are, else as texts."""
    a = integer(left)
    b = integer(right)
    if a is not None and b is not None:
        return I64(-1) if a < b else I64(1) if a > b else I64(0)
    return I64(-1) if left < right else I64(1) if right < left else I64(0)


def matched(text: Text, pattern: Text) -> Text:
    """What the first group of a pattern matched, or without groups how many bytes the pattern did, from the start."""
    try:
        regex = compile_pattern(pattern, U64(0))
    except BadPattern:
        complain(f"{problem(error_code())}")
        return text
    groups = regex.program.groups > 0
    if not regex.search(text.content, U64(0)) or regex.start != 0:
        return Text("") if groups else Text("0")
    if not groups:
        return Text(f"{regex.end}")
    regex.find_groups(text.content)
    place = regex.group(U64(1))
    if place is None:
        return Text("")
    start, end = place
    return text.slice(start, end)


def found(text: Text, wanted: Text) -> Text:
    """The position, from 1, of the first byte that is one of the wanted; 0 when there is none."""
    for i in U64.range(text.length):
        for byte in wanted.content:
            if text[i] == byte:
                return Text(f"{i + 1}")
    return Text("0")


def part(text: Text, position: Text, length: Text) -> Text:
    """So many bytes from a position, counted from 1."""
    first = integer(position)
    count = integer(length)
    if first is None or count is None or first <= 0 or count <= 0 or U64(first) > text.length:
        return Text("")
    start = U64(first) - 1
    return text.slice(start, min(start.saturating_add(U64(count)), text.length))


def expr(arguments: List[Text]) -> U8:
    """Write the value of an expression. 0: it is neither empty nor 0; 1: it is; 2: it is no expression; 3: it fails."""
    first = U64(2) if arguments.length > 1 and arguments[1].equals("--") else U64(1)
    words = arguments.slice(first, arguments.length)
    if words.length == 0:
        print_error("expr: missing operand")
        return U8(TROUBLE)
    expression = Expression(words, U64(0), U64(0))
    try:
        value = expression.either(True)
        if expression.at < words.length:
            complain(f"syntax error: unexpected argument '{words[expression.at]}'")
    except Usage:
        return U8(TROUBLE)
    except OutOfRange:
        print_error("expr: integer result out of range")
        return U8(FAILED)
    write_text(stdout, f"{value}\n")
    return U8(0) if truth(value) else U8(1)
