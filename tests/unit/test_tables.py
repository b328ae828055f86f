"""Jump tables become shorter, where the register that this takes is free."""

from __future__ import annotations

import pytest

from cloudos.compiler.shorten import FAST_SECTION
from cloudos.compiler.tables import shorten_a64, shorten_x86

HEAD = '\t.section\t.text.f,"ax",@progbits\nf:\n.Lfunc_begin0:\n'
TABLE = '.Lfunc_end0:\n\t.section\t.rodata,"a",@progbits\n.LJTI0_0:\n\t.quad\t.LBB0_1\n\t.quad\t.LBB0_2\n\t.long\t7\n'
CALLED = '\t.section\t.text.g,"ax",@progbits\ng:\n.Lfunc_begin1:\n{}\tretq\n.Lfunc_end1:\n'
SHORT = "\tmovzwl\t.LJTI0_0(,%{0},2), %{2}\n\taddq\t$.Lfunc_begin0, %{1}\n\tjmpq\t*%{1}\n"


def program(first: str, second: str = "\tjmp\th\n", register: str = "rax", called: str = "") -> str:
    begin = f"{HEAD}\tmovl\t%edi, %e{register[1:]}\n"
    return (
        f"{begin}\tjmpq\t*.LJTI0_0(,%{register},8)\n.LBB0_1:\n{first}.LBB0_2:\n{second}{TABLE}{CALLED.format(called)}"
    )


def test_entries_are_distances_from_the_beginning() -> None:
    text = program("\tjmp\th\n")
    expected = text.replace("\tjmpq\t*.LJTI0_0(,%rax,8)\n", SHORT.format("rax", "rax", "eax"))
    assert shorten_x86(text) == expected.replace(".quad\t.LBB0_1", ".short\t.LBB0_1-.Lfunc_begin0").replace(
        ".quad\t.LBB0_2", ".short\t.LBB0_2-.Lfunc_begin0"
    )


FREE = {
    "written": "\tmovq\t8(%rbx), %rax\n\tjmp\tg\n",
    "cleared": "\txorl\t%eax, %eax\n\taddq\t%rax, %rbx\n\tjmp\tg\n",
    "lowest byte alone": "\tcmpq\t%rbx, %rcx\n\tsete\t%al\n\tmovb\t%al, (%rbx)\n\tjmp\tg\n",
    "written after a branch": "\ttestq\t%rbx, %rbx\n\tjne\t.LBB0_2\n\tjmp\tg\n",
    "trap": "\tcmpq\t%rbx, %rcx\n\tjb\t.Lpassed1\n\t.byte\t0xd6\n.Lpassed1:\n\tjmp\tg\n",
}
WANTED = {
    "read": "\taddq\t%rax, %rbx\n\tjmp\tg\n",
    "read in an address": "\tmovq\t(%rbx,%rax), %rax\n\tjmp\tg\n",
    "changed": "\tincq\t%rax\n\tjmp\tg\n",
    "returned": "\tretq\n",
    "read by what does not name it": "\tdivq\t%rbx\n\tjmp\tg\n",
    "read after a call that leaves it alone": "\tcallq\tunknown\n\tmovq\t%rax, %rbx\n\tjmp\tg\n",
    "more than the lowest byte": "\tmovb\t$1, %al\n\tmovl\t%eax, %ebx\n\tjmp\tg\n",
    "read behind a branch": "\ttestq\t%rbx, %rbx\n\tjne\t.LBB0_3\n\tjmp\tg\n.LBB0_3:\n\tpushq\t%rax\n\tjmp\tg\n",
    "flags": "\tjb\t.LBB0_2\n\tjmp\tg\n",
    "unknown": "\tjmpq\t*%rbx\n",
}


@pytest.mark.parametrize("first", FREE.values(), ids=FREE)
def test_a_register_that_nobody_reads_is_free(first: str) -> None:
    assert SHORT.format("rax", "rax", "eax") in shorten_x86(program(first))


@pytest.mark.parametrize("first", WANTED.values(), ids=WANTED)
def test_one_that_somebody_may_read_is_not(first: str) -> None:
    text = program(first)
    assert shorten_x86(text) == text


@pytest.mark.parametrize("called, free", [("\tmovl\t$1, %eax\n", True), ("\tcallq\tk\n", False)])
def test_a_function_that_is_called_may_write_it(called: str, free: bool) -> None:
    text = program("\tcallq\tg\n\ttestl\t%eax, %eax\n\tje\t.LBB0_2\n\tjmp\th\n", called=called)
    assert (shorten_x86(text) != text) == free


def test_fast_functions_stay() -> None:
    text = program("\tjmp\th\n").replace(".text.f", f"{FAST_SECTION}f")
    assert shorten_x86(text) == text


def test_another_register_will_do_if_the_function_writes_it() -> None:
    text = program("\taddq\t%rsi, %rbx\n\tjmp\th\n", register="rsi")
    assert shorten_x86(text) == text
    text = text.replace("\tmovl\t%edi, %esi\n", "\tmovl\t%edi, %esi\n\txorl\t%eax, %eax\n")
    assert SHORT.format("rsi", "rax", "eax") in shorten_x86(text)


A64 = """\
	adr	x9, .LJTI0_0
	adr	x10, .Ltmp4
.Ltmp4:
	ldrsw	x11, [x9, x8, lsl #2]
	add	x10, x10, x11
	mov	w7, #16
	br	x10
.LBB0_1:
	ret
.LJTI0_0:
	.word	.LBB0_1-.Ltmp4
	.word	.LBB0_1-.Ltmp4
	.word	3
"""


def test_entries_of_aarch64_count_instructions() -> None:
    expected = A64.replace("ldrsw\tx11, [x9, x8, lsl #2]", "ldrsh\tx11, [x9, x8, lsl #1]")
    expected = expected.replace("add\tx10, x10, x11", "add\tx10, x10, x11, lsl #2")
    assert shorten_a64(A64) == expected.replace(".word\t.LBB0_1-.Ltmp4", ".hword\t(.LBB0_1-.Ltmp4)/4")


@pytest.mark.parametrize(
    "old, new",
    [("\tldrsw\tx11, [x9, x8", "\tldrsw\tx11, [x12, x8"), ("\tadd\tx10, x10, x11", "\tadd\tx10, x10, x12")],
)
def test_what_does_not_look_like_that_stays(old: str, new: str) -> None:
    text = A64.replace(old, new)
    assert shorten_a64(text) == text
