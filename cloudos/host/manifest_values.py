"""Typed access to the values of a manifest: whatever is wrong is told with file, line and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudos.abi.toml_lines import Lines, TomlError, parse
from cloudos.host.errors import NotFound, ToolError

HINT = "docs/images.md has every key"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
SIZE = re.compile(r"(\d+)([KMG]?)")
TIME = re.compile(r"(\d+)(ns|us|ms|s)")
SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
TIMES = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
MOST = (1 << 63) - 1


class ManifestError(ToolError):
    """A manifest that cannot be used: `path` and `line` (from 1) say where, the message begins with them."""

    def __init__(self, path: Path, line: int, message: str, hint: str = HINT) -> None:
        super().__init__(f"{path}:{line}: {message}", hint)
        self.path = path
        self.line = line


@dataclass(frozen=True)
class Place:
    """Where something stands in a manifest."""

    path: Path
    line: int

    def error(self, message: str, hint: str = HINT) -> ManifestError:
        """The error for this place; the caller raises it."""
        return ManifestError(self.path, self.line, message, hint)


class Document:
    """A manifest that was read: its file and where its keys stand."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = Lines(text)

    def place(self, *path: str | int) -> Place:
        """Where a key stands, or the nearest around it."""
        return Place(self.path, self.lines.line(*path))


def read(path: Path) -> Table:
    """The top table of a TOML file. Raises NotFound, ToolError, ManifestError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file", HINT) from error
    except UnicodeDecodeError as error:
        raise ManifestError(path, 1, "not UTF-8", "a manifest is TOML, in UTF-8") from error
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror}") from error
    try:
        values = parse(text)
    except TomlError as error:
        raise ManifestError(path, error.line, str(error), "https://toml.io shows how TOML is written") from error
    return Table(Document(path, text), (), values)


class Table:
    """One table of a manifest. Every method raises ManifestError for what is missing or of another type."""

    def __init__(self, document: Document, path: tuple[str | int, ...], values: Mapping[str, Any]) -> None:
        self.document = document
        self.path = path
        self.values = values

    @property
    def name(self) -> str:
        """The table for people: "schedule", "ports 2"."""
        return " ".join(str(part + 1) if isinstance(part, int) else part for part in self.path)

    def place(self, *key: str | int) -> Place:
        """Where the table, or a key of it, stands."""
        return self.document.place(*self.path, *key)

    def error(self, key: str, message: str, hint: str = HINT) -> ManifestError:
        """What is wrong with a key."""
        where = f"'{key}' of {self.name}: " if self.path else f"'{key}': "
        return self.place(key).error(where + message, hint)

    def only(self, *known: str) -> None:
        """Refuse keys other than these."""
        for key in self.values:
            if key not in known:
                where = f" in {self.name}" if self.path else ""
                raise self.place(key).error(f"unknown key '{key}'{where}", f"known here: {', '.join(known)}")

    def has(self, key: str) -> bool:
        """Whether a key is there."""
        return key in self.values

    def need(self, key: str, example: str) -> Any:
        """The value of a key that must be there."""
        if key not in self.values:
            where = f" in {self.name}" if self.path else ""
            raise self.place().error(f"'{key}' is missing{where}", f"write for example: {key} = {example}")
        return self.values[key]

    def text(self, key: str, example: str, default: str | None = None) -> str:
        """A text of one line, not empty; `example` shows users what is meant."""
        if default is not None and key not in self.values:
            return default
        value = self.need(key, example)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self.error(key, f"{value!r} is not a text of one line", f"write for example: {key} = {example}")
        return value

    def identifier(self, key: str, example: str) -> str:
        """A name: a small letter, then at most 31 small letters, digits, - and _."""
        value = self.text(key, example)
        self.check_name(key, value)
        return value

    def check_name(self, key: str, value: str) -> None:
        """Refuse what is no name."""
        if not NAME.fullmatch(value):
            hint = "names begin with a small letter, then come small letters, digits, - and _: 32 at most"
            raise self.error(key, f"{value!r} is not a name", hint)

    def flag(self, key: str) -> bool:
        """True or false; false when it is not there."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"{value!r} is neither true nor false", f"write {key} = true, or leave it out")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number from `low` to `high`."""
        if default is not None and key not in self.values:
            return default
        value = self.need(key, str(low))
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, f"{value!r} is not a whole number", f"write for example: {key} = {low}")
        if not low <= value <= high:
            raise self.error(key, f"{value} is out of range", f"it may be {low} to {high}")
        return value

    def size(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Bytes: a number, or a text such as "2M" or "64K"."""
        return self._measured(key, SIZE, SIZES, '"2M"', (low, high), default)

    def time(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Nanoseconds, from a text such as "10ms"."""
        return self._measured(key, TIME, TIMES, '"10ms"', (low, high), default)

    def _measured(
        self,
        key: str,
        pattern: re.Pattern[str],
        units: Mapping[str, int],
        example: str,
        limits: tuple[int, int],
        default: int | None,
    ) -> int:
        if default is not None and key not in self.values:
            return default
        value = self.need(key, example)
        whole = isinstance(value, int) and not isinstance(value, bool) and "" in units
        found = pattern.fullmatch(str(value)) if isinstance(value, str) or whole else None
        if not found:
            known = ", ".join(unit for unit in units if unit)
            raise self.error(key, f"{value!r} is not a number with a unit of {known}", f"write {key} = {example}")
        amount = int(found[1]) * units[found[2]]
        if not limits[0] <= amount <= limits[1]:
            low, high = (_shown(limit, units) for limit in limits)
            raise self.error(key, f"{value} is out of range", f"it may be {low} to {high}")
        return amount

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts of one line; empty when it is not there."""
        value = self.values.get(key, [])
        good = isinstance(value, list) and all(isinstance(one, str) and one.isprintable() for one in value)
        if not good:
            raise self.error(key, f"{value!r} is not a list of texts of one line", f'write {key} = ["…", "…"]')
        return tuple(value)

    def table(self, key: str) -> Table:
        """A table; an empty one when it is not there."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, f"{value!r} is not a table", f"write a header: [{key}]")
        return Table(self.document, (*self.path, key), value)

    def tables(self, key: str) -> Iterator[Table]:
        """The tables of a list; none when it is not there."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.error(key, "it is not a list of tables", f"write a header for each: [[{key}]]")
        for number, one in enumerate(value):
            yield Table(self.document, (*self.path, key, number), one)


def _shown(amount: int, units: Mapping[str, int]) -> str:
    """An amount in the largest unit that divides it."""
    for unit, factor in sorted(units.items(), key=lambda pair: -pair[1]):
        if amount % factor == 0 and amount >= factor:
            return f"{amount // factor}{unit}"
    return str(amount)
