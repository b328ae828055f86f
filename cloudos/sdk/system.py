"""The system calls as a program sees them: one function per declaration of `cloudos.abi.system_calls`.

The stubs are made from the declarations. Each puts number and arguments into registers, enters the kernel and turns
the error that comes back into the declared exception. Under CPython the entry is a model: `cloudos.sdk.models`
answers the call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from cloudos.abi import system_calls
from cloudos.abi.errors import SystemCallError
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.lang import U64, Template, UserPtr, generate, machine, unreachable
from cloudos.sdk import models

F = TypeVar("F", bound=Callable[..., Any])

_X86_64_LOST = ("rcx", "r11", "memory", "cc")
_AARCH64_LOST = (*(f"x{index}" for index in range(2, 9)), "memory", "cc")


def _aarch64(arguments: int) -> Template:
    return Template(
        "svc #0",
        results=("={x0}", "={x1}"),
        inputs={"number": "{x8}", **{f"a{index}": f"{{x{index}}}" for index in range(arguments)}},
        clobbers=_AARCH64_LOST,
    )


def _x86_64(arguments: int) -> Template:
    """The kernel may change the registers of the arguments, as it does when it goes on with an interrupted call: they
    are filled through moves, because an input cannot be declared lost."""
    registers = dict(zip(("a0", "a1", "a3", "a4", "a5"), ("rdi", "rsi", "r10", "r8", "r9"), strict=True))
    names = [f"a{index}" for index in range(arguments)]
    moved = {name: register for name, register in registers.items() if name in names}
    moves = "".join(f"movq %[{name}], %%{register}; " for name, register in moved.items())
    inputs = {"number": "a", **{name: "r" if name in moved else "d" for name in names}}
    return Template(moves + "syscall", results=("=a", "=d"), inputs=inputs, clobbers=(*moved.values(), *_X86_64_LOST))


@machine(x86_64=_x86_64(0), aarch64=_aarch64(0))
def _enter0(number: U64) -> tuple[U64, U64]:
    return _model(number, [])


@machine(x86_64=_x86_64(1), aarch64=_aarch64(1))
def _enter1(number: U64, a0: U64) -> tuple[U64, U64]:
    return _model(number, [a0])


@machine(x86_64=_x86_64(2), aarch64=_aarch64(2))
def _enter2(number: U64, a0: U64, a1: U64) -> tuple[U64, U64]:
    return _model(number, [a0, a1])


@machine(x86_64=_x86_64(3), aarch64=_aarch64(3))
def _enter3(number: U64, a0: U64, a1: U64, a2: U64) -> tuple[U64, U64]:
    return _model(number, [a0, a1, a2])


@machine(x86_64=_x86_64(4), aarch64=_aarch64(4))
def _enter4(number: U64, a0: U64, a1: U64, a2: U64, a3: U64) -> tuple[U64, U64]:
    return _model(number, [a0, a1, a2, a3])


@machine(x86_64=_x86_64(5), aarch64=_aarch64(5))
def _enter5(number: U64, a0: U64, a1: U64, a2: U64, a3: U64, a4: U64) -> tuple[U64, U64]:
    return _model(number, [a0, a1, a2, a3, a4])


@machine(x86_64=_x86_64(6), aarch64=_aarch64(6))
def _enter6(number: U64, a0: U64, a1: U64, a2: U64, a3: U64, a4: U64, a5: U64) -> tuple[U64, U64]:
    return _model(number, [a0, a1, a2, a3, a4, a5])


@machine(
    x86_64=_x86_64(6),
    aarch64=_aarch64(6),
)
def enter(number: U64, a0: U64, a1: U64, a2: U64, a3: U64, a4: U64, a5: U64) -> tuple[U64, U64]:
    """Any system call, as raw registers: error number and value. For tests; programs call the functions below."""
    if number >= len(SYSTEM_CALLS):
        return U64(6), U64(0)
    return _model(number, [a0, a1, a2, a3, a4, a5][: len(SYSTEM_CALLS[int(number)].parameters)])


def _model(number: U64, registers: list[U64]) -> tuple[U64, U64]:
    """What the kernel does, under CPython."""
    call = SYSTEM_CALLS[int(number)]
    kinds = call.parameters.values()
    arguments = [_from_register(kind, value) for kind, value in zip(kinds, registers, strict=True)]
    try:
        value = getattr(models.current(), call.name)(*arguments)
    except SystemCallError as error:
        return U64(error.code), U64(0)
    return U64(0), U64(0) if value is None else value


def _from_register(kind: Any, value: U64) -> Any:
    if getattr(kind, "__origin__", None) is UserPtr:
        return UserPtr.at(kind.__args__[0], value)
    return kind(value)


def _to_register(name: str, kind: Any) -> str:
    if getattr(kind, "__origin__", None) is UserPtr:
        return f"{name}.address"
    return name if kind is U64 else f"U64({name})"


def stub_source(call: SystemCall) -> str:
    """The text of one stub."""
    parameters = ", ".join(f"{name}: {_type_text(kind)}" for name, kind in call.parameters.items())
    arguments = "".join(", " + _to_register(name, kind) for name, kind in call.parameters.items())
    lines = [
        f"def {call.name}({parameters}) -> {_type_text(call.result)}:",
        f"    error, value = _enter{len(call.parameters)}(U64({call.number}){arguments})",
    ]
    for error in call.raises:
        lines += [f"    if error == {error.code}:", f"        raise {error.__name__}"]
    if call.result is NoReturn:
        lines.append("    unreachable()")
    else:
        lines.append(f'    assert error == 0, "{call.name} failed in a way that it does not declare"')
    if call.result is U64:
        lines.append("    return value")
    return "\n".join(lines) + "\n"


def _type_text(kind: Any) -> str:
    if getattr(kind, "__origin__", None) is UserPtr:
        return f"UserPtr[{kind.__args__[0].__name__}]"
    return "None" if kind is type(None) else str(kind.__name__)


def _stub(declaration: F) -> F:
    """The function that a program calls for a declared system call, with the declaration's type and text."""
    call = next(call for call in SYSTEM_CALLS if call.function is declaration)
    namespace = {**globals(), **vars(system_calls), "unreachable": unreachable}
    stub = generate(stub_source(call), call.name, namespace)
    stub.__doc__ = declaration.__doc__
    stub.__module__ = __name__
    return stub  # type: ignore[no-any-return]


system_null = _stub(system_calls.system_null)
process_exit = _stub(system_calls.process_exit)
process_panic = _stub(system_calls.process_panic)
console_write = _stub(system_calls.console_write)
console_read = _stub(system_calls.console_read)
memory_map = _stub(system_calls.memory_map)
memory_unmap = _stub(system_calls.memory_unmap)
clock_read = _stub(system_calls.clock_read)
thread_sleep = _stub(system_calls.thread_sleep)
thread_yield = _stub(system_calls.thread_yield)
thread_exit = _stub(system_calls.thread_exit)
thread_create = _stub(system_calls.thread_create)
thread_start = _stub(system_calls.thread_start)
thread_suspend = _stub(system_calls.thread_suspend)
thread_kill = _stub(system_calls.thread_kill)
thread_read_registers = _stub(system_calls.thread_read_registers)
thread_write_registers = _stub(system_calls.thread_write_registers)
thread_set_buffer = _stub(system_calls.thread_set_buffer)
thread_bind = _stub(system_calls.thread_bind)
process_create = _stub(system_calls.process_create)
process_space = _stub(system_calls.process_space)
process_install = _stub(system_calls.process_install)
process_kill = _stub(system_calls.process_kill)
process_inspect = _stub(system_calls.process_inspect)
process_set_fault_endpoint = _stub(system_calls.process_set_fault_endpoint)
endpoint_create = _stub(system_calls.endpoint_create)
notification_create = _stub(system_calls.notification_create)
notification_signal = _stub(system_calls.notification_signal)
notification_wait = _stub(system_calls.notification_wait)
schedule_create = _stub(system_calls.schedule_create)
schedule_change = _stub(system_calls.schedule_change)
schedule_place = _stub(system_calls.schedule_place)
handle_derive = _stub(system_calls.handle_derive)
handle_close = _stub(system_calls.handle_close)
handle_revoke = _stub(system_calls.handle_revoke)
handle_inspect = _stub(system_calls.handle_inspect)
quota_create = _stub(system_calls.quota_create)
quota_inspect = _stub(system_calls.quota_inspect)
policy_load = _stub(system_calls.policy_load)
policy_seal = _stub(system_calls.policy_seal)
audit_read = _stub(system_calls.audit_read)
memory_create = _stub(system_calls.memory_create)
memory_create_paged = _stub(system_calls.memory_create_paged)
memory_clone = _stub(system_calls.memory_clone)
memory_supply = _stub(system_calls.memory_supply)
memory_discard = _stub(system_calls.memory_discard)
memory_inspect = _stub(system_calls.memory_inspect)
space_map = _stub(system_calls.space_map)
space_unmap = _stub(system_calls.space_unmap)
space_protect = _stub(system_calls.space_protect)
process_bind = _stub(system_calls.process_bind)
device_create = _stub(system_calls.device_create)
device_reset = _stub(system_calls.device_reset)
device_read = _stub(system_calls.device_read)
device_write = _stub(system_calls.device_write)
interrupt_create = _stub(system_calls.interrupt_create)
interrupt_bind = _stub(system_calls.interrupt_bind)
interrupt_acknowledge = _stub(system_calls.interrupt_acknowledge)
device_memory = _stub(system_calls.device_memory)
process_hand_over = _stub(system_calls.process_hand_over)
