"""The policy of a machine, written in TOML, as the bytes that `policy_load` takes.

    labels = ["system", "driver", "application"]

    [[allow]]
    subject = "application"
    object = ["system", "application"]
    operations = ["call", "transfer"]

`cloudos run --policy FILE` gives a machine such a policy. Labels are numbered in their order. What no entry allows is
denied, also between processes of the same label; "*" stands for all labels, or all operations. Everything here runs
while an image is built: import is build time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudos.abi.objects import ALL_OPERATIONS, Operation
from cloudos.abi.toml_lines import Lines, TomlError, parse

MAXIMUM_LABELS = 64
EVERY = "*"
KEYS = ("subject", "object", "operations")


class PolicyError(ValueError):
    """The text is no policy: what is wrong, and in which line, counted from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Policy:
    """A policy as it was read, with the lines in which its parts stand."""

    def __init__(self, text: str) -> None:
        # Number of the entry that is dealt with, from 1.
        self.entry = 0
        try:
            self.values = parse(text)
        except TomlError as error:
            raise PolicyError(str(error), error.line) from None
        self.lines = Lines(text)
        for key in self.values:
            if key not in ("labels", "allow"):
                raise self.error(f"unknown: {key}; a policy has 'labels' and 'allow'", key)
        if not isinstance(self.values.get("allow", []), list):
            raise self.error("'allow' is a list of entries: [[allow]]", "allow")

    def error(self, message: str, *path: str) -> PolicyError:
        """What is wrong with a key, of the current entry if there is one."""
        if self.entry == 0:
            return PolicyError(message, self.lines.line(*path))
        where = f"entry {self.entry} of 'allow': "
        return PolicyError(where + message, self.lines.line("allow", self.entry - 1, *path))

    def labels(self) -> dict[str, int]:
        """The number of each label."""
        names = self.values.get("labels")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.error("'labels' must be a list of names", "labels")
        if not 1 <= len(names) <= MAXIMUM_LABELS:
            raise self.error(f"'labels': there must be 1 to {MAXIMUM_LABELS}, not {len(names)}", "labels")
        if len(set(names)) != len(names) or EVERY in names:
            raise self.error(f"'labels': names must differ, and none may be '{EVERY}'", "labels")
        return {name: number for number, name in enumerate(names)}

    def entries(self) -> Iterator[dict[str, Any]]:
        """Subject, object and operations of each entry. While the caller deals with one, errors are of that one."""
        for entry in self.values.get("allow", []):
            self.entry += 1
            if not isinstance(entry, dict) or set(entry) != set(KEYS):
                raise self.error("needs exactly 'subject', 'object' and 'operations'")
            yield entry

    def chosen(self, key: str, entry: dict[str, Any], known: dict[str, int], what: str) -> list[int]:
        """The numbers of what a key of an entry names."""
        value = entry[key]
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self.error(f"{value!r} is neither a name nor a list of names", key)
        for name in names:
            if name != EVERY and name not in known:
                raise self.error(f"there is no {what} '{name}'; there are: {', '.join(known)}", key)
        return list(known.values()) if EVERY in names else [known[name] for name in names]


def labels(text: str) -> dict[str, int]:
    """The number of each label. Raises PolicyError."""
    return _Policy(text).labels()


def encode(text: str) -> bytes:
    """The matrix: for each subject label one byte for each object label. Raises PolicyError."""
    policy = _Policy(text)
    numbers = policy.labels()
    count = len(numbers)
    known = {operation.name.lower(): int(operation) for operation in Operation if operation.name}
    assert sum(known.values()) == ALL_OPERATIONS
    matrix = bytearray(count * count)
    for entry in policy.entries():
        subjects = policy.chosen("subject", entry, numbers, "label")
        objects = policy.chosen("object", entry, numbers, "label")
        operations = sum(set(policy.chosen("operations", entry, known, "operation")))
        for subject in subjects:
            for object in objects:
                matrix[subject * count + object] |= operations
    return bytes(matrix)
