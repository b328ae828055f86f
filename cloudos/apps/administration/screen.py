"""The terminal: whether standard output is one, how large it is, its escape sequences (ECMA-48)."""

from __future__ import annotations

from cloudos.contracts.console import Console
from cloudos.contracts.errors import ServiceError
from cloudos.lang import U64
from cloudos.sdk import is_terminal
from cloudos.sdk.component import held

COLUMNS = 80  # of a terminal that does not say
ROWS = 24
CLEAR = "\x1b[H\x1b[2J\x1b[3J"  # cursor home; erase the screen, and what scrolled out of it
HOME = "\x1b[H\x1b[J"
BOLD = "\x1b[1m"
PLAIN = "\x1b[0m"


def on_terminal() -> bool:
    """Whether standard output is a terminal, so that a person watches."""
    return is_terminal()


def input_is_terminal() -> bool:
    """Whether standard input is known to be a terminal."""
    return held("stdin") != 0 and is_terminal(U64(0))


def window() -> tuple[U64, U64]:
    """Columns and rows of the terminal, at least 1 each; 80 and 24 when nobody knows."""
    handle = held("console")
    if handle != 0:
        try:
            columns, rows = Console(handle).window()
            if columns > 0 and rows > 0:
                return columns, rows
        except ServiceError:
            return U64(COLUMNS), U64(ROWS)
    return U64(COLUMNS), U64(ROWS)
