"""Walking typed trees."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from cloudos.compiler import tree


def expressions(nodes: Iterable[Any]) -> Iterator[tree.Expr]:
    """All expressions in statements or expressions, outermost first."""
    for node in nodes:
        if isinstance(node, tree.Expr):
            yield node
        for entry in dataclasses.fields(node):
            yield from expressions(_parts(getattr(node, entry.name)))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, tree.Expr | tree.Stmt | tree.Handler):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
