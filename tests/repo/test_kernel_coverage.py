"""Every line that is said to be reached by no test still exists, and the page names no others."""

from __future__ import annotations

import re

from tests.coverage import reasons
from tests.repo.tree import ROOT


def test_reasons_name_lines_that_exist() -> None:
    known = reasons.load()
    assert known
    assert reasons.stale(ROOT, known) == []
    named = [(one.file, one.function, one.text) for one in known]
    assert len(set(named)) == len(named)


def test_the_page_explains_everything() -> None:
    text = (ROOT / "docs" / "kernel-coverage.md").read_text()
    found = re.search(r"\*\*(\d+\.\d) % of lines are reached", text)
    assert found is not None and float(found[1]) > 95
    given = set(re.findall(r"^\| [\d, -]+ \| `[^|]+` \| (.+) \|$", text, re.MULTILINE))
    assert given and given <= {one.reason for one in reasons.load()}
