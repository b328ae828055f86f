"""What the first process finds: handles with all rights, generation 1, indices from 1; its priority."""

from __future__ import annotations

_FIRST_GENERATION = 1 << 32

PROCESS = _FIRST_GENERATION | 1
THREAD = _FIRST_GENERATION | 2
# All memory that the machine had left when the process was made.
QUOTA = _FIRST_GENERATION | 3
SCHEDULE = _FIRST_GENERATION | 4
POLICY = _FIRST_GENERATION | 5
AUDIT = _FIRST_GENERATION | 6
SPACE = _FIRST_GENERATION | 7
# The machine: all ports, device memory and interrupt lines that the kernel does not keep.
DEVICE = _FIRST_GENERATION | 8
# The boot bundle, as a memory object.
BUNDLE = _FIRST_GENERATION | 9

PRIORITY = 128
