"""Numbers on command lines."""

from __future__ import annotations

from cloudos.lang import U64, write_text
from cloudos.sdk import List, OutputStream, Text
from cloudos.sdk.collections.parsing import parse_digits

MINUS = ord("-")


def to_count(text: Text) -> U64:
    """A decimal number without a sign; raises InvalidNumber."""
    return parse_digits(text.content)


def is_number(text: Text) -> bool:
    """Whether a text is nothing but digits."""
    for byte in text.content:
        if byte < 0x30 or byte > 0x39:
            return False
    return text.length > 0


def old_counts(arguments: List[Text]) -> List[Text]:
    """The arguments, `-5` as the first of them written as `-n5`: an old form that is still in use."""
    if arguments.length < 2 or arguments[1].length < 2 or arguments[1][0] != MINUS:
        return arguments
    digits = arguments[1].slice(U64(1), arguments[1].length)
    if not is_number(digits):
        return arguments
    result = arguments.slice(U64(0), arguments.length)
    result[1] = Text(f"-n{digits}")
    return result


def spaces(sink: OutputStream, used: U64, width: U64) -> None:
    """Write spaces up to a width, `used` bytes of which are there."""
    for _ in U64.range(used, max(used, width)):
        write_text(sink, " ")
