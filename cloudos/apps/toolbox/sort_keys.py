"""Keys of sort: which part of a line is compared, and how."""

from __future__ import annotations

from cloudos.apps.byte_classes import is_blank, is_digit, is_letter, upper
from cloudos.apps.counts import to_count
from cloudos.apps.options import Usage
from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk import InvalidNumber, List, Text, print_error
from cloudos.sdk.collections.slices import bytes_less

DOT = ord(".")
MINUS = ord("-")
NO_SEPARATOR = 256

LETTER_B = ord("b")
LETTER_D = ord("d")
LETTER_F = ord("f")
LETTER_I = ord("i")
LETTER_N = ord("n")
LETTER_R = ord("r")


@managed
class Key:
    """A part of a line, from field and byte to field and byte, each from 1 on; `end_field` 0: to the line's end."""

    whole: bool
    field: U64
    byte: U64
    end_field: U64
    end_byte: U64  # 0: to the end of the field
    skip_start: bool  # blanks before the start do not count
    skip_end: bool
    numeric: bool
    reverse: bool
    fold: bool
    dictionary: bool  # only blanks, letters and digits
    printable: bool  # only what can be printed
    modified: bool  # has letters of its own

    def __init__(self) -> None:
        self.whole = False
        self.field = U64(1)
        self.byte = U64(1)
        self.end_field = U64(0)
        self.end_byte = U64(0)
        self.skip_start = False
        self.skip_end = False
        self.numeric = False
        self.reverse = False
        self.fold = False
        self.dictionary = False
        self.printable = False
        self.modified = False

    def inherit(self, base: Key) -> None:
        """Take over what the options say for all keys."""
        self.skip_start = base.skip_start
        self.skip_end = base.skip_end
        self.numeric = base.numeric
        self.reverse = base.reverse
        self.fold = base.fold
        self.dictionary = base.dictionary
        self.printable = base.printable

    def counts(self, byte: U8) -> bool:
        """Whether a byte is compared at all."""
        if self.dictionary and not (is_blank(byte) or is_letter(byte) or is_digit(byte)):
            return False
        return not self.printable or (byte >= 0x20 and byte < 0x7F)


def add_letters(key: Key, letter: U8, start: bool) -> bool:
    """Apply one of the letters that modify a key; whether it is one."""
    if letter == LETTER_B:
        key.skip_start = key.skip_start or start
        key.skip_end = key.skip_end or not start
    elif letter == LETTER_N:
        key.numeric = True
    elif letter == LETTER_R:
        key.reverse = True
    elif letter == LETTER_F:
        key.fold = True
    elif letter == LETTER_D:
        key.dictionary = True
    elif letter == LETTER_I:
        key.printable = True
    else:
        return False
    return True


@managed
class KeyReader:
    """Reads `F[.C][letters][,F[.C][letters]]`."""

    text: Text
    at: U64
    key: Key

    def number(self) -> U64:
        """A decimal number; raises InvalidNumber."""
        start = self.at
        while self.at < self.text.length and is_digit(self.text[self.at]):
            self.at += 1
        return to_count(self.text.slice(start, self.at))

    def follows(self, byte: U8) -> bool:
        """Pass a byte, if it comes next."""
        found = self.at < self.text.length and self.text[self.at] == byte
        if found:
            self.at += 1
        return found

    def letters(self, start: bool) -> None:
        while self.at < self.text.length and add_letters(self.key, self.text[self.at], start):
            self.key.modified = True
            self.at += 1

    def read(self) -> None:
        """Read it all; raises InvalidNumber."""
        key = self.key
        key.field = self.number()
        if self.follows(U8(DOT)):
            key.byte = self.number()
        self.letters(True)
        if self.follows(U8(0x2C)):
            key.end_field = self.number()
            if self.follows(U8(DOT)):
                key.end_byte = self.number()
            self.letters(False)
            if key.end_field == 0:
                raise InvalidNumber
        if self.at < self.text.length or key.field == 0 or key.byte == 0:
            raise InvalidNumber


def parse_key(text: Text, base: Key) -> Key:
    """The value of `-k`; raises Usage."""
    reader = KeyReader(text, U64(0), Key())
    try:
        reader.read()
    except InvalidNumber:
        print_error(f"sort: invalid field specification '{text}'")
        raise Usage from None
    if not reader.key.modified:
        reader.key.inherit(base)
    return reader.key


@managed
class Order:
    """The order of lines."""

    keys: List[Key]
    stable: bool  # lines with equal keys stay as they are
    reverse: bool  # for lines with equal keys
    separator: U64  # a byte, or NO_SEPARATOR: fields begin where blanks begin

    def less(self, left: Text, right: Text) -> bool:
        """Whether a line comes before another."""
        for key in self.keys:
            a = self.part(left.content, key)
            b = self.part(right.content, key)
            if before(a, b, key):
                return not key.reverse
            if before(b, a, key):
                return key.reverse
        if self.stable:
            return False
        return right < left if self.reverse else left < right

    def field_end(self, line: Slice[U8], begin: U64) -> U64:
        """Where the field that begins here ends."""
        at = begin
        if self.separator != NO_SEPARATOR:
            while at < line.length and U64(line[at]) != self.separator:
                at += 1
            return at
        while at < line.length and is_blank(line[at]):
            at += 1
        while at < line.length and not is_blank(line[at]):
            at += 1
        return at

    def field_start(self, line: Slice[U8], number: U64) -> U64:
        """Where a field begins, counted from 1; the end of the line when there is none."""
        at = U64(0)
        for _ in U64.range(1, number):
            at = self.field_end(line, at)
            if at == line.length:
                return at
            if self.separator != NO_SEPARATOR:
                at += 1
        return at

    def part(self, line: Slice[U8], key: Key) -> Slice[U8]:
        """What of a line a key compares."""
        if key.whole:
            return line[skip_blanks(line, U64(0)) : line.length] if key.skip_start else line
        start = self.field_start(line, key.field)
        if key.skip_start:
            start = skip_blanks(line, start)
        start = min(start + (key.byte - 1), line.length)
        end = line.length
        if key.end_field > 0:
            end = self.field_start(line, key.end_field)
            if key.end_byte == 0:
                end = self.field_end(line, end)
            else:
                if key.skip_end:
                    end = skip_blanks(line, end)
                end = min(end + key.end_byte, line.length)
        return line[start : max(start, end)]


def skip_blanks(line: Slice[U8], begin: U64) -> U64:
    at = begin
    while at < line.length and is_blank(line[at]):
        at += 1
    return at


def before(left: Slice[U8], right: Slice[U8], key: Key) -> bool:
    """Whether a part comes before another, not yet reversed."""
    if key.numeric:
        return numbers_less(left, right)
    if not key.fold and not key.dictionary and not key.printable:
        return bytes_less(left, right)
    i = U64(0)
    j = U64(0)
    while True:
        while i < left.length and not key.counts(left[i]):
            i += 1
        while j < right.length and not key.counts(right[j]):
            j += 1
        if i == left.length or j == right.length:
            return i == left.length and j < right.length
        a = upper(left[i]) if key.fold else left[i]
        b = upper(right[j]) if key.fold else right[j]
        if a != b:
            return a < b
        i += 1
        j += 1


@managed
class Number:
    """A number at the start of a text, where its digits are."""

    negative: bool
    start: U64  # the first digit that is not a leading zero
    point: U64  # behind the last digit before the point
    end: U64  # behind the last digit that is not a trailing zero of the fraction

    def is_zero(self) -> bool:
        return self.start == self.point and self.end <= self.point + 1


def number_in(text: Slice[U8]) -> Number:
    """The number that a text begins with, after blanks; zero when it begins with none."""
    at = skip_blanks(text, U64(0))
    negative = at < text.length and text[at] == MINUS
    if negative:
        at += 1
    while at < text.length and text[at] == 0x30:
        at += 1
    start = at
    while at < text.length and is_digit(text[at]):
        at += 1
    point = at
    end = at
    if at < text.length and text[at] == DOT:
        at += 1
        while at < text.length and is_digit(text[at]):
            at += 1
            if text[at - 1] != 0x30:
                end = at
    return Number(negative, start, point, end)


def numbers_less(left: Slice[U8], right: Slice[U8]) -> bool:
    """Whether the number a text begins with is less; any number of digits."""
    a = number_in(left)
    b = number_in(right)
    negative_a = a.negative and not a.is_zero()
    negative_b = b.negative and not b.is_zero()
    if negative_a != negative_b:
        return negative_a
    if negative_a:
        return magnitude_less(right, b, left, a)
    return magnitude_less(left, a, right, b)


def magnitude_less(left: Slice[U8], a: Number, right: Slice[U8], b: Number) -> bool:
    whole_a = a.point - a.start
    whole_b = b.point - b.start
    if whole_a != whole_b:
        return whole_a < whole_b
    for i in U64.range(whole_a):
        if left[a.start + i] != right[b.start + i]:
            return left[a.start + i] < right[b.start + i]
    i = a.point + 1
    j = b.point + 1
    while i < a.end and j < b.end:
        if left[i] != right[j]:
            return left[i] < right[j]
        i += 1
        j += 1
    return i >= a.end and j < b.end
