"""What is repeated stands once, where registers, flags and the stack are as they were before."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from cloudos.compiler.repeats import FIRST_FUNCTION, outline
from cloudos.compiler.shorten import FAST_SECTION, OFTEN_SECTION

WORK = "\tmovq\t72(%rbx), %rsi\n\taddq\t$5, %rsi\n\tcmpq\t%rsi, 8(%rdi)\n"


def measure(text: str) -> Mapping[str, int]:
    """Six bytes an instruction."""
    address = 0
    found = {}
    for line in text.split("\n"):
        if label := re.match(r"([\w.]+):", line):
            found[label[1]] = address
        elif re.match(r"\t[a-z]", line):
            address += 6
    return found


def function(number: int, body: str, section: str = ".text.") -> str:
    return (
        f'\t.section\t{section}f{number},"ax",@progbits\nf{number}:\n.Lfunc_begin{number}:\n{body}\tretq\n'
        f".Lfunc_end{number}:\n"
    )


def after(body: str, section: str = ".text.") -> str:
    return outline(function(1, body, section) + function(2, f"\tcallq\tg\n{body}\tincq\t%rcx\n", section), measure)


def test_repeated_code_stands_once_and_is_called() -> None:
    call = "\tcallq\trepeated_0\n"
    text = after(WORK)
    assert text.startswith(function(1, call) + function(2, f"\tcallq\tg\n{call}\tincq\t%rcx\n"))
    assert f"repeated_0:\n.Lfunc_begin{FIRST_FUNCTION}:\n\t.cfi_startproc\n{WORK}\tretq\n" in text


def test_a_call_at_the_end_becomes_a_jump() -> None:
    text = after(f"{WORK}\tcallq\th\n")
    assert f"{WORK}\tjmp\th\n.Lfunc_end" in text and text.count("\tcallq\th") == 0


def test_what_says_where_it_came_from_does_not_count_and_stays() -> None:
    first, rest = WORK.split("\n", 1)
    text = outline(
        function(1, WORK) + function(2, f"{first}  # a comment\n\t.loc\t1 2 3\n.Ltmp4:\n\t# more\n{rest}"), measure
    )
    assert text.count("\tcallq\trepeated_0\n") == 2 and "\tcallq\trepeated_0\n\t.loc\t1 2 3\n.Ltmp4:\n" in text


def test_nothing_is_taken_twice() -> None:
    """Three times in a row is three calls of one, not two that overlap."""
    one = "\tmovq\t8(%rdi), %rax\n\tmovq\t%rax, 16(%rdi)\n"
    text = outline(function(1, one * 3), measure)
    assert text.count("8(%rdi), %rax") == 1 and text.count("\tcallq\trepeated_0\n") == 3


@pytest.mark.parametrize(
    "middle",
    [
        "\tmovq\t%rax, 8(%rsp)\n",
        "\tpushq\t%rax\n",
        "\tpopq\t%rax\n",
        "\tjne\t.LBB1_2\n",
        ".LBB1_2:\n",
        ".Lpassed1:\n",
        "\t.byte\t0xd6\n",
        "\tcallq\t*%rax\n",
        "\tcallq\th\n",
        "\t.cfi_def_cfa_offset 8\n",
        "\tlock\t\tincq\t8(%rax)\n",
        "\trep\t\tmovsq\t(%rsi), %es:(%rdi)\n",
        "\tmovl\t%esp, %eax\n",
        "\taddq\t$.Lfunc_begin1, %rax\n",
        "\t#APP\n\t#NO_APP\n",
    ],
)
def test_it_goes_over_nothing_that_means_something_else_elsewhere(middle: str) -> None:
    first, rest = WORK.split("\n", 1)
    assert "repeated" in after(f"{first}\n{rest}") and "repeated" not in after(f"{first}\n{middle}{rest}")


@pytest.mark.parametrize("section", [FAST_SECTION, OFTEN_SECTION, ".data."])
def test_functions_that_run_often_stay(section: str) -> None:
    assert "repeated" not in after(WORK, section)


def test_assembly_stays() -> None:
    assert "repeated" not in after(f"\t#APP\n{WORK}\t#NO_APP\n")


def test_what_saves_too_little_stays() -> None:
    """Twice 12 bytes, or twice 5 and 12 and one to return."""
    assert "repeated" not in after("\tmovq\t72(%rbx), %rsi\n\taddq\t$5, %rsi\n")
