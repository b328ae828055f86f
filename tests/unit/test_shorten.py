"""Far jumps go through near ones, and through nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudos.compiler import build
from cloudos.compiler.shorten import FAST_SECTION, chain, push_addresses, reach_segment, share_constants
from cloudos.compiler.targets import target

FAR = "\t.skip\t300, 0x90\n"


def function(body: str, section: str = ".text.f") -> str:
    return f'\t.section\t{section},"ax",@progbits\nf:\n{body}{FAR}.LBB0_1:\n\tretq\n'


@pytest.fixture
def shortened(tmp_path: Path):  # type: ignore[no-untyped-def]
    goal = target("x86_64", "kernel")
    return lambda text: chain(text, lambda one: build._addresses(one, goal, str(tmp_path)))


def test_a_far_branch_goes_through_a_near_jump(shortened) -> None:  # type: ignore[no-untyped-def]
    body = "\tje\t.LBB0_1  # why\n\tincl\t%eax\n\tjmp\t.LBB0_1\n\tjb\t.LBB0_1\n"
    assert shortened(function(body)) == function(
        "\tje\t.Lchain1  # why\n\tincl\t%eax\n.Lchain1:\n\tjmp\t.LBB0_1\n\tjb\t.Lchain1\n"
    )


def test_of_two_jumps_one_stays(shortened) -> None:  # type: ignore[no-untyped-def]
    text = shortened(function("\tjmp\t.LBB0_1\n\tjmp\t.LBB0_1\n\tjmp\t.LBB0_1\n"))
    assert text.count("\tjmp\t.LBB0_1\n") == 1 and text.count("\tjmp\t.Lchain1\n") == 2


@pytest.mark.parametrize(
    "body",
    [
        f"\tje\t.LBB0_1\n{FAR}\tjmp\t.LBB0_1\n",
        "\tje\t.LBB0_1\n\tjne\t.LBB0_1\n",
        "\tje\t.LBB0_2\n\tjmp\t.LBB0_2\n.LBB0_2:\n",
    ],
    ids=["jump far away", "conditions alone", "target near"],
)
def test_others_stay(shortened, body: str) -> None:  # type: ignore[no-untyped-def]
    assert shortened(function(body)) == function(body)


def test_fast_functions_stay(shortened) -> None:  # type: ignore[no-untyped-def]
    text = function("\tje\t.LBB0_1\n\tjmp\t.LBB0_1\n", f"{FAST_SECTION}f")
    assert shortened(text) == text


def test_constants_that_are_used_more_than_twice_stand_in_memory() -> None:
    twice = "\tmovabsq\t$-3, %rcx\n" * 2
    text = share_constants("\tmovabsq\t$81985529216486895, %rax\n" * 3 + twice)
    assert text == (
        "\tmovq\tconstant_0(%rip), %rax\n" * 3 + twice
        + '\t.section\t.rodata.constants,"a",@progbits\nconstant_0:\n\t.quad\t81985529216486895\n'
    )  # fmt: skip
    assert share_constants(twice) == twice


def test_jumps_into_another_section_are_far() -> None:
    """Addresses count from the beginning of a section: labels of two may have the same."""
    other = '\t.section\t.text.g,"ax",@progbits\ng:\n.LBB0_1:\n\tretq\n'
    text = '\t.section\t.text.f,"ax",@progbits\nf:\n\tje\t.LBB0_1\n\tincl\t%eax\n\tjmp\t.LBB0_1\n' + other
    more = '\t.section\t.text.h,"ax",@progbits\nh:\n\tjb\t.LBB0_1\n'
    labels = re.compile(r"(\.L\w+):")
    short = chain(text + more, lambda one: dict.fromkeys(labels.findall(one), 0))
    assert short == text.replace("je\t.LBB0_1", "je\t.Lchain1").replace("\tjmp", ".Lchain1:\n\tjmp") + more


def test_fixed_offsets_in_a_segment_are_relative() -> None:
    text = "\tmovq\t%gs:288, %rax\n\tmovb\t$1, %gs:304\n\tmovq\t%gs:8(%rcx), %rax\n"
    assert reach_segment(text) == (
        "\tmovq\t%gs:cloudos_zero+288(%rip), %rax\n\tmovb\t$1, %gs:cloudos_zero+304(%rip)\n"
        "\tmovq\t%gs:8(%rcx), %rax\n\t.set\tcloudos_zero, 0\n"
    )


def test_addresses_go_over_the_stack_where_that_is_shorter() -> None:
    text = "\tmovq\t$static__data+1, %rdi\n\tmovq\t$static__data, %r8\n\tmovq\t$7, %rdi\n\tmovq\t$f, 8(%rax)\n"
    short = text.replace("\tmovq\t$static__data+1, %rdi\n", "\tpushq\t$static__data+1\n\tpopq\t%rdi\n")
    begin, end = ".Lfunc_begin0:\n", ".Lfunc_end0:\n"
    inside = function(f"{begin}{text}\t#APP\n{text}\t#NO_APP\n{text}{end}{text}")
    expected = function(f"{begin}{short}\t#APP\n{text}\t#NO_APP\n{short}{end}{text}")
    assert push_addresses(inside) == expected
    fast = inside.replace(".text.f", f"{FAST_SECTION}f")
    assert push_addresses(fast) == fast
