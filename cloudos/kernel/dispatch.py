"""The dispatch of system calls, made from their declarations.

For each call there is one branch: arguments are converted from registers to their declared types, the implementation
is called, and the errors that the declaration lists are turned into their numbers. An implementation that could raise
anything else does not compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from cloudos.abi.errors import BadArgument, BadSystemCall
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.kernel.hal import trap
from cloudos.kernel.objects import clock, console, memory, process
from cloudos.lang import U8, U16, U32, U64, UserPtr, exported, generate, never_inlined

IMPLEMENTED_BY = (process, console, memory, clock)
SHORT = ("system_null",)
INDENT = "            "


def system_null() -> U64:
    """System call."""
    return U64(0)


def implementation_of(call: SystemCall) -> Callable[..., Any]:
    """The function of the same name. Raises LookupError when nobody implements the call."""
    if call.function.__name__ == "system_null":
        return system_null
    for module in IMPLEMENTED_BY:
        if hasattr(module, call.name):
            return getattr(module, call.name)  # type: ignore[no-any-return]
    raise LookupError(f"system call {call.name} has no implementation")


def _argument(kind: Any, index: int) -> str:
    """The expression for one argument of a declared type."""
    register = f"frame.argument{index}"
    if getattr(kind, "__origin__", None) is UserPtr:
        return f"UserPtr.at({kind.__args__[0].__name__}, {register})"
    return register if kind is U64 else f"{kind.__name__}({register})"


def _checks(call: SystemCall) -> list[str]:
    """Refuse arguments that do not fit a narrow type."""
    lines = []
    for index, kind in enumerate(call.parameters.values()):
        if kind in (U8, U16, U32):
            lines.append(f"{INDENT}if frame.argument{index} > {kind.MAX}:")
            lines += [f"{INDENT}    frame.fail(U64({BadArgument.code}))", f"{INDENT}    return"]
    return lines


def branch(call: SystemCall) -> list[str]:
    """The lines of one case."""
    arguments = ", ".join(_argument(kind, index) for index, kind in enumerate(call.parameters.values()))
    invocation = f"{call.name}({arguments})"
    if call.result is U64:
        body = [f"frame.finish({invocation})"]
    elif call.result is NoReturn:
        body = [invocation]
    else:
        body = [invocation, "frame.finish(U64(0))"]
    lines = [f"        case {call.number}:", *_checks(call)]
    if not call.raises:
        return lines + [INDENT + line for line in body]
    lines += [f"{INDENT}try:"] + [f"{INDENT}    {line}" for line in body]
    for error in call.raises:
        lines += [f"{INDENT}except {error.__name__}:", f"{INDENT}    frame.fail(U64({error.code}))"]
    return lines


def dispatch_source() -> str:
    """The text of the dispatch function."""
    lines = ["def dispatch(frame: SystemCallFrame) -> None:", "    match frame.number:"]
    for call in SYSTEM_CALLS:
        lines += branch(call)
    lines += ["        case _:", f"{INDENT}frame.fail(U64({BadSystemCall.code}))"]
    return "\n".join(lines) + "\n"


def _namespace() -> dict[str, Any]:
    names: dict[str, Any] = {
        "__name__": __name__,
        "SystemCallFrame": trap.SystemCallFrame,
        "UserPtr": UserPtr,
        "U8": U8,
        "U16": U16,
    }
    names |= {"U32": U32, "U64": U64}
    for call in SYSTEM_CALLS:
        implementation = implementation_of(call)
        # The others would make the dispatch save registers that a short call does not need.
        names[call.name] = implementation if call.name in SHORT else never_inlined(implementation)
        names |= {error.__name__: error for error in call.raises}
    return names


_generated: Callable[[trap.SystemCallFrame], None] = generate(dispatch_source(), "dispatch", _namespace())
# The entry code calls it straight away: a system call that does nothing must cost next to nothing.
dispatch = exported("kernel_system_call")(_generated)
