"""The kernel of the simulated machine and what is known of its structures, for everything here.

What is made while the kernel is imported gets an address: none where processes have something. So this comes before
anything else of `tests.sim`, which is imported from here only. Nothing that shares a Python process with other tests
may import it.
"""

from __future__ import annotations

from cloudos.lang import current_address_space

KERNEL_IMPORTS = 0xFFFF_A000_0000_0000
current_address_space().place_from(KERNEL_IMPORTS)

from tests.sim.accounting import FRAMES, HEAP, check_frames  # noqa: E402
from tests.sim.invariants import check  # noqa: E402
from tests.sim.inventory import PENDING, PROCESSOR, Inventory  # noqa: E402
from tests.sim.world import KERNEL, board, kernel_module, machine, trap, user  # noqa: E402

__all__ = [
    "FRAMES",
    "HEAP",
    "KERNEL",
    "PENDING",
    "PROCESSOR",
    "Inventory",
    "board",
    "check",
    "check_frames",
    "kernel_module",
    "machine",
    "trap",
    "user",
]
