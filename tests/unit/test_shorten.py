"""Far jumps go through near ones, and through nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.compiler import build
from cloudos.compiler.shorten import FAST_SECTION, chain, share_constants
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
