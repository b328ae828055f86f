"""Traps go to the branches that lead to them, and nothing else of the text moves."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cloudos.compiler.build import Unit, build
from cloudos.compiler.prelude import PRELUDE
from cloudos.compiler.targets import target
from cloudos.compiler.traps import NO_CODE, SITES, UDB, bring_near, send_away
from cloudos.host.symbols import Symbols

TRAP = """\
	.loc	1 7 3
	#APP
.Ltmp5:
	ud2
	.section	cloudos_sites,"",@progbits
	.quad	.Ltmp5
	.quad	.Ltmp5
	.long	4097
	.section	.text.f,"ax",@progbits

	#NO_APP
"""
MOVED = TRAP.replace("\t.loc\t1 7 3\n", "").replace(".Ltmp5", ".Ltrap{0}").replace("\tud2", UDB)


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
    assert text.count(UDB) == 2 and "\tud2" not in text


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
    assert text == function(body, after).replace("\t#DEBUG_VALUE: f:x <- 0\n", "").replace("\tud2", UDB)


def test_other_assembly_stays() -> None:
    text = function("\tjae\t.LBB0_1\n").replace("\tud2\n", "\thlt\n").replace("\t#DEBUG_VALUE: f:x <- 0\n", "")
    assert bring_near(text) == text


TRAP_AARCH64 = """\
	.loc	1 7 3
	//APP
.Ltmp5:
	brk	#0x1
	.section	cloudos_sites,"",@progbits
	.xword	.Ltmp5
	.xword	.Ltmp5
	.word	4097
	.section	.text.f,"ax",@progbits

	//NO_APP
"""


def gone(number: int, branch: str) -> str:
    """What stands for a branch to a trap that went away."""
    entry = "".join(TRAP_AARCH64.splitlines(keepends=True)[4:-1])
    entry = entry.replace(".Ltmp5", f"{NO_CODE}-{4 * number}", 1).replace(".Ltmp5", f".Ltrap{number}")
    return f".Ltrap{number}:\n\t{branch}{NO_CODE}-{4 * number}\n{entry}"


def function_aarch64(body: str, after: str = "\tret\n") -> str:
    return f"f:\n{body}\tadd\tx0, x0, #1\n{after}.LBB0_1:\n\t//DEBUG_VALUE: f:x <- 0\n{TRAP_AARCH64}.Lfunc_end0:\n"


def test_branches_go_where_no_code_is() -> None:
    assert send_away(function_aarch64("\tb.hs\t.LBB0_1 // a comment\n\tcbz\tx3, .LBB0_1\n")) == (
        "f:\n" + gone(1, "b.hs\t") + gone(2, "cbz\tx3, ") + "\tadd\tx0, x0, #1\n\tret\n"
        ".LBB0_1:\n\t.loc	1 7 3\n.Lfunc_end0:\n"
    )


def test_a_branch_over_a_trap_becomes_one_to_it() -> None:
    body = f"\tcbnz\tw8, .LBB0_2\n.Ltmp6:\n// %bb.1:\n{TRAP_AARCH64}.LBB0_2:\n"
    text = send_away(f"f:\n{body}\tret\n.Lfunc_end0:\n")
    assert text.startswith(f"f:\n{gone(1, 'cbz	w8, ')}.Ltmp6:\n// %bb.1:\n") and "brk" not in text


@pytest.mark.parametrize(
    "body, after",
    [
        ("\tb.hs\t.LBB0_1\n\tb\t.LBB0_1\n", "\tret\n"),
        ("\tb.hs\t.LBB0_1\n\ttbnz\tw0, #3, .LBB0_1\n", "\tret\n"),
        ("\tb.hs\t.LBB0_1\n", ""),
        ("\tb.hs\t.LBB0_1\n", "\tb.eq\t.LBB0_3\n"),
        (f"\tb.lo\t.LBB0_3\n{TRAP_AARCH64}.LBB0_2:\n", "\tret\n"),
    ],
    ids=["jump", "short reach", "fallen into", "fallen into from a branch", "branch over more"],
)
def test_what_others_reach_stays_on_aarch64(body: str, after: str) -> None:
    text = function_aarch64(body, after)
    assert send_away(text) == text.replace("\t//DEBUG_VALUE: f:x <- 0\n", "")


def sums() -> Unit:
    """A function with sixty checks."""
    checks = "".join(f"    a = add_u64(a, b[{n}], {n + 1});\n" for n in range(60))
    return Unit(
        "checks", f"{PRELUDE}__attribute__((used)) u64 sum(u64 a, const u64 *b) {{\n{checks}    return a;\n}}\n"
    )


def test_a_kernel_of_aarch64_has_a_branch_for_a_check(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Loading, adding with carry and the branch are all there is, and every branch has its own address without code."""
    directory = tmp_path_factory.mktemp("away")
    sections = f".text : {{ *(.text*) }} {SITES} 0 : {{ KEEP(*({SITES})) }}"
    script = f"SECTIONS {{ . = 0x180000; {NO_CODE} = 0x100000; {sections} }}"
    image = build(
        [sums()], target("aarch64", "kernel"), output=directory / "k.elf",
        optimize="s", entry="sum", linker_script=script, cache=directory / "cache", lto=True,
    )  # fmt: skip
    symbols = Symbols(image)
    symbol = symbols.elf.get_section_by_name(".symtab").get_symbol_by_name("sum")[0]
    places = [code for code, _, _ in symbols.sites.values()]
    assert sorted(symbols.sites) == [0x100000 - 4 * number for number in range(60, 0, -1)]
    assert sorted(site & 0xFFFF for _, site, _ in symbols.sites.values()) == list(range(1, 61))
    assert all(symbol["st_value"] <= place < symbol["st_value"] + symbol["st_size"] for place in places)
    assert len(set(places)) == 60 and symbol["st_size"] <= 60 * 4 * 3 + 4 * 4


def test_a_linked_kernel_has_its_traps_near(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each check costs its branch of two bytes and its trap of one, however long the function; sites stay known."""
    directory = tmp_path_factory.mktemp("near")
    image = build(
        [sums()], target("x86_64", "kernel"), output=directory / "k.elf", optimize="s",
        entry="sum", cache=directory / "cache", lto=True,
    )  # fmt: skip
    symbols = Symbols(image)
    start = symbols.elf.get_section_by_name(".symtab").get_symbol_by_name("sum")[0]["st_value"]
    text = symbols.elf.get_section_by_name(".text")
    traps = {text.data()[address - text["sh_addr"]] for address in symbols.sites}
    assert sorted(site & 0xFFFF for _, site, _ in symbols.sites.values()) == list(range(1, 61)) and traps == {0xD6}
    assert all(code == address for address, (code, _, _) in symbols.sites.items())
    steps = sorted(address - start for address in symbols.sites)
    assert max(later - earlier for earlier, later in pairwise(steps)) <= 4 + 4 + 2
