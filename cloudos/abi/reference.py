"""Renders docs/system-calls.md from the declarations: `python -m cloudos.abi.reference > docs/system-calls.md`."""

from __future__ import annotations

import inspect
from typing import Any

from cloudos.abi.errors import numbered
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall

HEADER = """# System calls

Made from `cloudos/abi/system_calls.py` by `python -m cloudos.abi.reference`; a test keeps the two in step.

| | number | arguments | error | value | lost |
| --- | --- | --- | --- | --- | --- |
| x86_64 (`syscall`) | rax | rdi rsi rdx r10 r8 r9 | rax | rdx | rcx r11 |
| AArch64 (`svc #0`) | x8 | x0 to x5 | x0 | x1 | |

The error is 0 when the call succeeded. A number that names no system call gives BadSystemCall; an argument that does
not fit its declared type gives BadArgument; both change nothing.
"""


def type_name(annotation: Any) -> str:
    """A type as the declarations write it."""
    if annotation is type(None):
        return "None"
    return str(getattr(annotation, "__name__", annotation)).removeprefix("typing.")


def signature(call: SystemCall) -> str:
    """`name(parameter: type, …) -> type`."""
    parameters = ", ".join(f"{name}: {type_name(kind)}" for name, kind in call.parameters.items())
    return f"{call.name}({parameters}) -> {type_name(call.result)}"


def render() -> str:
    """The whole page."""
    parts = [HEADER, "## Errors\n", "| number | name | meaning |", "| --- | --- | --- |"]
    parts += [f"| {code} | {error.__name__} | {inspect.getdoc(error)} |" for code, error in numbered()]
    for call in SYSTEM_CALLS:
        raises = ", ".join(error.__name__ for error in call.raises) or "nothing"
        parts += ["", f"## {call.number}: {call.name}", "", f"    {signature(call)}", ""]
        parts += [inspect.getdoc(call.function) or "", "", f"Raises: {raises}."]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    print(render(), end="")
