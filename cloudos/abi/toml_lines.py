"""Where things stand in a TOML text: for messages that name a line. Used at build time only.

`tomllib` reads the values and forgets the lines; this finds them again. A place is a path of keys, and of numbers from
0 for tables of an array: `("ports", 1, "first")` is `first` in the second `[[ports]]`.
"""

from __future__ import annotations

import re
import tomllib
from typing import Any

Path = tuple[str | int, ...]

_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_KEY = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_PART}(?:\s*\.\s*{_PART})*)\s*]")


class TomlError(ValueError):
    """The text is not TOML: what is wrong, and in which line, counted from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str) -> dict[str, Any]:
    """The values of a TOML text. Raises TomlError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        raise TomlError(f"not TOML: {error}", int(place[1]) if place else text.count("\n") + 1) from None


class Lines:
    """The line of every key and header of a text that `parse` accepts."""

    def __init__(self, text: str) -> None:
        self.places: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}
        self.prefix: Path = ()
        quotes = ""
        for number, line in enumerate(text.split("\n"), 1):
            if not quotes:
                self._read(line, number)
            quotes = _open_quotes(line, quotes)

    def line(self, *path: str | int) -> int:
        """The line of a place, counted from 1: of the nearest one around it when it has none of its own."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, 1)

    def _read(self, line: str, number: int) -> None:
        header = _HEADER.match(line)
        if header:
            self._enter(_parts(header[2]), header[1] == "[[", number)
            return
        key = _KEY.match(line)
        if key:
            self._note((*self.prefix, *_parts(key[1])), number)

    def _enter(self, parts: tuple[str, ...], repeated: bool, number: int) -> None:
        path: Path = ()
        for part in parts[:-1]:
            path = (*path, part)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        path = (*path, parts[-1])
        self._note(path, number)
        if repeated:
            self.counts[path] = self.counts.get(path, 0) + 1
            path = (*path, self.counts[path] - 1)
            self._note(path, number)
        self.prefix = path

    def _note(self, path: Path, number: int) -> None:
        for length in range(1, len(path) + 1):
            self.places.setdefault(path[:length], number)


def _parts(key: str) -> tuple[str, ...]:
    """The parts of a dotted key, without quotes."""
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in re.findall(_PART, key))


def _open_quotes(line: str, quotes: str) -> str:
    """Which kind of triple quotes is open behind a line."""
    for mark in re.findall(r'"""|\'\'\'', line):
        if not quotes:
            quotes = mark
        elif quotes == mark:
            quotes = ""
    return quotes
