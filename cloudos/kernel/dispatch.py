"""The dispatch of system calls, made from their declarations.

A table says for each call what its handles must name, and one piece of code looks them up for all calls, before the
branch of the call: other arguments are converted from registers to their declared types, and the implementation, which
is inlined, runs. An implementation that could raise anything but what the declaration lists does not compile, and none
can be reached without the check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.abi import tags
from cloudos.abi.errors import BadArgument, BadHandle, BadSystemCall, Denied, SystemCallError, WrongKind
from cloudos.abi.objects import Event, Kind, Rights
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.kernel.hal import processors, trap
from cloudos.kernel.memory.structures import Memory, Space
from cloudos.kernel.microkernel import leave
from cloudos.kernel.objects import (
    clock,
    console,
    devices,
    handles,
    memories,
    message,
    notifications,
    processes,
    spaces,
    threads,
)
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
from cloudos.kernel.sched import scheduler
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.sched.requests import bring, bring_far, is_alone
from cloudos.kernel.security import audit
from cloudos.kernel.security.capabilities import lookup, names_now
from cloudos.lang import (
    U8,
    U16,
    U32,
    U64,
    Error,
    Ptr,
    UserPtr,
    data,
    error_code,
    exported,
    fast,
    generate,
    inlined,
    never_inlined,
    null,
    often,
)

IMPLEMENTED_BY = (processes, threads, notifications, handles, message, console, memories, spaces, clock, devices)
# This touches no thread but the caller's, and nothing that the caller could wait for: nobody else is looked at after.
SHORT = "clock_read"
# The calls with a fast path, which comes before the dispatch: see `on_message`.
FAST = ("message_call", "message_reply_receive")
# What needs fewer registers saved than all the others together.
APART = ("system_null", "thread_yield")
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
    Kind.MEMORY: Memory,
    Kind.SPACE: Space,
}
assert (Denied.code, BadHandle.code, WrongKind.code, Restart.code) == (5, 7, 8, 255), "as `refuse` has them"
INDENT = "            "
HEAD = """def dispatch(frame: UserFrame) -> bool:
    number = frame.number
    if processors.are_several() and is_gone(frame):
        return leave()
    try:
        if number >= COUNT:
            raise BadSystemCall
        first = look_up_needed(frame.argument0, NEEDS[number * 2])
        second = look_up_needed(frame.argument1, NEEDS[number * 2 + 1])
        value = U64(0)
        match number:
"""
TAIL = """            case _:
                raise BadSystemCall
        frame.finish(value)
    except Error:
        return refuse(frame, number, U64(error_code()))
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


def need_of(call: SystemCall, name: str) -> int:
    """What a parameter must name, in 8 bits: the kind of the object, and the number of the right; 0 for no handle.

    Raises ValueError for a handle that needs more than one right.
    """
    if name not in call.needs:
        return 0
    rights = list(call.needs[name].rights)
    if len(rights) != 1:
        raise ValueError(f"{call.name}: '{name}' needs exactly one right")
    return int(call.needs[name].kind) | (int(rights[0]).bit_length() - 1) << 4


def needs_of(call: SystemCall) -> list[int]:
    """What the first two parameters must name. Raises ValueError for a handle that stands further on."""
    names = list(call.parameters)
    if any(name in call.needs for name in names[2:]):
        raise ValueError(f"{call.name}: handles come first, and are two at most")
    return [need_of(call, name) for name in (*names, "", "")[:2]]


def _argument(call: SystemCall, name: str, kind: Any, index: int) -> str:
    """The expression for one argument of a declared type."""
    register = f"frame.argument{index}"
    if name in call.needs:
        parameters = list(implementation_of(call).__annotations__.values())
        found = ("first", "second")[index]
        if parameters[index] == "Ptr[Capability]":
            return found
        return f"{found}.value.object.cast({CLASSES[call.needs[name].kind].__name__})"
    if getattr(kind, "__origin__", None) is UserPtr:
        return f"UserPtr.at({kind.__args__[0].__name__}, {register})"
    return register if kind is U64 else f"{kind.__name__}({register})"


def _checks(call: SystemCall) -> list[str]:
    """Refuse arguments that do not fit a narrow type."""
    lines = []
    for index, kind in enumerate(call.parameters.values()):
        if kind in (U8, U16, U32):
            lines += [f"if frame.argument{index} > {kind.MAX}:", "    raise BadArgument"]
    return lines


def branch(call: SystemCall) -> list[str]:
    """The lines of one case."""
    kinds = enumerate(call.parameters.items())
    arguments = ", ".join(_argument(call, name, kind, index) for index, (name, kind) in kinds)
    invocation = f"{call.name}({arguments})"
    if call.is_message:
        body = [f"{call.name}(first, frame)", "leave()", "return True"]
    elif call.name == SHORT:
        body = [f"frame.finish({invocation})", "return False"]
    else:
        body = [f"value = {invocation}" if call.result is U64 else invocation]
    return [f"        case {call.number}:", *(INDENT + line for line in (*_checks(call), *body))]


def dispatch_source() -> str:
    """The text of the dispatch function."""
    lines = [line for call in SYSTEM_CALLS if call.name not in APART for line in branch(call)]
    # Named, so that the branch covers all numbers below COUNT and need not be guarded again.
    apart = " | ".join(str(call.number) for call in SYSTEM_CALLS if call.name in APART)
    lines += [f"        case {apart}:", f"{INDENT}raise BadSystemCall"]
    return HEAD + "\n".join("    " + line for line in lines) + "\n" + TAIL


@inlined
def look_up_here(handle: U64, kind: Kind, rights: Rights) -> Ptr[Capability]:
    """What a handle of the caller's names. Raises BadHandle, WrongKind, Denied, PeerGone."""
    return lookup(PROCESSOR.current.value.process.value.table, handle, kind, rights)


@never_inlined
def look_up_needed(handle: U64, need: U8) -> Ptr[Capability]:
    """What a handle of the caller's names, see `need_of`; null where none is needed. Raises as `look_up_here` does, and
    Restart.

    The caller's other threads may change the table meanwhile. But what names an object that belongs to this processor
    is taken away by nobody else while it is in the kernel: then all that was found is true from its entry on. A handle
    of a reply may be used by others at any time: it is looked at again (`message._reply`).
    """
    none: Ptr[Capability] = null()
    if need == 0:
        return none
    found = look_up_here(handle, Kind(need & 15), Rights(U32(1) << U32(need >> 4)))
    object = names_now(found)
    if object.is_null() or not bring(object.value):
        raise Restart
    return found


@never_inlined
def refuse(frame: trap.UserFrame, number: U64, error: U64) -> bool:
    """The call failed, or is to be made again; see `leave`.

    What failed for want of a capability, or of a right of it, is put on record. If that or the table of handles belongs
    to another processor, or the call touches what does, or needs to be alone, it is dispatched again: see `Restart`.
    """
    match error:
        case 5 | 7 | 8 | 255:  # Denied, BadHandle, WrongKind, Restart
            is_told = error != Restart.code
            # Other threads of the process may have changed what was looked at, unless its table is here.
            caller = PROCESSOR.current.value.process.value
            if not is_alone() and not (is_told and bring_far(caller.header) and audit.bring()):
                scheduler.reach(Ptr.to(frame), reason_of(frame))
                return dispatch(frame)
            if not is_told:
                frame.restart()
                return leave()
            detail = (frame.argument0 & 0xFFFF_FFFF) << 32 | error << 8 | number
            audit.record(Event.REFUSED, caller.table, audit.NOBODY, detail)
        case _:
            pass
    frame.fail(error)
    return leave()


@inlined
def reason_of(frame: trap.UserFrame) -> U64:
    """Why a processor is alone in the kernel, see `counters.py`."""
    return min(frame.number, U64(len(SYSTEM_CALLS)))


@never_inlined
def is_gone(frame: trap.UserFrame) -> bool:
    """Be alone in the kernel, if the call is not tried without that. Whether the thread was taken from this processor
    meanwhile."""
    if not processors.is_home():
        # It is made again, perhaps.
        return PROCESSOR.current.is_null()
    if is_tried(frame.number):
        return False
    scheduler.exclude(Ptr.to(frame), reason_of(frame))
    return PROCESSOR.current.is_null()


@inlined
def is_tried(number: U64) -> bool:
    """Whether a call may touch only what belongs to this processor. Then it makes sure of that, or raises Restart."""
    place = number.wrapping_sub(FIRST_TRIED)
    return place < 32 and U32(TRIED).bit(U32.truncate(place))


@never_inlined
def on_yield(frame: trap.UserFrame) -> bool:
    """The system call `thread_yield`, which says itself whether it has made another thread current."""
    frame.finish(U64(0))
    if threads.thread_yield():
        return True
    return leave()


def _namespace() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": __name__, "UserFrame": trap.UserFrame, "load_all": trap.load_all}
    used = (UserPtr, U8, U16, U32, U64, Kind, Rights, BadArgument, BadSystemCall, SystemCallError, Error)
    names |= {
        item.__name__: item
        for item in (*used, *CLASSES.values(), error_code, leave, look_up_needed, look_up_here, refuse, is_gone)
    }
    names |= {"NEEDS": NEEDS, "COUNT": len(SYSTEM_CALLS), "processors": processors}
    for call in SYSTEM_CALLS:
        implementation = implementation_of(call)
        # The compiler refuses an implementation that could raise anything else.
        implementation.__raises__ = (*call.raises, Restart)  # type: ignore[attr-defined]
        names[call.name] = implementation
    return names


# Two bytes for each call.
NEEDS = data(bytes(need for call in SYSTEM_CALLS for need in needs_of(call)))
CALL, SEND, RECEIVE, REPLY, REPLY_RECEIVE = (call.number for call in SYSTEM_CALLS if call.is_message)
YIELD = next(call.number for call in SYSTEM_CALLS if call.name == "thread_yield")
# The calls that are tried without being alone in the kernel: the first, and a bit for each from there on.
AT_HOME = (SHORT, "thread_sleep", "notification_signal", "notification_wait")
_TRIED = [call.number for call in SYSTEM_CALLS if call.is_message or call.name in AT_HOME]
FIRST_TRIED = min(_TRIED)
TRIED = sum(1 << (number - FIRST_TRIED) for number in _TRIED)
_NAMES = _namespace()
_Entry = Callable[[trap.UserFrame], bool]
dispatch: _Entry = often(never_inlined(generate(dispatch_source(), "dispatch", _NAMES)))
_NAMES["dispatch"] = dispatch


@never_inlined
@fast
def on_message(frame: trap.UserFrame) -> bool:
    """The system calls `message_call` and `message_reply_receive`, with a tag of words alone: all but the fast path is
    the dispatch's."""
    is_call = frame.number == CALL
    try:
        endpoint = look_up_here(frame.argument0, Kind.ENDPOINT, Rights.SEND if is_call else Rights.RECEIVE)
        if is_call:
            if message.fast_call(endpoint, frame):
                return trap.load_all()
        elif message.fast_reply_receive(endpoint, frame):
            return trap.load_all()
    except SystemCallError:
        pass
    return dispatch(frame)


@never_inlined
@fast
def other_call(frame: trap.UserFrame) -> bool:
    """Every call but `system_null`. What must cost little comes first, before registers are saved for the rest."""
    number = frame.number
    is_other = number != CALL and number != REPLY_RECEIVE
    if not is_other and U32.truncate(frame.argument1) <= tags.WORDS:
        return on_message(frame)
    if number == YIELD:
        return on_yield(frame)
    return dispatch(frame)


@exported("kernel_system_call")
@fast
def system_call(frame: trap.UserFrame) -> bool:
    """Where the entry code goes: whether all registers must be loaded from the current thread's frame."""
    if frame.number == 0:
        frame.finish(system_null())
        return False
    everything = other_call(frame)
    scheduler.leaving()
    return everything
