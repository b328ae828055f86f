"""The machine that this kernel is built for.

Generic code imports `console, cpu, interrupts, mmu, platform, power, processors, timer, trap` from here and never
names an architecture. Import is build time: CLOUDOS_ARCHITECTURE chooses, and x86_64 is what type checkers look at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

ARCHITECTURE = os.environ.get("CLOUDOS_ARCHITECTURE", "x86_64")

if TYPE_CHECKING or ARCHITECTURE == "x86_64":
    from cloudos.kernel.hal.x86_64 import (
        console,
        cpu,
        image,
        interrupts,
        mmu,
        platform,
        power,
        processors,
        timer,
        trap,
        user_access,
    )
elif ARCHITECTURE == "aarch64":
    from cloudos.kernel.hal.aarch64 import (
        console,
        cpu,
        image,
        interrupts,
        mmu,
        platform,
        power,
        processors,
        timer,
        trap,
        user_access,
    )
elif ARCHITECTURE == "simulated":
    from cloudos.kernel.hal.simulated import (
        console,
        cpu,
        image,
        interrupts,
        mmu,
        platform,
        power,
        processors,
        timer,
        trap,
        user_access,
    )
else:
    raise ImportError(f"CLOUDOS_ARCHITECTURE={ARCHITECTURE}: there is no kernel for it yet")

__all__ = [
    "ARCHITECTURE",
    "console",
    "cpu",
    "image",
    "interrupts",
    "mmu",
    "platform",
    "power",
    "processors",
    "timer",
    "trap",
    "user_access",
]
