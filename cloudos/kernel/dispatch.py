"""The dispatch of system calls, made from their declarations.

For each call there is one branch: handles are decoded to objects of the declared kind with the declared rights, other
arguments are converted from registers to their declared types, and the implementation is called. An implementation
that could raise anything but what the declaration lists does not compile, and none can be reached without the check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.abi.errors import BadArgument, BadSystemCall, SystemCallError
from cloudos.abi.objects import Kind, Rights
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.kernel.hal import trap
from cloudos.kernel.microkernel import leave
from cloudos.kernel.objects import clock, console, devices, handles, memory, message, notifications, processes, threads
from cloudos.kernel.objects.device import Device
from cloudos.kernel.objects.endpoint import Endpoint
from cloudos.kernel.objects.header import Capability, Quota
from cloudos.kernel.objects.interrupt import Interrupt
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.reply import Reply
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.thread import Thread
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.security.capabilities import lookup
from cloudos.lang import U8, U16, U32, U64, Ptr, UserPtr, error_code, exported, fast, generate, inlined, never_inlined

IMPLEMENTED_BY = (processes, threads, notifications, handles, message, console, memory, clock, devices)
# These touch no thread but the caller's, and nothing that the caller could wait for: nobody else is looked at after.
SHORT = ("system_null", "clock_read")
# These say whether they have made another thread current.
SWITCHING = ("thread_yield",)
# Inlining the others would make the dispatch save registers that a short call does not need.
INLINED = ("system_null",)
# The calls with a fast path: each has a function of its own, and its handle is looked up in place.
FAST = ("message_call", "message_reply_receive")
CLASSES: dict[Kind, Any] = {
    Kind.PROCESS: Process,
    Kind.THREAD: Thread,
    Kind.ENDPOINT: Endpoint,
    Kind.REPLY: Reply,
    Kind.NOTIFICATION: Notification,
    Kind.INTERRUPT: Interrupt,
    Kind.DEVICE: Device,
    Kind.SCHEDULE: Schedule,
    Kind.QUOTA: Quota,
}
INDENT = "            "
HEAD = """def dispatch(frame: UserFrame) -> bool:
    try:
        match frame.number:
"""
TAIL = """            case _:
                raise BadSystemCall
    except Restart:
        frame.restart()
    except SystemCallError:
        frame.fail(U64(error_code()))
    return leave()
"""


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


def _argument(call: SystemCall, name: str, kind: Any, index: int) -> str:
    """The expression for one argument of a declared type."""
    register = f"frame.argument{index}"
    if name in call.needs:
        parameters = list(implementation_of(call).__annotations__.values())
        if parameters[index] == "Ptr[Capability]":
            return name
        return f"{name}.value.object.cast({CLASSES[call.needs[name].kind].__name__})"
    if getattr(kind, "__origin__", None) is UserPtr:
        return f"UserPtr.at({kind.__args__[0].__name__}, {register})"
    return register if kind is U64 else f"{kind.__name__}({register})"


def _checks(call: SystemCall) -> list[str]:
    """Refuse arguments that do not fit a narrow type, and handles that do not name what they must."""
    lines = []
    for index, (name, kind) in enumerate(call.parameters.items()):
        if kind in (U8, U16, U32):
            lines += [f"if frame.argument{index} > {kind.MAX}:", "    raise BadArgument"]
        if name in call.needs:
            needs = call.needs[name]
            rights = " | ".join(f"Rights.{right.name}" for right in needs.rights)
            lines.append(f"{name} = look_up(frame.argument{index}, Kind.{needs.kind.name}, {rights})")
    return lines


def branch(call: SystemCall) -> list[str]:
    """The lines of one case."""
    kinds = enumerate(call.parameters.items())
    arguments = ", ".join(_argument(call, name, kind, index) for index, (name, kind) in kinds)
    invocation = f"{call.name}({arguments})"
    if call.is_message:
        capability = next(iter(call.needs))
        body = [f"if {call.name}({capability}, frame):", "    return True", "leave()", "return True"]
    elif call.name in SWITCHING:
        body = ["frame.finish(U64(0))", f"if {call.name}():", "    return True"]
    elif call.result is U64:
        body = [f"frame.finish({invocation})"]
    else:
        body = [invocation, "frame.finish(U64(0))"]
    if call.name in SHORT:
        body.append("return False")
    return [f"        case {call.number}:", *(INDENT + line for line in (*_checks(call), *body))]


def dispatch_source() -> str:
    """The text of the dispatch function."""
    lines = [line for call in SYSTEM_CALLS if call.name not in FAST for line in branch(call)]
    return HEAD + "\n".join("    " + line for line in lines) + "\n" + TAIL


def fast_source(call: SystemCall) -> str:
    """The text of the function for one of the fast calls."""
    (name, needs), *_ = call.needs.items()
    rights = " | ".join(f"Rights.{right.name}" for right in needs.rights)
    lines = [f"def on_{call.name}(frame: UserFrame) -> bool:", "    try:"]
    lines.append(f"        {name} = look_up_here(frame.argument0, Kind.{needs.kind.name}, {rights})")
    lines += [f"        if {call.name}({name}, frame):", "            return True"]
    lines += ["    except SystemCallError:", "        frame.fail(U64(error_code()))", "    leave()", "    return True"]
    return "\n".join(lines) + "\n"


@inlined
def look_up_here(handle: U64, kind: Kind, rights: Rights) -> Ptr[Capability]:
    """What a handle of the caller's names. Raises BadHandle, WrongKind, Denied, PeerGone."""
    return lookup(PROCESSOR.current.value.process.value.table, handle, kind, rights)


@never_inlined
def look_up(handle: U64, kind: Kind, rights: Rights) -> Ptr[Capability]:
    """`look_up_here`, called."""
    return look_up_here(handle, kind, rights)


def _namespace() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": __name__, "UserFrame": trap.UserFrame}
    used = (UserPtr, U8, U16, U32, U64, Kind, Rights, BadArgument, BadSystemCall, SystemCallError, Restart)
    names |= {item.__name__: item for item in (*used, *CLASSES.values(), error_code, leave, look_up, look_up_here)}
    for call in SYSTEM_CALLS:
        implementation = implementation_of(call)
        if call.name not in INLINED and call.name not in FAST:
            never_inlined(implementation)
        # The compiler refuses an implementation that could raise anything else.
        implementation.__raises__ = (*call.raises, Restart)  # type: ignore[attr-defined]
        names[call.name] = implementation
    return names


_NAMES = _namespace()
_Entry = Callable[[trap.UserFrame], bool]
dispatch: _Entry = never_inlined(generate(dispatch_source(), "dispatch", _NAMES))
_fast = {call.name: call for call in SYSTEM_CALLS if call.name in FAST}
on_call: _Entry = never_inlined(fast(generate(fast_source(_fast["message_call"]), "on_message_call", _NAMES)))
on_reply_receive: _Entry = never_inlined(
    fast(generate(fast_source(_fast["message_reply_receive"]), "on_message_reply_receive", _NAMES))
)
CALL = _fast["message_call"].number
REPLY_RECEIVE = _fast["message_reply_receive"].number


@exported("kernel_system_call")
@fast
def system_call(frame: trap.UserFrame) -> bool:
    """Where the entry code goes: whether all registers must be loaded from the current thread's frame.

    What must cost next to nothing comes first, before registers are saved for all the rest.
    """
    number = frame.number
    if number == CALL:
        return on_call(frame)
    if number == REPLY_RECEIVE:
        return on_reply_receive(frame)
    if number == 0:
        frame.finish(system_null())
        return False
    return dispatch(frame)
