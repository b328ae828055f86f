"""Rows of which some fail, to see that the runner notices."""

from __future__ import annotations

from cloudos.lang import U64
from tests.conformance.support import BOARD, poke


def holds() -> None:
    """A row that holds."""
    assert BOARD.count == 0, "the board is clear"
    BOARD.note(U64(1))


def panics() -> None:
    """A row whose promise is broken."""
    assert BOARD.count == 1, "planted on purpose"


def holds_again() -> None:
    """The row after one that panics."""
    assert BOARD.count == 0, "the board is clear"


def faults() -> None:
    """A row that makes a bad access."""
    poke(U64(8), U64(1))


def holds_after_all() -> None:
    """The row after one that faults."""
    assert BOARD.count == 0, "the board is clear"
