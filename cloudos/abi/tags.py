"""The tag of a message: what it consists of, and a label that the sender chooses.

Bits 0 to 3: how many of the eight words mean something (all eight travel always). 4 to 6: number of handles. 7 to 19:
bytes in the message buffer. 20: the buffer holds a deadline. 24: the kernel itself sent it. 32 to 63: the label.
"""

from __future__ import annotations

WORDS = 8
MAXIMUM_HANDLES = 4
MAXIMUM_BYTES = 4032
HANDLES_SHIFT = 4
HANDLES_MASK = 7
BYTES_SHIFT = 7
BYTES_MASK = 0x1FFF
DEADLINE = 1 << 20
FROM_KERNEL = 1 << 24
LABEL_SHIFT = 32
# More than words.
SLOW = 0xFFFF_FFF0
CARRIES_HANDLES = HANDLES_MASK << HANDLES_SHIFT
# What no program may set.
RESERVED = 0xFFE0_0000
# A receive has nothing but a deadline.
RECEIVE = DEADLINE

# Labels of the kernel's messages.
LABEL_SIGNALS = 1
LABEL_FAULT = 2
# To a pager. Word 0: offset in the memory object, in bytes.
LABEL_PAGE = 3
SIGNALS_TAG = LABEL_SIGNALS << LABEL_SHIFT | FROM_KERNEL | 1
FAULT_TAG = LABEL_FAULT << LABEL_SHIFT | FROM_KERNEL | 4
PAGE_TAG = LABEL_PAGE << LABEL_SHIFT | FROM_KERNEL | 1

# Labels of the reply to a fault, or to a pager's request.
FAULT_RESUME = 0
# Words 0 and 1: the instruction pointer and the stack pointer to go on with. A pager can only let it resume.
FAULT_REPAIR = 1
FAULT_KILL = 2
