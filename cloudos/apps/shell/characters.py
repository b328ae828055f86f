"""Bytes that mean something to the shell, and classes of them."""

from __future__ import annotations

from cloudos.lang import U8, U64, Slice

TAB = 0x09
NEWLINE = 0x0A
SPACE = 0x20
BANG = ord("!")
DOUBLE_QUOTE = ord('"')
HASH = ord("#")
DOLLAR = ord("$")
PERCENT = ord("%")
AMPERSAND = ord("&")
QUOTE = ord("'")
OPEN = ord("(")
CLOSE = ord(")")
STAR = ord("*")
PLUS = ord("+")
DASH = ord("-")
DOT = ord(".")
SLASH = ord("/")
ZERO = ord("0")
NINE = ord("9")
COLON = ord(":")
SEMICOLON = ord(";")
LESS = ord("<")
EQUALS = ord("=")
GREATER = ord(">")
QUESTION = ord("?")
AT = ord("@")
OPEN_BRACKET = ord("[")
BACKSLASH = ord("\\")
CLOSE_BRACKET = ord("]")
CARET = ord("^")
UNDERSCORE = ord("_")
BACKQUOTE = ord("`")
OPEN_BRACE = ord("{")
BAR = ord("|")
CLOSE_BRACE = ord("}")
TILDE = ord("~")
BIG_C = ord("C")
BIG_X = ord("X")
SMALL_A = ord("a")
SMALL_B = ord("b")
SMALL_C = ord("c")
SMALL_D = ord("d")
SMALL_E = ord("e")
SMALL_F = ord("f")
SMALL_I = ord("i")
SMALL_N = ord("n")
SMALL_O = ord("o")
SMALL_S = ord("s")
SMALL_T = ord("t")
SMALL_U = ord("u")
SMALL_V = ord("v")
SMALL_X = ord("x")
SMALL_Z = ord("z")


def is_digit(byte: U8) -> bool:
    """Whether it is a decimal digit."""
    return ZERO <= byte <= NINE


def is_name_start(byte: U8) -> bool:
    """Whether a name may begin with it."""
    letter = byte | 0x20
    return 0x61 <= letter <= 0x7A or byte == UNDERSCORE


def is_name_byte(byte: U8) -> bool:
    """Whether it may stand in a name."""
    return is_name_start(byte) or is_digit(byte)


def is_blank(byte: U8) -> bool:
    """Whether it separates words on a line."""
    return byte == SPACE or byte == TAB


def is_operator(byte: U8) -> bool:
    """Whether an operator of the shell begins with it."""
    return (
        byte == AMPERSAND
        or byte == BAR
        or byte == SEMICOLON
        or byte == LESS
        or byte == GREATER
        or byte == OPEN
        or byte == CLOSE
    )


def ends_word(byte: U8) -> bool:
    """Whether an unquoted word ends before it; so does the end of the input, 0."""
    return byte == 0 or byte == NEWLINE or is_blank(byte) or is_operator(byte)


def is_special(byte: U8) -> bool:
    """Whether it names a special parameter, as in `$?`."""
    return (
        byte == AT or byte == STAR or byte == HASH or byte == QUESTION or byte == DASH or byte == DOLLAR or byte == BANG
    )


def is_name(text: Slice[U8]) -> bool:
    """Whether all of it is a name."""
    if text.length == 0 or not is_name_start(text[0]):
        return False
    for byte in text:
        if not is_name_byte(byte):
            return False
    return True


def name_length(text: Slice[U8]) -> U64:
    """How many bytes of a name it begins with."""
    if text.length == 0 or not is_name_start(text[0]):
        return U64(0)
    count = U64(0)
    while count < text.length and is_name_byte(text[count]):
        count += 1
    return count


def all_digits(text: Slice[U8]) -> bool:
    """Whether it is one or more digits."""
    for byte in text:
        if not is_digit(byte):
            return False
    return text.length > 0


def octal_value(byte: U8) -> U64 | None:
    """The value of an octal digit."""
    return U64(byte) - ZERO if ZERO <= byte < 0x38 else None
