"""Lexer and parser: pieces of words, shapes of commands, errors with their lines."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.apps.shell.lexer import Lexer, SyntaxFailure
from cloudos.apps.shell.parser import Parser, text_lexer
from cloudos.apps.shell.tree import Node, NodeKind, PartKind
from cloudos.sdk import Text


def parse(script: str) -> list[Node]:
    """All complete commands of a script."""
    lexer = text_lexer(Text(script))
    parser = Parser(lexer)
    found = []
    while (node := parser.next_command()) is not None:
        found.append(node)
    return found


def only(script: str) -> Node:
    """The one command of a script."""
    nodes = parse(script)
    assert len(nodes) == 1
    assert int(nodes[0].children.length) == 1
    return nodes[0].children[0]


def pieces(word: str) -> list[tuple[str, str, bool]]:
    """Kind, text and quotedness of each piece of a word."""
    node = only(f"cmd {word}")
    return [(part.kind.name, str(part.text), part.quoted) for part in node.words[1].parts]


def problem(script: str) -> tuple[int, str]:
    """Where a script is wrong, and why."""
    lexer: Lexer = text_lexer(Text(script))
    parser = Parser(lexer)
    with pytest.raises(SyntaxFailure):
        while parser.next_command() is not None:
            pass
    return int(lexer.line), str(lexer.problem)


def test_words_are_taken_apart() -> None:
    assert pieces("ab'c d'\"e$f\"") == [
        ("LITERAL", "ab", False),
        ("QUOTED", "c d", True),
        ("QUOTED", "e", True),
        ("PARAMETER", "f", True),
    ]
    assert pieces(r"\$x") == [("QUOTED", "$", True), ("LITERAL", "x", False)]
    assert pieces('""') == [("QUOTED", "", True)]
    assert pieces('"$@"') == [("PARAMETER", "@", True)]
    assert pieces("$(a)`b`$((1))") == [("COMMAND", "", False), ("COMMAND", "", False), ("ARITHMETIC", "", False)]


def test_shapes_of_commands() -> None:
    assert only("a | b | c").kind == NodeKind.PIPELINE
    assert only("a && b || c").kind == NodeKind.OR
    assert only("a &").kind == NodeKind.BACKGROUND
    assert str(only("sleep 5 &").name) == "sleep 5"
    assert only("(a)").kind == NodeKind.SUBSHELL
    assert only("{ a; }").kind == NodeKind.GROUP
    assert only("f() { a; }").kind == NodeKind.FUNCTION
    assert only("while a; do b; done >f").redirections.length == 1
    assert only("x=1 y=2 cmd z").assignments.length == 2
    assert only("cmd x=1").words.length == 2
    assert only("echo 2>f").redirections[0].descriptor == 2
    assert only("echo 2 >f").words.length == 2


def test_commands_come_one_line_at_a_time() -> None:
    assert [int(node.children.length) for node in parse("a; b\n\n# nothing\nc\nif d\nthen e\nfi; f\n")] == [2, 1, 2]


def test_here_documents_begin_behind_the_line() -> None:
    nodes = parse("cat <<A; cat <<-'B'\n$x\nA\n\t$y\n\tB\nlast")
    first, second = nodes[0].children[0].redirections[0], nodes[0].children[1].redirections[0]
    assert [part.kind for part in first.target.parts] == [PartKind.PARAMETER, PartKind.QUOTED]
    assert str(second.target.parts[0].text) == "$y\n"
    assert len(nodes) == 2


@pytest.mark.parametrize(
    ("script", "line", "text"),
    [
        ("echo a\nif true; then; fi", 2, '";" unexpected'),
        ("echo )", 1, '")" unexpected'),
        ("a\n\nfor x in y; do\n", 4, "end of file unexpected"),
        ("fi", 1, '"fi" unexpected'),
        ("echo 'a\nb", 2, "unterminated quoted string"),
        ("echo ${", 1, "bad substitution"),
        ("for 1 in a; do b; done", 1, "bad for loop variable"),
        ("1x() { a; }", 1, "bad function definition"),
        ("a | | b", 1, '"|" unexpected'),
        ("echo $(if)", 1, '")" unexpected'),
    ],
)
def test_errors_name_line_and_token(script: str, line: int, text: str) -> None:
    assert problem(script) == (line, text)


def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack() -> None:
    assert problem("(" * 1000)[1] == "too deeply nested"
    assert problem("echo " + "$(" * 1000)[1] == "too deeply nested"
    assert problem("echo " + '"${x:-' * 1000)[1] == "too deeply nested"


@given(st.text(alphabet="ab $`\"'\\\n(){}[]<>|&;#=~*?!/:-+%@^0", max_size=25))
def test_any_text_is_parsed_or_refused(script: str) -> None:
    with contextlib.suppress(SyntaxFailure):
        parse(script)


@given(st.text(alphabet=st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=30))
def test_single_quotes_keep_everything(text: str) -> None:
    quoted = "'" + text.replace("'", "'\\''") + "'"
    node = only(f"cmd {quoted}")
    assert int(node.words.length) == 2
    assert "".join(str(part.text) for part in node.words[1].parts) == text
    assert all(part.kind == PartKind.QUOTED for part in node.words[1].parts)
