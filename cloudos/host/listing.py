"""Tables for people and JSON for programs, the same rows in both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any


def show(rows: Sequence[Any], form: str) -> None:
    """Print dataclass instances of one type, in the order of their fields, as "table" or "json"."""
    if form == "json":
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    first = rows[0]
    assert is_dataclass(first)
    for field in fields(first):
        numeric = isinstance(getattr(first, field.name), int)
        table.add_column(field.name.upper(), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        cells = [getattr(row, field.name) for field in fields(row)]
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in cells))
    Console().print(table)
