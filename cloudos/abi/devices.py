"""What a handle to a device gives access to, and how a line interrupts."""

from __future__ import annotations

# Resources: what the numbers of a device count. The machine is all of all kinds, but what the kernel keeps for itself.
MACHINE = 0
# I/O ports, 0 to 65,535.
PORTS = 1
# Bytes of physical addresses where there is none of the machine's memory: whole pages of 4096.
MEMORY = 2
# Inputs of the interrupt controllers.
LINES = 3

# Flags of a line. Without LEVEL it interrupts when its signal begins, with it as long as the signal lasts; LOW says
# that a low voltage is the signal.
LEVEL = 1
LOW = 2
