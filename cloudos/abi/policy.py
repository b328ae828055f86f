"""The policy of a machine, written in TOML, as the bytes that `policy_load` takes.

    labels = ["system", "driver", "application"]

    [[allow]]
    subject = "application"
    object = ["system", "application"]
    operations = ["call", "transfer"]

Labels are numbered in their order. What no entry allows is denied, also between processes of the same label; "*" stands
for all labels, or all operations. Everything here runs while an image is built: import is build time.
"""

from __future__ import annotations

import tomllib
from typing import Any

from cloudos.abi.objects import ALL_OPERATIONS, Operation

MAXIMUM_LABELS = 64
EVERY = "*"


class PolicyError(ValueError):
    """The text is no policy; the message says which entry is wrong."""


def labels(text: str) -> dict[str, int]:
    """The number of each label. Raises PolicyError."""
    return _labels(_parsed(text))


def encode(text: str) -> bytes:
    """The matrix: for each subject label one byte for each object label. Raises PolicyError."""
    policy = _parsed(text)
    numbers = _labels(policy)
    count = len(numbers)
    matrix = bytearray(count * count)
    for position, entry in enumerate(policy.get("allow", []), 1):
        where = f"entry {position} of 'allow'"
        if not isinstance(entry, dict) or set(entry) != {"subject", "object", "operations"}:
            raise PolicyError(f"{where}: needs exactly 'subject', 'object' and 'operations'")
        operations = _operations(entry["operations"], where)
        for subject in _chosen(entry["subject"], numbers, where):
            for object in _chosen(entry["object"], numbers, where):
                matrix[subject * count + object] |= operations
    return bytes(matrix)


def _parsed(text: str) -> dict[str, Any]:
    try:
        policy = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"not TOML: {error}") from None
    unknown = set(policy) - {"labels", "allow"}
    if unknown:
        raise PolicyError(f"unknown: {', '.join(sorted(unknown))}; a policy has 'labels' and 'allow'")
    if not isinstance(policy.get("allow", []), list):
        raise PolicyError("'allow' is a list of entries: [[allow]]")
    return policy


def _labels(policy: dict[str, Any]) -> dict[str, int]:
    names = policy.get("labels")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PolicyError("'labels' must be a list of names")
    if not 1 <= len(names) <= MAXIMUM_LABELS:
        raise PolicyError(f"'labels': there must be 1 to {MAXIMUM_LABELS}, not {len(names)}")
    if len(set(names)) != len(names) or EVERY in names:
        raise PolicyError(f"'labels': names must differ, and none may be '{EVERY}'")
    return {name: number for number, name in enumerate(names)}


def _names(value: Any, where: str) -> list[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PolicyError(f"{where}: {value!r} is neither a name nor a list of names")
    return names


def _chosen(value: Any, numbers: dict[str, int], where: str) -> list[int]:
    """The numbers of labels that an entry names."""
    names = _names(value, where)
    for name in names:
        if name != EVERY and name not in numbers:
            raise PolicyError(f"{where}: there is no label '{name}'")
    return list(numbers.values()) if EVERY in names else [numbers[name] for name in names]


def _operations(value: Any, where: str) -> int:
    """The bits of the operations that an entry names."""
    known = {operation.name.lower(): int(operation) for operation in Operation if operation.name}
    bits = 0
    for name in _names(value, where):
        if name != EVERY and name not in known:
            raise PolicyError(f"{where}: '{name}' is none of the operations {', '.join(known)}")
        bits |= ALL_OPERATIONS if name == EVERY else known[name]
    return bits
