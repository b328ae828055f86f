"""The kernel built for the simulated machine, in modules of its own.

Import is build time, and other tests of the same process may have imported the kernel for another architecture. So its
modules are imported here a second time, with CLOUDOS_ARCHITECTURE set, and taken out of `sys.modules` again: they know
each other through their own imports. Tests get everything of the kernel from here.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["KERNEL", "MODULES", "board", "kernel_module", "machine", "report", "trap", "user"]

PACKAGE = "cloudos.kernel"
VARIABLE = "CLOUDOS_ARCHITECTURE"
SIMULATED = f"{PACKAGE}.hal.simulated"


def _is_kernel(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def _import_apart(*names: str) -> dict[str, ModuleType]:
    """The kernel's modules after importing these, built for the simulated machine."""
    import cloudos

    others = {name: module for name, module in sys.modules.items() if _is_kernel(name)}
    attribute = getattr(cloudos, "kernel", None)
    before = os.environ.get(VARIABLE)
    for name in others:
        del sys.modules[name]
    os.environ[VARIABLE] = "simulated"
    try:
        for name in names:
            importlib.import_module(name)
        return {name: sys.modules.pop(name) for name in list(sys.modules) if _is_kernel(name)}
    finally:
        sys.modules.update(others)
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
        if attribute is not None:
            cloudos.kernel = attribute  # type: ignore[attr-defined]


if TYPE_CHECKING:
    from cloudos.kernel.hal.simulated import board, machine, report, trap, user

    MODULES: dict[str, ModuleType] = {}
else:
    MODULES = _import_apart(f"{PACKAGE}.image", f"{SIMULATED}.machine")
    board, machine, report, trap, user = (
        MODULES[f"{SIMULATED}.{name}"] for name in ("board", "machine", "report", "trap", "user")
    )


def kernel_module(name: str) -> Any:
    """A module of the kernel that the simulated machine runs: `kernel_module("memory.frames")`."""
    return MODULES[f"{PACKAGE}.{name}"]


KERNEL: machine.Kernel = machine.Kernel(kernel_module("image").IMAGE, MODULES.values())
