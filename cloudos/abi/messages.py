"""The message buffer: what a message carries besides tag and words lies in this page of the thread's."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U32, U64, Array, struct

NEVER = 0xFFFF_FFFF_FFFF_FFFF


@struct
class MessageBuffer:
    """Mapped for the thread by thread_set_buffer."""

    # Absolute, in nanoseconds, where the tag says so.
    deadline: U64
    # To send, and after a receive those that came.
    handles: Array[U64, Literal[4]]
    # Bit n: handle n is moved instead of copied.
    moves: U32
    unused: Array[U32, Literal[5]]
    data: Array[U8, Literal[4032]]
