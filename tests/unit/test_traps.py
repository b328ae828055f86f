"""Traps go to the branches that lead to them, and nothing else of the text moves."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cloudos.compiler.build import Unit, build
from cloudos.compiler.prelude import PRELUDE
from cloudos.compiler.targets import target
from cloudos.compiler.traps import bring_near
from cloudos.host.symbols import Symbols

TRAP = """\
	.loc	1 7 3
	#APP
.Ltmp5:
	ud2
	.section	cloudos_sites,"",@progbits
	.quad	.Ltmp5
	.long	4097
	.section	.text.f,"ax",@progbits

	#NO_APP
"""
MOVED = TRAP.replace("\t.loc\t1 7 3\n", "").replace(".Ltmp5", ".Ltrap{0}")


def function(body: str, after: str = "\tretq\n") -> str:
    return f"f:\n{body}\tincl\t%eax\n{after}.LBB0_1:\n\t#DEBUG_VALUE: f:x <- 0\n{TRAP}.Lfunc_end0:\n"


def test_a_trap_goes_behind_its_branch() -> None:
    assert bring_near(function("\tjae\t.LBB0_1  # a comment\n")) == (
        "f:\n\tjb\t.Lpassed1\n" + MOVED.format(1) + ".Lpassed1:\n\tincl\t%eax\n\tretq\n"
        ".LBB0_1:\n\t.loc	1 7 3\n.Lfunc_end0:\n"
    )


def test_a_trap_of_two_branches_goes_behind_both() -> None:
    text = bring_near(function("\tjo\t.LBB0_1\n\tjne\t.LBB0_1\n"))
    assert text.startswith(
        f"f:\n\tjno\t.Lpassed1\n{MOVED.format(1)}.Lpassed1:\n\tje\t.Lpassed2\n{MOVED.format(2)}.Lpassed2:\n"
    )
    assert text.count("\tud2") == 2


@pytest.mark.parametrize(
    "body, after",
    [
        ("\tjae\t.LBB0_1\n\tjmp\t.LBB0_1\n", "\tretq\n"),
        ("\tjmpq\t*.LJTI0_0(,%rax,8)\n.LJTI0_0:\n\t.quad\t.LBB0_1\n\tjae\t.LBB0_1\n", "\tretq\n"),
        ("\tjae\t.LBB0_1\n", ""),
        ("\tjae\t.LBB0_1\n", "\t#APP\n\tpause\n\t#NO_APP\n"),
        ("", "\tretq\n"),
    ],
    ids=["jump", "table", "fallen into", "fallen into from assembly", "no branch"],
)
def test_what_others_reach_stays(body: str, after: str) -> None:
    text = bring_near(function(body, after))
    assert text == function(body, after).replace("\t#DEBUG_VALUE: f:x <- 0\n", "")


def test_other_assembly_stays() -> None:
    text = function("\tjae\t.LBB0_1\n").replace("\tud2\n", "\thlt\n").replace("\t#DEBUG_VALUE: f:x <- 0\n", "")
    assert bring_near(text) == text


def test_a_linked_kernel_has_its_traps_near(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each check costs its branch of two bytes and its trap of two, however long the function; sites stay known."""
    directory = tmp_path_factory.mktemp("near")
    checks = "".join(f"    a = add_u64(a, b[{n}], {n + 1});\n" for n in range(60))
    source = f"{PRELUDE}__attribute__((used)) u64 sum(u64 a, const u64 *b) {{\n{checks}    return a;\n}}\n"
    image = build(
        [Unit("checks", source)], target("x86_64", "kernel"), output=directory / "k.elf", optimize="s",
        entry="sum", cache=directory / "cache", lto=True,
    )  # fmt: skip
    symbols = Symbols(image)
    start = symbols.elf.get_section_by_name(".symtab").get_symbol_by_name("sum")[0]["st_value"]
    code = symbols.elf.get_section_by_name(".text")
    traps = {code.data()[address - code["sh_addr"] :][:2] for address in symbols.sites}
    assert sorted(site & 0xFFFF for site, _ in symbols.sites.values()) == list(range(1, 61)) and traps == {b"\x0f\x0b"}
    steps = sorted(address - start for address in symbols.sites)
    assert max(later - earlier for earlier, later in pairwise(steps)) <= 4 + 4 + 3
