"""There is no image: `machine.Simulation` links the kernel's exported functions itself."""

from __future__ import annotations

from cloudos.lang import Assembly

ENTRY_SYMBOL = "kernel_main"
ASSEMBLIES: tuple[Assembly, ...] = ()
LINKER_SCRIPT = ""
