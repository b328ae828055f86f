"""What can be wrong with a regular expression."""

from __future__ import annotations

from typing import ClassVar

from cloudos.lang import U32, Error
from cloudos.sdk import Text


class BadPattern(Error):
    """Base of what can be wrong with a regular expression."""

    code: ClassVar[int] = 500


class UnmatchedBracket(BadPattern):
    """A bracket expression has no end."""

    code: ClassVar[int] = 501


class UnmatchedParenthesis(BadPattern):
    """A group has no end."""

    code: ClassVar[int] = 502


class UnmatchedClose(BadPattern):
    """A group ends that did not begin."""

    code: ClassVar[int] = 503


class UnmatchedBrace(BadPattern):
    """An interval has no end."""

    code: ClassVar[int] = 504


class BadInterval(BadPattern):
    """An interval holds something else than numbers."""

    code: ClassVar[int] = 505


class TrailingBackslash(BadPattern):
    """Nothing follows the last backslash."""

    code: ClassVar[int] = 506


class BadBackReference(BadPattern):
    """A back reference to a group that is not complete before it."""

    code: ClassVar[int] = 507


class BadClass(BadPattern):
    """A class or collating element that there is not."""

    code: ClassVar[int] = 508


class BadRange(BadPattern):
    """A range whose end comes before its start."""

    code: ClassVar[int] = 509


class PatternTooLarge(BadPattern):
    """Too many repetitions, groups in groups, or steps."""

    code: ClassVar[int] = 510


class ReversedInterval(BadPattern):
    """An interval whose end comes before its start."""

    code: ClassVar[int] = 511


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
        case 505 | 511:
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
