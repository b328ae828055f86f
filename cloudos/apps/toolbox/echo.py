"""echo: arguments on one line."""

from __future__ import annotations

from cloudos.lang import U8, U64, data
from cloudos.sdk import List, Text, stdout

SPACE = data(b" ")
NEWLINE = data(b"\n")


def echo(arguments: List[Text]) -> U8:
    """Write the arguments with spaces between them; `-n` first: without a newline."""
    first = U64(1)
    if arguments.length > 1 and arguments[1].equals("-n"):
        first = U64(2)
    for i in U64.range(first, arguments.length):
        if i > first:
            stdout.write(SPACE)
        stdout.write(arguments[i].content)
    if first == 1:
        stdout.write(NEWLINE)
    return U8(0)
