"""Names of what travels in messages: operations of contracts, errors, system calls."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from typing import Any

from cloudos.abi import tags
from cloudos.abi.errors import numbered
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall

KERNEL_LABELS = {tags.LABEL_SIGNALS: "signals", tags.LABEL_FAULT: "fault", tags.LABEL_PAGE: "page wanted"}


@functools.cache
def operations() -> dict[int, str]:
    """The operations of all contracts, such as "Files.open", by the label of their messages."""
    import cloudos.contracts
    from cloudos.sdk.contract import CONTRACTS

    for module in pkgutil.iter_modules(cloudos.contracts.__path__):
        importlib.import_module(f"cloudos.contracts.{module.name}")
    found = {}
    for number, contract in CONTRACTS.items():
        declared: Any = contract
        found[number << 16] = f"{contract.__name__}.contract_version"
        for one in declared.__contract__.operations:
            found[number << 16 | one.number] = f"{contract.__name__}.{one.name}"
    return found


@functools.cache
def errors() -> dict[int, str]:
    """The errors of system calls and contracts, by number."""
    operations()
    from cloudos.lang import Error

    found = {number: error.__name__ for number, error in numbered()}
    waiting = list(Error.__subclasses__())
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        if error.__module__.startswith("cloudos."):
            found.setdefault(int(getattr(error, "code", 0)), error.__name__)
    return found


@functools.cache
def calls() -> dict[int, SystemCall]:
    """The system calls by number."""
    return {call.number: call for call in SYSTEM_CALLS}


def message_name(tag: int) -> str:
    """What a message asks for: an operation, what the kernel tells, or the number of its label."""
    label = tag >> tags.LABEL_SHIFT
    if tag & tags.FROM_KERNEL:
        return KERNEL_LABELS.get(label, f"kernel label {label}")
    return operations().get(label, f"label {label:#x}")


def reply_name(tag: int) -> str:
    """What a reply says: the name of an error, or "done"."""
    label = tag >> tags.LABEL_SHIFT
    return errors().get(label, f"label {label:#x}") if label else "done"


def size(tag: int) -> str:
    """How large a message is."""
    words, handles = tag & 15, tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK
    length = tag >> tags.BYTES_SHIFT & tags.BYTES_MASK
    parts = [f"{count} {noun}{'s' * (count != 1)}" for count, noun in ((words, "word"), (length, "byte")) if count]
    parts += [f"{handles} handle{'s' * (handles != 1)}"] if handles else []
    return ", ".join(parts) or "empty"
