"""How a system call is declared: what the decorator records, and what generators read of it.

The declarations themselves are in `cloudos/abi/system_calls.py`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cloudos.abi.errors import BadHandle, Denied, PeerGone, SystemCallError, WrongKind
from cloudos.abi.objects import Kind, Rights

F = TypeVar("F", bound=Callable[..., Any])
MAXIMUM_ARGUMENTS = 6


@dataclass(frozen=True)
class Needs:
    """What a handle argument must name, and allow: the dispatch checks it before the implementation is called."""

    kind: Kind
    rights: Rights


# What decoding a handle raises.
HANDLE_ERRORS = (BadHandle, WrongKind, Denied, PeerGone)


@dataclass(frozen=True)
class SystemCall:
    """One declaration, as read by the generators."""

    number: int
    function: Callable[..., Any]
    declared: tuple[type[SystemCallError], ...]
    # Eight words, tag, badge and reply handle travel in registers besides the arguments: see `cloudos.sdk.ipc`.
    is_message: bool = False

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def parameters(self) -> dict[str, Any]:
        """Name and type of each parameter, in order."""
        hints = typing.get_type_hints(self.function)
        return {name: hints[name] for name in inspect.signature(self.function).parameters}

    @property
    def needs(self) -> dict[str, Needs]:
        """What each handle parameter must name."""
        hints = typing.get_type_hints(self.function, include_extras=True)
        return {
            name: kind.__metadata__[0]
            for name, kind in hints.items()
            if typing.get_origin(kind) is Annotated and isinstance(kind.__metadata__[0], Needs)
        }

    @property
    def raises(self) -> tuple[type[SystemCallError], ...]:
        """The errors that the declaration lists, and those of decoding handles."""
        decoding = HANDLE_ERRORS if self.needs else ()
        return tuple(dict.fromkeys((*self.declared, *decoding)))

    @property
    def result(self) -> Any:
        """Type of the value returned: U64, NoneType or NoReturn."""
        return typing.get_type_hints(self.function)["return"]


SYSTEM_CALLS: list[SystemCall] = []


def system_call(
    *, number: int, raises: tuple[type[SystemCallError], ...] = (), message: bool = False
) -> Callable[[F], F]:
    """Declare the decorated function a system call."""

    def declare(function: F) -> F:
        call = SystemCall(number, function, raises, message)
        if number != len(SYSTEM_CALLS):
            raise ValueError(f"{call.name}: system calls are numbered without gaps, expected {len(SYSTEM_CALLS)}")
        if len(inspect.signature(function).parameters) > MAXIMUM_ARGUMENTS:
            raise ValueError(f"{call.name}: at most {MAXIMUM_ARGUMENTS} arguments travel in registers")
        SYSTEM_CALLS.append(call)
        return function

    return declare
