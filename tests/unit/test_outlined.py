"""Outlined code is called without a register that a caller counts on."""

from __future__ import annotations

import pytest

from cloudos.compiler.outlined import keep_on_stack

CALL = (
    "\tmov\tx0, x30\n\t.loc\t1 2 3\n\tbl\tOUTLINED_FUNCTION_7            // a comment\n.Ltmp4:\n\tmov\tx30, x0\n\tret\n"
)


def outlined(body: str) -> str:
    return (
        f"OUTLINED_FUNCTION_7:                     // @OUTLINED_FUNCTION_7\n.Lfunc_begin8:\n{body}\tret\n.Lfunc_end8:\n"
    )


def test_the_return_address_goes_to_the_stack() -> None:
    body = outlined("\tmov\tw8, #1                          // not the sp\n\tstrb\tw8, [x18, #136]\n")
    assert keep_on_stack(CALL + body) == (
        "\tstr\tx30, [sp, #-16]!\n\t.loc\t1 2 3\n\tbl\tOUTLINED_FUNCTION_7            // a comment\n.Ltmp4:\n"
        "\tldr\tx30, [sp], #16\n\tret\n" + body
    )


def test_not_below_code_that_looks_at_the_stack() -> None:
    with pytest.raises(ValueError, match="OUTLINED_FUNCTION_7 finds"):
        keep_on_stack(CALL + outlined("\tldr\tx8, [sp, #16]\n"))


@pytest.mark.parametrize(
    "text",
    (
        "\tbl\tOUTLINED_FUNCTION_7\n\tret\n",
        "\tmov\tx0, x30\n\tbl\tother\n\tmov\tx30, x0\n",
        "\tmov\tx0, x30\n\tbl\tOUTLINED_FUNCTION_7\n\tmov\tx30, x1\n",
    ),
)
def test_all_else_stays(text: str) -> None:
    assert keep_on_stack(text) == text
