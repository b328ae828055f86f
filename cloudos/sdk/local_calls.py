"""Calls to services under CPython: client and server in one process, for unit tests. Not part of compiled programs.

    serve = server((Echo, SERVER))
    local_calls.install(7, serve.__dispatch__, badge=3)
    assert Echo(U64(7)).add(U64(1), U64(2)) == 6

`install` names a handle whose calls the server answers; for `server((Files, FileServer))`, which names a class, the
object follows: `install(7, serve.__dispatch__, 3, files)`. Each server has its own message buffer, `CALLER`, input and
output areas, as in a process of its own, so servers may call each other. Bytes are copied both ways as the kernel does;
handles pass as the numbers they are. `remove` makes the server one that has ended: calls give ServiceGone. `hang` makes
it one that receives nothing more: what is one way is Dropped.

A call that the server keeps (`CALLER.later()`) needs somebody to go on meanwhile. Start the client with `background`:

    reader = local_calls.background(lambda: Streams(U64(7)).read(...))   # returns when the call is kept
    assert reader.waits
    Streams(U64(7)).write(...)                                           # the server answers the kept call
    assert reader.result() == 5

`cloudos.sdk.local_system.LocalModel` is a model of system calls to go with it: handles, memory objects, audit records.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from cloudos.abi import layout, tags
from cloudos.abi.errors import BadArgument, BadHandle, PeerGone, TimedOut
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U64, Ptr, Region, VirtAddr, current_address_space

if TYPE_CHECKING:
    from cloudos.sdk.ipc import Message

PAGE = 4096
DATA = PAGE - tags.MAXIMUM_BYTES
HANDLES = 8
POISON = 0xA5
"""What a server's message buffer holds before a message came: no zeros that a test would pass by luck."""
NAMES = {call.number: call.name for call in SYSTEM_CALLS}

T = TypeVar("T")
Dispatch = Callable[..., None]


@dataclass
class Installed:
    """A server behind a handle; derived handles share its message buffer and areas."""

    dispatch: Dispatch
    badge: int
    objects: tuple[Any, ...]
    state: State


@dataclass
class State:
    """What belongs to one process: its message buffer, and `AREAS` and `CALLER` of its server."""

    page: bytes = bytes([POISON]) * PAGE
    input: bytes = bytes([POISON]) * tags.MAXIMUM_BYTES
    output: bytes = bytes([POISON]) * tags.MAXIMUM_BYTES
    badge: U64 = field(default_factory=lambda: U64(0))
    reply: U64 = field(default_factory=lambda: U64(0))


@dataclass
class Kept:
    """A call that was taken and not answered yet, or the answer: tag, words, and what lay in the message buffer."""

    answer: tuple[U64, list[U64], bytes] | None = None


class _Calls:
    """All servers of the process, and the calls that wait."""

    def __init__(self) -> None:
        self.servers: dict[int, Installed] = {}
        self.ended: set[int] = set()
        self.hung: set[int] = set()
        self.kept: dict[int, Kept] = {}
        self.next_reply = 1 << 32
        self.region: Region | None = None
        self.running: Background[Any] | None = None


_calls = _Calls()


def install(handle: int, dispatch: Dispatch, badge: int = 0, *objects: Any) -> None:
    """Let calls to `handle` be answered by `dispatch`: `serve.__dispatch__`, or any function of a Message.

    `objects`: those that `serve` takes after the endpoint.
    """
    attach()
    _calls.ended.discard(handle)
    _calls.hung.discard(handle)
    _calls.servers[handle] = Installed(dispatch, badge, objects, State())


def derive(handle: int, derived: int, badge: int) -> bool:
    """Let `derived` reach the server of `handle` with another badge; False when no server is there."""
    if handle not in _calls.servers:
        return False
    origin = _calls.servers[handle]
    _calls.servers[derived] = Installed(origin.dispatch, badge, origin.objects, origin.state)
    return True


def remove(handle: int) -> None:
    """The server ends; its handle stays and names nobody."""
    del _calls.servers[handle]
    _calls.ended.add(handle)


def hang(handle: int) -> None:
    """The server receives nothing any more. Do not call it: the call would wait for ever."""
    _calls.hung.add(handle)


def post(handle: int, badge: int, message: Message, called: bool) -> Kept | None:
    """Let the server of `handle` take a message from somebody with a badge, who does not wait for the answer.

    `called`: it is a call, and its answer, now or later, is in what is returned. Fuzzers speak to servers so.
    """
    origin = _calls.servers[handle]
    kept = Kept() if called else None
    reply = 0
    if kept is not None:
        reply = _calls.next_reply
        _calls.next_reply += 1
        _calls.kept[reply] = kept
    _serve(Installed(origin.dispatch, badge, origin.objects, origin.state), message, reply, kept)
    return kept


def reset() -> None:
    """Forget all servers and all calls that wait."""
    _calls.servers.clear()
    _calls.ended.clear()
    _calls.hung.clear()
    _calls.kept.clear()


def attach() -> None:
    """Have a message buffer, where `transport.buffer` finds it."""
    from cloudos.sdk import transport

    if _calls.region is None:
        _calls.region = current_address_space().allocate(
            PAGE, PAGE, initialised=True, address=int(layout.MESSAGE_BUFFER)
        )
    transport.ATTACHED.address = U64(layout.MESSAGE_BUFFER)


def enter(message: VirtAddr, number: U64, handle: U64) -> U64:
    """The system call that `ipc.enter` makes; the number of its error, or 0."""
    from cloudos.sdk.ipc import Message

    name = NAMES[int(number)]
    here = Ptr.at(Message, message).value
    if name == "message_call":
        return U64(_call(here, int(handle)))
    if name == "message_send":
        return U64(_send(here, int(handle)))
    if name == "message_reply":
        return U64(_reply(here, int(handle)))
    raise NotImplementedError(f"{name} needs the machine: run the program with `cloudos run`")


def _call(message: Any, handle: int) -> int:
    """Let the server answer; its answer replaces the message."""
    if handle in _calls.ended:
        return int(PeerGone.code)
    server = _calls.servers.get(handle)
    if server is None:
        return int(BadHandle.code)
    # A call may have a deadline, which the server does not see. Here nobody is late.
    message.tag = U64(int(message.tag) & ~tags.DEADLINE)
    if not sendable(int(message.tag)):
        return int(BadArgument.code)
    reply = _calls.next_reply
    _calls.next_reply += 1
    kept = _calls.kept[reply] = Kept()
    try:
        _serve(server, message, reply, kept)
        if kept.answer is None:
            if _calls.running is None:
                raise RuntimeError("the server answers later and nobody can go on: start the call with background()")
            _calls.running.wait_for(kept)
    finally:
        del _calls.kept[reply]
    assert kept.answer is not None
    tag, words, page = kept.answer
    message.tag = tag
    for index, word in enumerate(words):
        message.words[index] = word
    deliver(int(tag), page)
    return 0


def _send(message: Any, handle: int) -> int:
    """Let the server take a message that is not answered."""
    if handle in _calls.ended:
        return int(PeerGone.code)
    if handle not in _calls.servers:
        return int(BadHandle.code)
    message.tag = U64(int(message.tag) & ~tags.DEADLINE)
    if not sendable(int(message.tag)):
        return int(BadArgument.code)
    if handle in _calls.hung:
        return int(TimedOut.code)
    _serve(_calls.servers[handle], message, 0, None)
    return 0


def _serve(server: Installed, message: Any, reply: int, kept: Kept | None) -> None:
    """Call the server's dispatch as in its own process."""
    from cloudos.sdk.ipc import Message
    from cloudos.sdk.service import CALLER

    client, sent = _save(), bytes(_region().data)
    _restore(server.state)
    came = Message()
    came.tag = message.tag
    for index in range(tags.WORDS):
        came.words[index] = message.words[index]
    came.badge = U64(server.badge)
    came.reply = U64(reply)
    deliver(int(came.tag), sent)
    CALLER.reply = U64(reply)
    try:
        server.dispatch(came, *server.objects)
        if kept is not None and CALLER.reply == reply:
            if not sendable(int(came.tag)):
                raise AssertionError(f"the kernel would refuse the answer: tag {int(came.tag):#x}")
            kept.answer = _answer(came)
    finally:
        server.state.__dict__.update(_save().__dict__)
        _restore(client)


def _reply(message: Any, reply: int) -> int:
    """Answer a call that was kept."""
    kept = _calls.kept.get(reply)
    if kept is None or kept.answer is not None:
        return int(BadHandle.code)
    if not sendable(int(message.tag)):
        return int(BadArgument.code)
    kept.answer = _answer(message)
    return 0


def _answer(message: Any) -> tuple[U64, list[U64], bytes]:
    return U64(int(message.tag)), [U64(int(word)) for word in message.words], bytes(_region().data)


def sendable(tag: int) -> bool:
    """Whether the kernel lets a program send a message with this tag."""
    words, handles = tag & 15, tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK
    length = tag >> tags.BYTES_SHIFT & tags.BYTES_MASK
    if tag & (tags.RESERVED | tags.FROM_KERNEL | tags.DEADLINE) & 0xFFFF_FFFF:
        return False
    return words <= tags.WORDS and handles <= tags.MAXIMUM_HANDLES and length <= tags.MAXIMUM_BYTES


def deliver(tag: int, sent: bytes) -> None:
    """Put handles and bytes of a message from the sender's buffer into the one that is there now."""
    page = _region().data
    handles, length = tag >> tags.HANDLES_SHIFT & tags.HANDLES_MASK, tag >> tags.BYTES_SHIFT & tags.BYTES_MASK
    page[HANDLES : HANDLES + 8 * handles] = sent[HANDLES : HANDLES + 8 * handles]
    page[DATA : DATA + length] = sent[DATA : DATA + length]


def _region() -> Region:
    attach()
    assert _calls.region is not None
    return _calls.region


def _save() -> State:
    from cloudos.sdk.service import AREAS, CALLER

    areas = Ptr.to(AREAS).region
    assert areas is not None
    half = tags.MAXIMUM_BYTES
    content = bytes(areas.data)
    return State(bytes(_region().data), content[:half], content[half:], CALLER.badge, CALLER.reply)


def _restore(state: State) -> None:
    from cloudos.sdk.service import AREAS, CALLER

    areas = Ptr.to(AREAS).region
    assert areas is not None
    _region().data[:] = state.page
    areas.data[:] = state.input + state.output
    CALLER.badge, CALLER.reply = state.badge, state.reply


class Background(Generic[T]):
    """A client that waits for calls which the server keeps. It and its starter never run at the same time."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._kept: Kept | None = None
        self._value: list[T] = []
        self._error: BaseException | None = None
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._continue()

    @property
    def waits(self) -> bool:
        """Whether it waits for a call that nobody has answered yet."""
        return self._kept is not None and self._kept.answer is None

    def result(self) -> T:
        """What the function returned or raised. RuntimeError: it still waits."""
        while self._kept is not None:
            if self._kept.answer is None:
                raise RuntimeError("the server has not answered the call yet")
            self._continue()
        if self._error is not None:
            raise self._error
        return self._value[0]

    def wait_for(self, kept: Kept) -> None:
        """Let the starter run until the call was answered. For the thread itself."""
        self._kept = kept
        self._paused.release()
        self._go.acquire()
        self._kept = None

    def _continue(self) -> None:
        """Let it run until it waits or ends; the starter's message buffer and areas are then as before."""
        mine, before = _save(), _calls.running
        _calls.running = self
        self._go.release()
        self._paused.acquire()
        _calls.running = before
        _restore(mine)

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._value.append(self._function())
        except BaseException as error:  # it is raised by result(), where the test sees it
            self._error = error
        self._paused.release()


def background(function: Callable[[], T]) -> Background[T]:
    """Start a client whose calls the server may answer later."""
    return Background(function)
