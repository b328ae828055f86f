"""Bugs to plant in the kernel of a run: whether the simulation finds them is the test of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.abi.errors import BadHandle
from tests.simulation.kernel import kernel_module

CAPABILITIES = kernel_module("security.capabilities")
CLEANUP = kernel_module("objects.cleanup")
SCHEDULER = kernel_module("sched.scheduler")
TABLES = kernel_module("hal.simulated.mmu").PageTable
Function = Callable[..., Any]


def nothing(*_: Any) -> None:
    """What should have been done is not."""


def sometimes(count: int, original: Function) -> Function:
    """Each so manieth call does nothing."""
    calls = 0

    def planted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        return None if calls % count == 0 else original(*arguments)

    return planted


def without_generation(_: Function) -> Function:
    """A handle names whatever is in its slot."""

    def check(capability: Any, object: Any, handle: Any) -> None:
        if handle & CAPABILITIES.INDEX_MASK == 0 or object.is_null():
            raise BadHandle

    return check


def leaving_one(original: Function) -> Function:
    """A revoke is done when one child is left."""

    def revoke_step(capability: Any) -> bool:
        child = capability.value.child
        return child.is_null() or child == capability.value.last or bool(original(capability))

    return revoke_step


BUGS: dict[str, tuple[Any, str, Callable[[Function], Function]]] = {
    "a missed wake-up": (SCHEDULER, "wake", lambda original: sometimes(50, original)),
    "a skipped generation check": (CAPABILITIES, "_check", without_generation),
    "a lost reference count": (CLEANUP, "retain", lambda original: sometimes(50, original)),
    "a revoke that skips one child": (CAPABILITIES, "revoke_step", leaving_one),
    "a stale translation": (TABLES, "invalidate", lambda original: sometimes(20, original)),
}


def plant(name: str) -> Callable[[], None]:
    """What puts a bug into the kernel of this process."""
    owner, attribute, make = BUGS[name]
    return lambda: setattr(owner, attribute, make(getattr(owner, attribute)))
