"""The utilities that show and manage the system, in one program.

The last component of argument 0 says which utility runs; when it names none, argument 1 does.
"""

from __future__ import annotations

from cloudos.apps.administration.access import Failed
from cloudos.apps.administration.table import dispatch
from cloudos.apps.options import Usage
from cloudos.lang import U8, U64
from cloudos.sdk import List, Text, print_error, run

SLASH = ord("/")
NOT_FOUND = 127
FAILED = 1


def last_component(path: Text) -> Text:
    """What follows the last slash."""
    start = U64(0)
    for i in U64.range(path.length):
        if path[i] == SLASH:
            start = i + 1
    return path.slice(start, path.length)


def call(name: Text, arguments: List[Text]) -> U8 | None:
    """Run a utility, with its bare name as the first argument. Its status; None when there is none of that name."""
    arguments[0] = name
    try:
        return dispatch(name, arguments)
    except (Failed, Usage):
        return U8(FAILED)


def main(arguments: List[Text]) -> U8:
    if arguments.length == 0:
        return U8(NOT_FOUND)
    name = last_component(arguments[0])
    status = call(name, arguments)
    if status is not None:
        return status
    if arguments.length < 2:
        print_error(f"usage: {name} UTILITY [ARGUMENT]...")
        return U8(NOT_FOUND)
    status = call(arguments[1], arguments.slice(U64(1), arguments.length))
    if status is None:
        print_error(f"{name}: {arguments[1]}: not found")
        return U8(NOT_FOUND)
    return status


if __name__ == "__main__":
    run(main)
