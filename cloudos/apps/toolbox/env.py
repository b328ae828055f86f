"""env: the environment, or a command with a changed one."""

from __future__ import annotations

from cloudos.apps.options import Usage, parse_leading
from cloudos.apps.toolbox.commands import runner
from cloudos.lang import U8, U64, write_text
from cloudos.sdk import List, Text, print_error, stdout

WRONG = 125


def env(arguments: List[Text]) -> U8:
    """Write the environment or run a command; `-i`: from an empty one; `-u NAME`: without it; `NAME=VALUE`: with it."""
    try:
        options = parse_leading(arguments, "i0u:")
    except Usage:
        return U8(WRONG)
    made = runner("env", True)
    operands = options.operands
    at = U64(0)
    empty = options.has("i")
    if operands.length > 0 and operands[0].equals("-"):
        empty = True
        at = U64(1)
    if empty:
        made.environment.names.clear()
        made.environment.values.clear()
    for name in options.all_values("u"):
        made.environment.unset(name)
    while at < operands.length:
        equals = operands[at].find("=")
        if equals is None:
            break
        made.environment.set(operands[at].slice(U64(0), equals), operands[at].slice(equals + 1, operands[at].length))
        at += 1
    if at < operands.length:
        if options.has("0"):
            print_error("env: cannot specify --null (-0) with command")
            return U8(WRONG)
        return made.run(operands.slice(at, operands.length))
    for i in U64.range(made.environment.names.length):
        write_text(stdout, f"{made.environment.names[i]}={made.environment.values[i]}")
        write_text(stdout, "\0" if options.has("0") else "\n")
    return U8(0)
