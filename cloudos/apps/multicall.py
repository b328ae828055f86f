"""Many utilities in one program: the last component of argument 0 says which runs, else argument 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from cloudos.lang import U8, U64, generate
from cloudos.sdk import List, Text, print_error

SLASH = ord("/")
NOT_FOUND = 127


class Table(Protocol):
    """Utilities by name."""

    def call(self, name: Text, arguments: List[Text]) -> U8 | None:
        """Run one with its arguments, the name first; its status, None when there is none of that name."""


def dispatcher(
    utilities: dict[str, Callable[[List[Text]], U8]], module: str
) -> Callable[[Text, List[Text]], U8 | None]:
    """Make, while building, the function that calls a utility by its name: comparisons, made from the table."""
    names: dict[str, Any] = {"Text": Text, "List": List, "U8": U8, "__name__": module}
    lines = ["def dispatch(name: Text, arguments: List[Text]) -> U8 | None:"]
    lines += ["    first = U8(0) if name.length == 0 else name[0]"]
    for number, (name, function) in enumerate(utilities.items()):
        names[f"utility{number}"] = function
        lines.append(f"    if first == {ord(name[0])} and name.equals({name!r}):")
        lines.append(f"        return utility{number}(arguments)")
    made: Callable[[Text, List[Text]], U8 | None] = generate(
        "\n".join(lines) + "\n    return None\n", "dispatch", names
    )
    return made


def last_component(path: Text) -> Text:
    """What follows the last slash."""
    start = U64(0)
    for i in U64.range(path.length):
        if path[i] == SLASH:
            start = i + 1
    return path.slice(start, path.length)


def run_named(table: Table, arguments: List[Text]) -> U8:
    """Run the utility that the arguments name; its status, 127 when there is none."""
    if arguments.length == 0:
        return U8(NOT_FOUND)
    name = last_component(arguments[0])
    status = table.call(name, arguments)
    if status is not None:
        return status
    if arguments.length < 2:
        print_error(f"usage: {name} UTILITY [ARGUMENT]...")
        return U8(NOT_FOUND)
    status = table.call(arguments[1], arguments.slice(U64(1), arguments.length))
    if status is None:
        print_error(f"{name}: {arguments[1]}: not found")
        return U8(NOT_FOUND)
    return status
