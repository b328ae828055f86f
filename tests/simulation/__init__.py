"""The whole system on the simulated machine. Importing this decides where CPython's objects get their addresses."""

from __future__ import annotations

from cloudos.lang import current_address_space

# What is made while the kernel is imported is the kernel's, and must not lie where processes have something.
KERNEL_IMPORTS = 0xFFFF_A000_0000_0000
current_address_space().place_from(KERNEL_IMPORTS)
