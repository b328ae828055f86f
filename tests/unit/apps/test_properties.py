"""Generated inputs: regular expressions against Python's `re`, filters against the host's utilities."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.apps.regex import EXTENDED, IGNORE_CASE, compile_pattern
from cloudos.apps.wildcards import Wildcard
from cloudos.lang import U64, data
from cloudos.sdk import Text
from tests.unit.apps.toolbox import run, run_host

ATOMS = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "x", r"\.", "^", "$"])


def pieces(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions from smaller ones."""
    repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,1}", "{2,}"])
    group = inner.map(lambda text: f"({text})")
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(group, repeats).map("".join),
        st.tuples(st.sampled_from(["a", "b", ".", "[ab]"]), repeats).map("".join),
        st.tuples(inner, inner).map(lambda both: f"({both[0]}|{both[1]})"),
    )


PATTERNS = st.recursive(ATOMS, pieces, max_leaves=8)
LINES = st.text("abcx.", max_size=12)


def matches_of(pattern: str, line: str, flags: int = EXTENDED) -> tuple[int, int] | None:
    """Where ours finds a match."""
    regex = compile_pattern(Text(pattern), U64(flags))
    if not regex.search(data(line.encode()), U64(0)):
        return None
    return int(regex.start), int(regex.end)


def longest(pattern: str, line: str) -> tuple[int, int] | None:
    """The leftmost, longest match, by trying all parts of the line with `re`."""
    whole = re.compile(f"(?:{pattern})")
    for start in range(len(line) + 1):
        for end in range(len(line), start - 1, -1):
            # Anchors must see the ends of the line, not those of the part: a look ahead says where the part ends.
            if re.compile(f"(?:{pattern})(?=.{{{len(line) - end}}}\\Z)", re.DOTALL).match(line, start) is None:
                continue
            found = re.compile(f"(?:{pattern})(?<=\\A.{{{end}}})", re.DOTALL).match(line, start)
            if found is not None and found.end() == end:
                return start, end
    assert whole.search(line) is None
    return None


def anchored_rightly(pattern: str) -> bool:
    """`^` and `$` of Python's `re` mean the same when they are not repeated."""
    return not re.search(r"[\^$][*+?{]", pattern)


@settings(max_examples=300, deadline=None)
@given(PATTERNS.filter(anchored_rightly), LINES)
def test_matches_are_the_leftmost_and_longest(pattern: str, line: str) -> None:
    assert matches_of(pattern, line) == longest(pattern, line)


@settings(max_examples=150, deadline=None)
@given(PATTERNS.filter(anchored_rightly), LINES)
def test_whether_a_line_matches_is_what_a_search_says(pattern: str, line: str) -> None:
    regex = compile_pattern(Text(pattern), U64(EXTENDED))
    assert regex.matches(data(line.encode())) == (re.search(pattern, line) is not None)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", ".", "a*", "b?", "[ab]+"]), min_size=1, max_size=4), LINES)
def test_groups_hold_what_they_matched(parts: list[str], line: str) -> None:
    """Groups in a row split the whole match between them, each longest from the left, as in `re` when it is greedy."""
    pattern = "".join(f"({part})" for part in parts)
    regex = compile_pattern(Text(pattern), U64(EXTENDED))
    if not regex.search(data(line.encode()), U64(0)):
        return
    regex.find_groups(data(line.encode()))
    start, end = int(regex.start), int(regex.end)
    expected = re.compile(f"{pattern}(?=.{{{len(line) - end}}}\\Z)").match(line, start)
    assert expected is not None
    for number in range(1, len(parts) + 1):
        place = regex.group(U64(number))
        assert place is not None
        assert (int(place[0]), int(place[1])) == expected.span(number)


@settings(max_examples=100, deadline=None)
@given(st.text("abAB", min_size=1, max_size=4), st.text("abAB", max_size=8))
def test_case_is_ignored_when_asked(pattern: str, line: str) -> None:
    found = re.search(pattern, line, re.IGNORECASE)
    assert matches_of(pattern, line, EXTENDED | IGNORE_CASE) == (None if found is None else found.span())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["(a|b)", "(.*)", "x", "a*"]), min_size=1, max_size=3), LINES)
def test_back_references_repeat_a_group(parts: list[str], line: str) -> None:
    pattern = "^(a*b?)" + "".join(parts) + r"\1$"
    assert (matches_of(pattern, line) is not None) == (re.search(pattern, line) is not None)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]", "[a-c]", "."]), max_size=6).map("".join), LINES)
def test_wildcards_are_those_of_fnmatch(pattern: str, line: str) -> None:
    import fnmatch

    assert Wildcard(Text(pattern), False, False).matches(Text(line)) == fnmatch.fnmatchcase(line, pattern)


def test_a_slash_is_matched_only_by_itself_in_paths() -> None:
    for pattern, path, expected in (
        ("a*c", "a/c", False),
        ("a?c", "a/c", False),
        ("*/c", "a/c", True),
        ("a[!x]c", "a/c", False),
    ):
        assert Wildcard(Text(pattern), False, True).matches(Text(path)) == expected
        assert Wildcard(Text(pattern), False, False).matches(Text(path))


@pytest.mark.parametrize(
    ("pattern", "line", "groups"),
    [
        ("((a)x|a)b", "ab", [(0, 1), None]),
        ("(a)|(b)", "b", [None, (0, 1)]),
        ("(a*)(a*)", "aaa", [(0, 3), (3, 3)]),
        ("(a|ab)(c|bcd)(d*)", "abcd", [(0, 1), (1, 4), (4, 4)]),
        ("x(a|b)*", "xaab", [(3, 4)]),
    ],
)
def test_a_group_that_took_no_part_says_so(pattern: str, line: str, groups: list[tuple[int, int] | None]) -> None:
    regex = compile_pattern(Text(pattern), U64(EXTENDED))
    assert regex.search(data(line.encode()), U64(0))
    regex.find_groups(data(line.encode()))
    found = [regex.group(U64(number)) for number in range(1, len(groups) + 1)]
    assert [None if place is None else (int(place[0]), int(place[1])) for place in found] == groups


def test_a_pattern_that_is_hard_for_backtracking_is_not_hard() -> None:
    assert matches_of("(a*)*(a*)*(a*)*c", "a" * 40) is None
    assert matches_of("(a|aa)+$", "a" * 40 + "b") is None


CONTENTS = st.lists(st.text("abAB 0129.-:\t", max_size=8).map(str.encode), max_size=8).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)
FILTERS = [
    ["sort"],
    ["sort", "-n"],
    ["sort", "-rn"],
    ["sort", "-fu"],
    ["sort", "-k2,2", "-k1,1r"],
    ["sort", "-t:", "-k2n"],
    ["sort", "-d", "-b", "-k1.2"],
    ["sort", "-u", "-n", "-k2"],
    ["uniq", "-c"],
    ["uniq", "-f1", "-d"],
    ["uniq", "-i", "-u"],
    ["tr", "a-b[:digit:]", "x-z"],
    ["tr", "-cs", "[:alnum:]", "\\n"],
    ["tr", "-d", "a-b:"],
    ["cut", "-d:", "-f2,1"],
    ["cut", "-c2-3,5-"],
    ["cut", "-s", "-d ", "-f2-"],
    ["wc"],
    ["tail", "-n", "2"],
    ["head", "-c", "7"],
    ["grep", "-on", "[ab][ab]*"],
    ["grep", "-wc", "a"],
]


@pytest.mark.parametrize("command", FILTERS, ids=" ".join)
def test_a_filter_gives_what_the_hosts_gives(command: list[str], tmp_path: Path) -> None:
    @settings(max_examples=12, deadline=None, database=None)
    @given(CONTENTS)
    def compare(content: bytes) -> None:
        ours = run(command, tmp_path, content)
        theirs = run_host(command, tmp_path, content)
        assert (ours.output, ours.status) == (theirs.output, theirs.status)

    compare()


@settings(max_examples=25, deadline=None, database=None)
@given(st.binary(max_size=200))
def test_any_bytes_pass_through(content: bytes) -> None:
    here = Path("/")
    assert run(["cat"], here, content).output == content
    digest = subprocess.run(["sha256sum"], input=content, capture_output=True, check=True).stdout
    assert run(["sha256sum"], here, content).output == digest
    assert run(["hexdump", "-C"], here, content).output == run_host(["hexdump", "-C"], here, content).output
