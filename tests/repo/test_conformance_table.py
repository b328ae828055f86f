"""docs/conformance.md lists the rows that there are."""

from __future__ import annotations

from tests.conformance.table import DOCUMENT, document, module_names, rows_of


def test_the_document_is_what_the_rows_say() -> None:
    assert DOCUMENT.read_text() == document(), "run python -m tests.conformance.table"


def test_every_row_has_a_name_of_its_own_and_a_promise() -> None:
    rows = [row for name in module_names() for row in rows_of(name)]
    assert len({row.name for row in rows}) == len(rows) >= 100
    assert [row.name for row in rows if not row.promise.endswith(".")] == []
    assert len({row.promise for row in rows}) == len(rows)
