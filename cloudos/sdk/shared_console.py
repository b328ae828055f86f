"""The machine's console as `Stream`s that a program can give to others.

The kernel lets one program use the console: the one that `cloudos run` started. What it starts reaches the console
through it: one thread of that program answers the messages of the three streams, and another reads, since reading waits
for as long as a person likes. Neither touches what belongs to the first thread: the heap, and the message buffer.

A line that a person types goes to whoever asked first, as on any terminal. What the program itself has read ahead stays
its own.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout, tags
from cloudos.abi.errors import BadAddress, BadArgument, Denied, SystemCallError
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import Rights
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.errors import BadMessage, BadOperation, NotSeekable, ServiceGone
from cloudos.contracts.files import PIPE, TERMINAL
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import (
    U8,
    U64,
    Array,
    Atomic,
    Order,
    Ptr,
    Slice,
    UserPtr,
    VirtAddr,
    code_address,
    place,
    size_of,
    struct,
    zeroed,
)
from cloudos.sdk import ipc, system
from cloudos.sdk.contract import declaration
from cloudos.sdk.ipc import Message
from cloudos.sdk.threads import start

RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
FOREVER = 0xFFFF_FFFF_FFFF_FFFF
MOST_READERS = 16
LONGEST = tags.MAXIMUM_BYTES
# Between what a program is started with and where its stack may be, at some distance from both.
SERVER_BUFFER = layout.STARTED_STACK_TOP - layout.STARTED_STACK_SIZE - (64 << 10)
READER_BUFFER = SERVER_BUFFER - layout.PAGE_SIZE

REPLY = next(call.number for call in SYSTEM_CALLS if call.name == "message_reply")
_STREAM = declaration(Stream)
_NUMBERS = {one.name: _STREAM.number << 16 | one.number for one in _STREAM.operations}
VERSION = _STREAM.version
ASK_VERSION = _STREAM.number << 16
READ, WRITE, STATUS = _NUMBERS["read"], _NUMBERS["write"], _NUMBERS["status"]
SEEK, TRUNCATE, SHARE, CLOSE = _NUMBERS["seek"], _NUMBERS["truncate"], _NUMBERS["share"], _NUMBERS["close"]
DENIED, NOT_SEEKABLE, GONE = (int(vars(error)["code"]) for error in (Denied, NotSeekable, ServiceGone))
BAD_MESSAGE, BAD_OPERATION = (int(vars(error)["code"]) for error in (BadMessage, BadOperation))
CARGO = tags.BYTES_MASK << tags.BYTES_SHIFT | tags.HANDLES_MASK << tags.HANDLES_SHIFT


@struct
class Reading:
    """A call of read: how it is answered, and how many bytes it takes."""

    reply: U64
    length: U64


@struct
class Room:
    """Bytes that were read and that nobody has taken yet."""

    bytes: Array[U8, Literal[4032]] = zeroed()


@struct
class Shared:
    """`taken` and `put` count the readers that were served and that came; each is written by one thread."""

    endpoint: U64 = U64(0)
    # Tells the reading thread that somebody came.
    bell: U64 = U64(0)
    is_terminal: bool = False
    # By number of the stream; 0 where it was not asked for.
    given: Array[U64, Literal[3]] = zeroed()
    readers: Array[Reading, Literal[16]] = zeroed()
    taken: Atomic[U64] = Atomic(U64(0))
    put: Atomic[U64] = Atomic(U64(0))


SHARED = place(Shared())
ROOM = place(Room())


def stream(number: U64, is_terminal: bool) -> U64:
    """The handle of a stream that is this program's standard input, output or error (0, 1, 2), to be given to others.

    0 when this program has no console itself, or when there is no memory or handle left.
    """
    try:
        # Of others than the one program the kernel refuses even nothing.
        system.console_write(U64(1), UserPtr.at(U8, U64(layout.PROGRAM_START)), U64(0))
        if SHARED.endpoint == 0:
            SHARED.is_terminal = is_terminal
            _begin()
        if SHARED.given[number] == 0:
            SHARED.given[number] = system.handle_derive(SHARED.endpoint, U64(RIGHTS), number + 1)
        return SHARED.given[number]
    except SystemCallError:
        return U64(0)


def _begin() -> None:
    """Start both threads. Raises what making these and their objects does."""
    quota = U64(initial.QUOTA)
    endpoint = system.endpoint_create(quota)
    SHARED.bell = system.notification_create(quota)
    start(code_address(_read_for_all), SHARED.bell)
    start(code_address(_answer_all), endpoint)
    SHARED.endpoint = endpoint


def _buffer(address: U64) -> MessageBuffer:
    """The calling thread's message buffer, which it has from now on; without one it cannot go on."""
    system.thread_set_buffer(address)
    return Ptr.at(MessageBuffer, VirtAddr(address)).value


def _answer_all(endpoint: U64) -> None:
    """The thread that answers."""
    try:
        buffer = _buffer(U64(SERVER_BUFFER))
    except SystemCallError:
        return
    message = Message()
    while True:
        try:
            message.tag = U64(0)
            ipc.receive(endpoint, message)
        except SystemCallError:
            # A message that could not be taken stays with its sender, or is lost with its error.
            continue
        for index in U64.range(message.tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK):
            _drop(buffer.handles[index])
        if message.reply != 0 and not _serve(message, buffer):
            ipc.enter(Ptr.to(message).address, U64(REPLY), message.reply)


def _drop(handle: U64) -> None:
    try:
        system.handle_close(handle)
    except SystemCallError:
        pass


def _serve(message: Message, buffer: MessageBuffer) -> bool:
    """Make the message the answer to itself; True when somebody else answers it."""
    operation = message.label
    number = message.badge - 1
    length = message.words[0]
    if operation == WRITE:
        if message.tag & CARGO != length << tags.BYTES_SHIFT:
            _refuse(message, U64(BAD_MESSAGE))
        elif number == 0:
            _refuse(message, U64(DENIED))
        else:
            _write(number, buffer.data.slice()[0 : min(length, U64(LONGEST))])
            message.tag = U64(1)
    elif message.tag & CARGO != 0:
        _refuse(message, U64(BAD_MESSAGE))
    elif operation == READ:
        return _put(message, number, min(length, U64(LONGEST)))
    elif operation == STATUS:
        status = Status(kind=U64(TERMINAL) if SHARED.is_terminal else U64(PIPE), mode=U64(0o600), links=U64(1))
        _fill(message, buffer, Slice.of(Ptr.to(status).cast(U8), U64(size_of(Status))))
    elif operation == SEEK:
        _refuse(message, U64(NOT_SEEKABLE))
    elif operation == SHARE:
        # It lasts as long as this program, whoever holds it.
        message.tag = U64(0)
    elif operation == TRUNCATE:
        _refuse(message, U64(NOT_SEEKABLE))
    elif operation == CLOSE:
        message.tag = U64(0)
    elif operation == ASK_VERSION:
        message.words[0] = U64(VERSION)
        message.tag = U64(1)
    else:
        _refuse(message, U64(BAD_OPERATION))
    return False


def _refuse(message: Message, code: U64) -> None:
    message.tag = code << tags.LABEL_SHIFT


def _fill(message: Message, buffer: MessageBuffer, data: Slice[U8]) -> None:
    """Make the message an answer that brings bytes."""
    buffer.data.slice()[0 : data.length].copy_from(data)
    message.words[0] = data.length
    message.tag = data.length << tags.BYTES_SHIFT | 1


def _write(number: U64, data: Slice[U8]) -> None:
    """Write to the console; what it takes no more is lost, as of the program itself."""
    sent = U64(0)
    while sent < data.length:
        rest = data[sent : data.length]
        try:
            sent += system.console_write(number, UserPtr.at(U8, rest.pointer.address.value), rest.length)
        except (BadAddress, BadArgument, Denied):
            return


def _put(message: Message, number: U64, length: U64) -> bool:
    """Leave a call of read to the thread that reads; whether it is."""
    place = SHARED.put.load(Order.RELAXED)
    if number != 0:
        _refuse(message, U64(DENIED))
    elif place - SHARED.taken.load(Order.ACQUIRE) == MOST_READERS:
        _refuse(message, U64(GONE))
    else:
        SHARED.readers[place % MOST_READERS] = Reading(message.reply, length)
        SHARED.put.store(place + 1, Order.RELEASE)
        try:
            system.notification_signal(SHARED.bell, U64(1))
        except SystemCallError:
            pass
        return True
    return False


def _read_for_all(bell: U64) -> None:
    """The thread that reads: as many bytes as who came first takes; what that one does not get is the next one's."""
    try:
        buffer = _buffer(U64(READER_BUFFER))
    except SystemCallError:
        return
    message = Message()
    begin, end = U64(0), U64(0)
    place = U64(0)
    while True:
        while place == SHARED.put.load(Order.ACQUIRE):
            try:
                system.notification_wait(bell, U64(FOREVER))
            except SystemCallError:
                return
        reader = SHARED.readers[place % MOST_READERS]
        if begin == end:
            begin, end = U64(0), _read(reader.length)
        stop = begin + min(reader.length, end - begin)
        _fill(message, buffer, ROOM.bytes.slice()[begin:stop])
        if ipc.enter(Ptr.to(message).address, U64(REPLY), reader.reply) == 0:
            begin = stop
        place += 1
        SHARED.taken.store(place, Order.RELEASE)


def _read(length: U64) -> U64:
    """Read from the console; how many bytes, 0 at the end."""
    try:
        return system.console_read(UserPtr.at(U8, ROOM.bytes.slice().pointer.address.value), length)
    except (BadAddress, Denied):
        return U64(0)
