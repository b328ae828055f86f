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
| x86_64 (`syscall`) | rax | rdi rsi rdx r10 r8 r9 | rax | rdx | rcx r11, arguments |
| AArch64 (`svc #0`) | x8 | x0 to x5 | x0 | x1 | x0 to x8 |

The error is 0 when the call succeeded. A number that names no system call gives BadSystemCall; an argument that does
not fit its declared type gives BadArgument; both change nothing. `ENDPOINT[SEND]` is a handle (64 bits) that must name
an endpoint and allow sending: BadHandle, WrongKind, Denied and PeerGone (the object has ended) say that it does not.

Messages (x86_64): tag in rsi, eight words in rdx r10 r8 r9 r12 r13 r14 r15, reply handle in rbx. Receiving gives the
badge in rdi. On AArch64: tag in x1, words in x2 to x7, x9 and x10, reply handle in x11, badge in x12. All eight words
always travel. What a tag says is in `cloudos/abi/tags.py`, what the message buffer holds in `cloudos/abi/messages.py`.
Deadlines are absolute, in nanoseconds as clock_read counts.
"""


def type_name(annotation: Any) -> str:
    """A type as the declarations write it."""
    if annotation is type(None):
        return "None"
    return str(getattr(annotation, "__name__", annotation)).removeprefix("typing.")


def parameter_type(call: SystemCall, name: str) -> str:
    """Of a handle: what it must name, and the rights that it must have."""
    if name not in call.needs:
        return type_name(call.parameters[name])
    needs = call.needs[name]
    return f"{needs.kind.name}[{'+'.join(str(right.name) for right in needs.rights)}]"


def signature(call: SystemCall) -> str:
    """`name(parameter: type, …) -> type`."""
    parameters = ", ".join(f"{name}: {parameter_type(call, name)}" for name in call.parameters)
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
