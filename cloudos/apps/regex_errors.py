"""What can be wrong with a regular expression."""

from __future__ import annotations

from typing import ClassVar

from cloudos.lang import U32, Error
from cloudos.sdk import Text


class BadPattern(Error):
    """Base of what can be wrong with a regular expression."""

    code: ClassVar[int] = 500


class UnmatchedBracket(BadPattern):
    code: ClassVar[int] = 501


class UnmatchedParenthesis(BadPattern):
    code: ClassVar[int] = 502


class UnmatchedClose(BadPattern):
    code: ClassVar[int] = 503


class UnmatchedBrace(BadPattern):
    code: ClassVar[int] = 504


class BadInterval(BadPattern):
    code: ClassVar[int] = 505


class TrailingBackslash(BadPattern):
    code: ClassVar[int] = 506


class BadBackReference(BadPattern):
    code: ClassVar[int] = 507


class BadClass(BadPattern):
    code: ClassVar[int] = 508


class BadRange(BadPattern):
    code: ClassVar[int] = 509


class PatternTooLarge(BadPattern):
    code: ClassVar[int] = 510


def problem(code: U32) -> Text:
    """The text for an error's number, as GNU's programs word it."""
    match code:
        case 501:
            return Text("Unmatched [, [^, [:, [., or [=")
        case 502:
            return Text("Unmatched ( or \\(")
        case 503:
            return Text("Unmatched ) or \\)")
        case 504:
            return Text("Unmatched { or \\{")
        case 505:
            return Text("Invalid content of \\{\\}")
        case 506:
            return Text("Trailing backslash")
        case 507:
            return Text("Invalid back reference")
        case 508:
            return Text("Invalid character class name")
        case 509:
            return Text("Invalid range end")
        case _:
            return Text("Regular expression too big")
