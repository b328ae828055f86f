"""Equal ends of functions stand once, and nothing that could fail or be called from moves."""

from __future__ import annotations

import pytest

from cloudos.compiler.shorten import FAST_SECTION
from cloudos.compiler.tails import AARCH64, X86, Machine, lead_on, merge

END_A64 = "\tldp\tx20, x19, [sp, #16]             // 16-byte Folded Reload\n\tldr\tx30, [sp], #32\n\tret\n"
END_X86 = "\tpopq\t%rbx\n\tpopq\t%r12\n\tpopq\t%r14\n\tpopq\t%r15\n\tretq\n"


def function(number: int, body: str, end: str, section: str = ".text.") -> str:
    return (
        f'\t.section\t{section}f{number},"ax",@progbits\nf{number}:\n.Lfunc_begin{number}:\n{body}{end}'
        f".Lfunc_end{number}:\n"
    )


def both(machine: Machine, body: str, end: str, section: str = ".text.") -> str:
    return merge(function(1, body, end, section) + function(2, body.replace("f9", "f8"), end, section), machine)


def test_the_second_end_becomes_a_jump_to_the_first() -> None:
    text = both(AARCH64, "\tbl\tf9\n", END_A64)
    jump = function(2, "\tbl\tf8\n", "\tb\t.LBB0_800001\n")
    assert text == function(1, "\tbl\tf9\n.LBB0_800001:\n", END_A64) + jump


def test_on_x86_a_jump_has_to_be_shorter() -> None:
    assert both(X86, "\tcallq\tf9\n", END_X86).count("\tjmp\t.LBB0_800001") == 1
    short = "\tpopq\t%rbx\n\tpopq\t%r14\n\tretq\n"
    assert both(X86, "\tcallq\tf9\n", short) == function(1, "\tcallq\tf9\n", short) + function(
        2, "\tcallq\tf8\n", short
    )


def test_the_longest_end_is_chosen_that_saves_most() -> None:
    """Three have the last two instructions in common, two of them three: 2 * 4 bytes are saved either way, or 1 * 8."""
    long, short = "\tmov\tw0, wzr\n\tldr\tx30, [sp], #16\n\tret\n", "\tmov\tw0, w9\n\tldr\tx30, [sp], #16\n\tret\n"
    text = merge(function(1, "", long) + function(2, "", short) + function(3, "", short), AARCH64)
    assert text.count("\tb\t.LBB0_8") == 1 + text.count("\tb\t.LBB0_800002") and text.count("\tret\n") <= 2


def test_jumps_out_of_a_function_are_ends_too() -> None:
    assert both(AARCH64, "\tbl\tf9\n", "\tmov\tx0, x19\n\tldr\tx30, [sp], #16\n\tb\tg\n").count("\tb\tg\n") == 1


@pytest.mark.parametrize(
    "end",
    [
        "\tbl\tg\n\tret\n",
        "\tstr\tx0, [x1]\n\tret\n",
        "\tldr\tx0, [x1]\n\tret\n",
        "\tldr\tx30, [sp], #16\n.LBB9_7:\n\tret\n",
        "\tldr\tx30, [sp], #16\n\tb\t.LBB9_7\n",
        "\t//APP\n\tmov\tx0, x1\n\tret\n\t//NO_APP\n",
    ],
    ids=["call", "store", "load from elsewhere", "label", "jump within", "assembly"],
)
def test_what_could_fail_or_be_reached_stays(end: str) -> None:
    body = "\tbl\tf9\n"
    one, other = function(1, body, end), function(2, body.replace("f9", "f8"), end.replace("LBB9", "LBB8"))
    assert merge(one + other, AARCH64) == one + other


def test_equal_ways_to_a_place_in_a_function_stand_once() -> None:
    way = "\tmov\tw1, #1\n\tb\t.LBB9_7\n"
    assert merge(function(1, way + "\tbl\tg\n", way), AARCH64) == function(
        1, ".LBB0_800001:\n" + way + "\tbl\tg\n", "\tb\t.LBB0_800001\n"
    )


def test_the_one_that_stands_before_the_place_goes_on_to_it() -> None:
    way = "\tmov\tw1, #1\n\tcset\tw2, eq\n"
    assert merge(function(1, f"{way}\tb\t.LBB9_7\n{way}.LBB9_7:\n", "\tbl\tg\n"), AARCH64) == function(
        1, f"\tb\t.LBB0_800001\n.LBB0_800001:\n{way}.LBB9_7:\n", "\tbl\tg\n"
    )


def test_what_leads_to_a_shared_end_is_an_end_itself() -> None:
    """All three have the last three instructions in common, then two of them one more."""
    more = "\tmov\tw1, #5\n" + END_A64
    text = merge(function(1, "\tbl\tg\n", END_A64) + function(2, "\tbl\th\n", more) + function(3, "", more), AARCH64)
    assert text.count("\tmov\tw1, #5") == 1 and text.count("\tret\n") == 1


def test_fast_functions_stay() -> None:
    assert "LBB0" not in both(AARCH64, "\tbl\tf9\n", END_A64, FAST_SECTION)


@pytest.mark.parametrize(
    "before, text, expected",
    [
        ("\tcbz\tx0, {0}\n\tb\tg\n", "{0}:\n\tb\t{1}\n", ("\tcbz\tx0, {1}\n\tb\tg\n", "{0}:\n")),
        ("\tb.eq\t{0}\n\tbl\tg\n", "{0}:\n\tb\t{1}\n", ("\tb.eq\t{1}\n\tbl\tg\n", "{0}:\n\tb\t{1}\n")),
        ("\ttbz\tw0, #3, {0}\n\tb\tg\n", "{0}:\n\tb\t{1}\n", None),
        ("\tb.eq\t{0}\n\tb\tg\n", "{0}:\n\tb\t.LBB9_1\n", None),
        ("\tb.eq\t{0}\n\tb\tg\n\t.word\t{0}-f\n", "{0}:\n\tb\t{1}\n", None),
    ],
    ids=["alone", "fallen into", "short reach", "another jump", "in a table"],
)
def test_branches_go_where_a_jump_to_an_end_goes(before: str, text: str, expected: tuple[str, str] | None) -> None:
    names = (".LBB9_5", ".LBB0_800001")
    given = (before + text).format(*names)
    assert lead_on(f"f:\n{given}.Lfunc_end9:\n") == (
        f"f:\n{''.join(expected or (before, text)).format(*names)}.Lfunc_end9:\n"
    )
