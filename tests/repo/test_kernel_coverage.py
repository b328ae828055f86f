"""Every line that is said to be reached by no test still exists, and the page has no reasons of its own."""

from __future__ import annotations

import re

from tests.coverage import page, reasons
from tests.repo.tree import ROOT


def test_reasons_name_lines_that_exist() -> None:
    known = reasons.load()
    assert known
    assert reasons.stale(ROOT, known) == []
    named = [(one.file, one.function, one.text) for one in known]
    assert len(set(named)) == len(named)


def test_most_lines_are_reached_and_the_page_knows_all_reasons() -> None:
    text = (ROOT / "docs" / "kernel-coverage.md").read_text()
    found = re.search(r"\*\*(\d+\.\d) % of lines are reached", text)
    assert found is not None and float(found[1]) > page.TARGET
    given = set(re.findall(r"^\| [\d, -]+ \| `[^|]+` \| (.+) \|$", text, re.MULTILINE))
    assert given <= {one.reason for one in reasons.load()} | {page.WITHOUT_CODE, page.UNEXPLAINED}
