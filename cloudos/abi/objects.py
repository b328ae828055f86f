"""Kinds of objects, the rights that a capability can carry, and the classes of operations that policy knows.

All are part of the binary interface: a number is never given another meaning.
"""

from __future__ import annotations

from cloudos.lang import U8, U32, IntEnum, IntFlag, enum


@enum(U8)
class Kind(IntEnum):
    """What a handle can name."""

    NONE = 0
    PROCESS = 1
    THREAD = 2
    ENDPOINT = 3
    REPLY = 4
    NOTIFICATION = 5
    MEMORY = 6
    SPACE = 7
    INTERRUPT = 8
    DEVICE = 9
    SCHEDULE = 10
    QUOTA = 11
    POLICY = 12
    AUDIT = 13
    CONSOLE = 14


KINDS = 15


@enum(U32)
class Rights(IntFlag):
    """What may be done through a handle. Each operation's declaration says which it needs."""

    # Make a weaker copy.
    DERIVE = 1
    # Hand it to another process.
    TRANSFER = 2
    # Take back everything that was derived from it.
    REVOKE = 4
    INSPECT = 8
    READ = 16
    WRITE = 32
    EXECUTE = 64
    SEND = 128
    RECEIVE = 256
    SIGNAL = 512
    WAIT = 1024
    CONTROL = 2048
    # Spend a quota.
    ALLOCATE = 4096
    MAP = 8192
    # Send handles along with a message.
    GRANT = 16384


ALL_RIGHTS_BITS = 32767
DERIVED = 1 << 40  # in what handle_inspect gives: a handle that was derived from this one exists
ALL_RIGHTS = Rights(ALL_RIGHTS_BITS)


@enum(U8)
class Operation(IntFlag):
    """Classes of operations between two processes, as the policy matrix allows or denies them."""

    TRANSFER = 1
    CALL = 2
    SIGNAL = 4
    SHARE = 8
    CONTROL = 16
    INSPECT = 32


ALL_OPERATIONS = 63

# In what process_create is given as the label: from this bit on, how many frames of handles the process may hold.
LABEL_BITS = 8
HANDLES_IN_FRAME = 63
MOST_HANDLE_FRAMES = 512

# Kinds of memory objects: when the quota pays for their pages, and where the pages are.
# Each page when it is first touched.
MEMORY_ON_DEMAND = 0
# All pages at once, so that touching them cannot fail for that; 2 MB at a time where that fits.
MEMORY_PAID = 1
# All pages at once, one after the other in physical memory, for devices.
MEMORY_CONTIGUOUS = 2
# Added to one of these 1 + n times: memory of node n, as long as that has any. Otherwise pages are near the processor
# that touches them first.
MEMORY_NODE = 256


@enum(U8)
class Event(IntEnum):
    """What an audit record reports."""

    NONE = 0
    # The policy matrix refused an operation.
    DENIED = 1
    POLICY_LOADED = 2
    POLICY_SEALED = 3
    PROCESS_CREATED = 4
    PROCESS_ENDED = 5
    PROCESS_FAULTED = 6
    # A system call that needs a capability, or a right of one, which the caller does not have.
    REFUSED = 7
