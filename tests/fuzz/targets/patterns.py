"""Regular expressions and wildcards: any pattern, any line.

A pattern is compiled or refused by BadPattern; a match lies in the line, and groups in the match. The two ways to
match, all at once and one after the other, agree.
"""

from __future__ import annotations

from cloudos.apps.regex import EXTENDED, IGNORE_CASE, compile_pattern
from cloudos.apps.regex_errors import BadPattern
from cloudos.apps.wildcards import Wildcard
from cloudos.lang import U64
from cloudos.sdk import Text
from tests.fuzz.services import literal
from tests.fuzz.target import Feed

LONGEST_LINE = 40


def fuzz(data: bytes) -> None:
    """A pattern and a line."""
    feed = Feed(data)
    form, length = feed.number(), feed.number() & 63
    pattern, line = feed.take(length), feed.rest()[:LONGEST_LINE]
    if form & 8:
        Wildcard(Text.from_bytes(literal(pattern)), bool(form & 1), bool(form & 2)).matches(
            Text.from_bytes(literal(line))
        )
        return
    try:
        regex = compile_pattern(Text.from_bytes(literal(pattern)), U64(form & (EXTENDED | IGNORE_CASE)))
    except BadPattern:
        return
    content = literal(line)
    found = regex.search(content, U64(0))
    assert found == regex.matches(content)
    if not found:
        return
    start, end = int(regex.start), int(regex.end)
    assert 0 <= start <= end <= len(line)
    regex.find_groups(content)
    assert (int(regex.start), int(regex.end)) == (start, end)
    for number in range(1, int(regex.slots.length) // 2):
        place = regex.group(U64(number))
        if place is not None:
            assert start <= int(place[0]) <= int(place[1]) <= end
    regex.search(content, U64(end))
