"""How the parts of a contract's message get into the message buffer of the thread and out of it.

For the code that `cloudos.sdk.contract` and `cloudos.sdk.service` generate. A process has one such buffer: contracts
are for its first thread.
"""

from __future__ import annotations

from typing import TypeVar

from cloudos.abi import layout, tags
from cloudos.abi.errors import BadHandle
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import DERIVED
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.errors import BadMessage
from cloudos.lang import U8, U32, U64, Ptr, Slice, VirtAddr, place, struct
from cloudos.sdk import ipc, system
from cloudos.sdk.ipc import Message

T = TypeVar("T")

LONGEST = tags.MAXIMUM_BYTES
CALL = next(call.number for call in SYSTEM_CALLS if call.name == "message_call")
SEND = next(call.number for call in SYSTEM_CALLS if call.name == "message_send")
# What an answer's tag says about success: the label, and how many handles there are.
OUTCOME = 0xFFFF_FFFF << tags.LABEL_SHIFT | tags.HANDLES_MASK << tags.HANDLES_SHIFT
# Bytes and handles of a message.
CARGO = tags.BYTES_MASK << tags.BYTES_SHIFT | tags.HANDLES_MASK << tags.HANDLES_SHIFT
GONE = 300
DROPPED = 315
# BadHandle, WrongKind, PeerGone: there is nobody, and will not be.
NOBODY = (7, 8, 12)
NO_ROOM = 9
DENIED = 5


@struct
class Attached:
    """Where the thread's message buffer is, 0 while there is none; and how long calls wait, 0 for ever."""

    address: U64 = U64(0)
    # Nanoseconds. A service that calls whom its clients name sets this, so that none of them can hold it up.
    patience: U64 = U64(0)


ATTACHED = place(Attached())
# The message of the client: to make a new one for each call would be a third of the call.
REQUEST = place(Message())


def attach() -> None:
    """Ask the kernel for the message buffer of the first thread. Raises what thread_set_buffer does."""
    system.thread_set_buffer(U64(layout.MESSAGE_BUFFER))
    ATTACHED.address = U64(layout.MESSAGE_BUFFER)


def buffer() -> MessageBuffer:
    """The message buffer; panics when there is none."""
    return Ptr.at(MessageBuffer, VirtAddr(ATTACHED.address)).value


def bytes_of(value: T, size: U64) -> Slice[U8]:
    """The bytes of a struct of this size."""
    return Slice.of(Ptr.to(value).cast(U8), size)


def put(used: U64, data: Slice[U8]) -> U64:
    """Add bytes to those that travel; how many those are now. Raises BadMessage when there are too many."""
    if data.length > U64(LONGEST) - used:
        raise BadMessage
    stop = used + data.length
    buffer().data.slice()[used:stop].copy_from(data)
    return stop


def put_handle(index: U64, handle: U64, moved: bool) -> None:
    """Let a handle travel; the moved ones leave the caller."""
    page = buffer()
    page.handles[index] = handle
    if index == 0:
        page.moves = U32(0)
    if moved:
        page.moves = page.moves | U32(1) << U32(index)


def exchange(endpoint: U64, message: Message, handles: U64) -> U64:
    """Call a service. 0, or the number of the error: what the service raised, or ServiceGone, Denied, QuotaExceeded.

    An answer brings as many handles as the operation declares. Those of any other are closed, and it is ServiceGone.
    """
    if ATTACHED.patience != 0:
        buffer().deadline = system.clock_read() + ATTACHED.patience
        message.tag = message.tag | tags.DEADLINE
    error = ipc.enter(Ptr.to(message).address, U64(CALL), endpoint)
    if error == 0 and message.tag & OUTCOME == handles << tags.HANDLES_SHIFT:
        return U64(0)
    return _failure(error, message)


def deliver(endpoint: U64, message: Message, patience: U64) -> U64:
    """Send a message that is not answered. 0, or the number of the error: Dropped, ServiceGone, Denied.

    It waits so many nanoseconds at most for the service to take it.
    """
    buffer().deadline = U64(0) if patience == 0 else system.clock_read() + patience
    message.tag = message.tag | tags.DEADLINE
    error = ipc.enter(Ptr.to(message).address, U64(SEND), endpoint)
    if error == 0 or error == DENIED:
        return error
    return U64(GONE) if error == NOBODY[0] or error == NOBODY[1] or error == NOBODY[2] else U64(DROPPED)


def _failure(error: U64, message: Message) -> U64:
    """The number of the error, when an answer is not what an operation gives. Handles that came are closed."""
    if error == 0:
        label = message.tag >> tags.LABEL_SHIFT
        if label != 0 and handles_of(message) == 0:
            return label
        drop_handles(message)
        return U64(GONE)
    if error == DENIED:
        return error
    # OutOfMemory, QuotaExceeded, TooManyHandles: there was no room for the handles of the message.
    if error == 3 or error == NO_ROOM or error == 17:
        return U64(NO_ROOM)
    return U64(GONE)


def length_of(message: Message) -> U64:
    """How many bytes came."""
    return message.tag >> tags.BYTES_SHIFT & tags.BYTES_MASK


def handles_of(message: Message) -> U64:
    """How many handles came."""
    return message.tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK


def take_bytes(message: Message, into: Slice[U8]) -> U64:
    """Copy the bytes that came into a slice, as many as fit; how many."""
    count = min(length_of(message), into.length)
    into[0:count].copy_from(buffer().data.slice()[0:count])
    return count


def take_struct(message: Message, into: Slice[U8]) -> None:
    """Copy the bytes that came over a struct; what did not come stays zero."""
    take_bytes(message, into)


def handle(message: Message, index: U64) -> U64:
    """A handle that came, or 0."""
    return buffer().handles[index] if index < handles_of(message) else U64(0)


def drop_handles(message: Message) -> None:
    """Close all handles that came."""
    for index in U64.range(handles_of(message)):
        close(buffer().handles[index])


def is_held(kept: U64) -> bool:
    """Whether somebody has a handle that was derived from this one: of what a server gave out, whether it is of use."""
    try:
        return system.handle_inspect(kept) & DERIVED != 0
    except BadHandle:
        return False


def close(handle: U64) -> None:
    """Close a handle, if it is one. 0 never is, and the kernel would put it on record."""
    if handle == 0:
        return
    try:
        system.handle_close(handle)
    except BadHandle:
        pass
