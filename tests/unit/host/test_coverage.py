"""Merging what CPython and QEMU reached, and the reasons for what neither did."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.coverage import page, reasons
from tests.coverage.merge import merge
from tests.coverage.reasons import Reason
from tests.coverage.statements import read

SOURCE = textwrap.dedent(
    '''\
    """A module."""


    def total(
        left: int,
        right: int,
    ) -> int:
        """Sum."""
        if (
            left
            and right
        ):
            return (
                left
                + right
            )
        return 0


    @machine(
        x86_64="nop",
    )
    def pause() -> None:
        """Wait."""
        x = 1


    class Queue:
        def first(self) -> int:
            return 2
    '''
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cloudos" / "kernel").mkdir(parents=True)
    (tmp_path / "cloudos" / "kernel" / "some.py").write_text(SOURCE)
    return tmp_path


REPORT = {
    "files": {
        "cloudos/kernel/some.py": {
            "executed_lines": [4, 9, 17, 20, 28, 29],
            "missing_lines": [13, 25, 30],
            "executed_branches": [[9, 17]],
            "missing_branches": [[9, 13]],
        }
    }
}


def test_lines_of_a_statement_count_as_its_first() -> None:
    module = read(SOURCE)
    assert module.first[10] == module.first[12] == 9
    assert module.first[14] == module.first[16] == 13
    assert module.first[6] == 4 and module.first[17] == 17
    assert module.models == {24, 25}
    assert module.functions[30] == "Queue.first" and module.functions[29] == "Queue.first"


def test_what_comes_before_a_statement_was_executed() -> None:
    source = """\
def f(a, b):
    x = 1
    if a:
        y = 2
        z = 3
    elif b:
        w = 4
    else:
        v = 5
    for i in a:
        u = 6
        t = 7
    match a:
        case 1:
            s = 8
        case _:
            r = 9
    return x
"""
    module = read(source)
    assert module.implied({5}) == {2, 3, 4, 5}
    assert module.implied({7}) == {2, 3, 6, 7}
    assert module.implied({12}) == {2, 3, 10, 11, 12}
    assert module.implied({17}) == {2, 3, 10, 13, 16, 17}
    assert module.implied({18}) == {2, 3, 10, 13, 18}


def test_both_are_merged(root: Path) -> None:
    (neither,) = merge(root, REPORT, {}, {})
    assert neither.statements == {4, 9, 13, 17, 20, 28, 29, 30} and neither.models == 1
    assert neither.missing == [13, 30] and neither.taken == {(9, 17)}
    (both,) = merge(root, REPORT, {"cloudos/kernel/some.py": {10, 15, 99}}, {})
    assert both.machine == {9, 13} and both.missing == [30]
    assert both.taken == both.branches == {(9, 17), (9, 13)}


def test_the_page_says_what_is_missing_and_why(root: Path) -> None:
    files = merge(root, REPORT, {"cloudos/kernel/some.py": {15, 9}}, {})
    given = [Reason("cloudos/kernel/some.py", "Queue", "return 2", "only a test would call it")]
    text = page.render(root, files, given, "a test")
    assert "**87.5 % of lines are reached, 100.0 % of branches.**" in text
    assert "| some.py | 8 | 6 | 2 | 87.5 % | 100.0 % |" in text
    assert "| 30 | `Queue.first` | only a test would call it |" in text
    assert page.unexplained(root, files, given) == {}
    assert page.unexplained(root, files, []) == {"cloudos/kernel/some.py": [30]}
    assert page.UNEXPLAINED in page.render(root, files, [], "a test")


def test_reasons_for_lines_that_are_gone_are_found(root: Path) -> None:
    file = "cloudos/kernel/some.py"
    kept = [Reason(file, "Queue.first", "return 2", "x"), Reason(file, "total", "*", "x")]
    gone = [
        Reason(file, "Queue.last", "*", "x"), Reason(file, "Queue.first", "return 3", "x"),
        Reason("cloudos/kernel/none.py", "total", "*", "x"),
    ]  # fmt: skip
    assert reasons.stale(root, kept + gone) == gone
    assert reasons.lines_of(root, kept[0]) == {30}


def test_ranges() -> None:
    assert page.ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert page.percent(999, 1000) == "99.9 %" and page.percent(9999, 10000) == "99.9 %"


def test_lines_without_code_need_no_other_reason(root: Path) -> None:
    file = "cloudos/kernel/some.py"
    files = merge(root, REPORT, {file: {9}}, {file: {4, 9, 10, 30}})
    assert files[0].without_code == {13, 17, 20, 28, 29}
    assert page.unexplained(root, files, []) == {file: [30]}
    assert f"| 13 | `total` | {page.WITHOUT_CODE} |" in page.render(root, files, [], "a test")
