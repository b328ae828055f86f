"""The utilities by name. A new one is imported and added to `UTILITIES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.apps.toolbox.cat import cat
from cloudos.apps.toolbox.echo import echo
from cloudos.apps.toolbox.grep import grep
from cloudos.apps.toolbox.wc import wc
from cloudos.lang import U8, generate
from cloudos.sdk import List, Text

UTILITIES: dict[str, Callable[[List[Text]], U8]] = {
    "cat": cat,
    "echo": echo,
    "grep": grep,
    "wc": wc,
}


def _dispatch() -> Callable[[Text, List[Text]], U8 | None]:
    """The function that calls a utility by its name: comparisons, made from the table."""
    names: dict[str, Any] = {"Text": Text, "List": List, "U8": U8, "__name__": __name__}
    lines = ["def dispatch(name: Text, arguments: List[Text]) -> U8 | None:"]
    lines += ["    first = U8(0) if name.length == 0 else name[0]"]
    for number, (name, function) in enumerate(UTILITIES.items()):
        names[f"utility{number}"] = function
        lines.append(f"    if first == {ord(name[0])} and name.equals({name!r}):")
        lines.append(f"        return utility{number}(arguments)")
    made: Callable[[Text, List[Text]], U8 | None] = generate(
        "\n".join(lines) + "\n    return None\n", "dispatch", names
    )
    return made


dispatch = _dispatch()
"""Run the utility of a name with its arguments, the name first; None when there is none of that name."""
