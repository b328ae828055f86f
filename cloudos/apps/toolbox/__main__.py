"""The POSIX utilities in one program.

    bin/cloudos run cloudos/apps/toolbox/__main__.py echo hello

The last component of argument 0 says which utility runs; when it names none, argument 1 does.
"""

from __future__ import annotations

from cloudos.apps.toolbox.table import dispatch
from cloudos.lang import U8, U64
from cloudos.sdk import List, Text, print_error, run

SLASH = ord("/")
NOT_FOUND = 127


def last_component(path: Text) -> Text:
    """What follows the last slash."""
    start = U64(0)
    for i in U64.range(path.length):
        if path[i] == SLASH:
            start = i + 1
    return path.slice(start, path.length)


def main(arguments: List[Text]) -> U8:
    if arguments.length == 0:
        return U8(NOT_FOUND)
    name = last_component(arguments[0])
    status = dispatch(name, arguments)
    if status is not None:
        return status
    if arguments.length < 2:
        print_error(f"usage: {name} UTILITY [ARGUMENT]...")
        return U8(NOT_FOUND)
    status = dispatch(arguments[1], arguments.slice(U64(1), arguments.length))
    if status is None:
        print_error(f"{name}: {arguments[1]}: not found")
        return U8(NOT_FOUND)
    return status


if __name__ == "__main__":
    run(main)
