"""What messages, notifications and deadlines should do: a model of plain lists, told of each system call as it is made.

The machine makes one system call at a time. Just before it enters the kernel the model is told, and decides what each
thread gets: an outcome that the thread must find when it continues, or none, while it waits. What the model cannot know
is when a deadline is noticed, and which number a reply handle has: of the first the kernel tells (`expired`), the
second is learned from whoever receives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cloudos.abi import tags
from cloudos.abi.errors import BadHandle, BadState, Cancelled, PeerGone, TimedOut, WouldBlock
from tests.sim.world import user

NEVER = (1 << 64) - 1
LABELS_AND_SIZES = ~tags.DEADLINE


@dataclass(eq=False)
class Home:
    """A process. `handles`: what each of its handles names; `replies`: those that answer calls."""

    name: str
    handles: dict[int, Name] = field(default_factory=dict)
    replies: dict[int, Calling] = field(default_factory=dict)
    # Calls that its threads received, whether or not the handle is known.
    held: list[Calling] = field(default_factory=list)


@dataclass(eq=False)
class Meeting:
    """An endpoint: who waits, first come first served."""

    senders: list[Thread] = field(default_factory=list)
    receivers: list[Thread] = field(default_factory=list)


@dataclass(eq=False)
class Signals:
    """A notification."""

    bits: int = 0
    waiters: list[Thread] = field(default_factory=list)
    bound: Thread | None = None


@dataclass(eq=False)
class Name:
    """A handle to an endpoint or a notification."""

    thing: Meeting | Signals
    badge: int


@dataclass(frozen=True)
class Letter:
    """What is sent."""

    tag: int
    words: tuple[int, ...]
    data: bytes = b""


@dataclass(eq=False)
class Calling:
    """A call that was received and not answered."""

    caller: Thread
    holder: Home


@dataclass(frozen=True)
class Outcome:
    """What a thread must find. `is_call`: with a handle to reply by."""

    errors: frozenset[int] = frozenset({0})
    letter: Letter | None = None
    badge: int = 0
    value: int | None = None
    call: Calling | None = None


def failed(error: type[Exception]) -> Outcome:
    """An error, and nothing else."""
    return Outcome(frozenset({error.code}))  # type: ignore[attr-defined]


DONE = Outcome()


@dataclass(eq=False)
class Thread:
    """A thread. `queue` holds it while it waits, `through` is the handle that it waits through."""

    number: int
    home: Home
    queue: list[Thread] | None = None
    through: Name | None = None
    deadline: int = NEVER
    letter: Letter | None = None
    is_call: bool = False
    call: Calling | None = None
    notification: Signals | None = None
    waiting: bool = False
    outcome: Outcome | None = None
    suspended: bool = False
    dead: bool = False


class Model:
    """All threads and things."""

    def __init__(self) -> None:
        self.threads: list[Thread] = []
        self.homes: list[Home] = []

    # Ends of waits

    def resume(self, thread: Thread, outcome: Outcome) -> None:
        """It waits no more."""
        if thread.queue is not None:
            thread.queue.remove(thread)
        thread.queue = None
        thread.through = None
        if thread.call is not None:
            self.forget_call(thread.call)
        thread.call = None
        thread.deadline = NEVER
        thread.waiting = False
        thread.outcome = outcome

    def forget_call(self, call: Calling) -> None:
        """Nobody can answer it any more."""
        home = call.holder
        home.held.remove(call)
        home.replies = {handle: other for handle, other in home.replies.items() if other is not call}

    def wait(self, thread: Thread, queue: list[Thread] | None, through: Name | None, deadline: int) -> None:
        """It waits in a queue."""
        thread.waiting = True
        thread.queue = queue
        thread.through = through
        thread.deadline = deadline
        if queue is not None:
            queue.append(thread)

    def expired(self, thread: Thread, now: int) -> None:
        """The kernel says that its deadline has passed."""
        if thread.outcome is not None and TimedOut.code in thread.outcome.errors:
            # Who was to answer is being taken apart.
            thread.outcome = failed(TimedOut)
            return
        assert thread.waiting, "a thread that does not wait runs out of time"
        assert thread.deadline <= now, "a deadline was taken for past before its time"
        self.resume(thread, failed(TimedOut))

    # Messages

    def send(self, thread: Thread, name: Name, letter: Letter, is_call: bool, deadline: int) -> None:
        """`message_send` and `message_call`."""
        thing = name.thing
        assert isinstance(thing, Meeting)
        thread.letter, thread.is_call = letter, is_call
        if thing.receivers:
            self.hand_over(thread, name, thing.receivers[0], deadline)
        elif deadline == 0:
            thread.outcome = failed(WouldBlock)
        else:
            self.wait(thread, thing.senders, name, deadline)

    def hand_over(self, sender: Thread, name: Name, receiver: Thread, deadline: int) -> None:
        """The message passes."""
        call = None
        if sender.is_call:
            call = Calling(sender, receiver.home)
            receiver.home.held.append(call)
        self.resume(receiver, Outcome(letter=sender.letter, badge=name.badge, call=call))
        if sender.queue is not None:
            sender.queue.remove(sender)
        if call is None:
            sender.queue = None
            self.resume(sender, DONE)
        else:
            self.wait(sender, None, None, deadline)
            sender.call = call

    def receive(self, thread: Thread, name: Name, deadline: int) -> None:
        """`message_receive`."""
        thing = name.thing
        assert isinstance(thing, Meeting)
        own = thread.notification
        if own is not None and own.bits:
            thread.outcome = signals(own.bits)
            own.bits = 0
        elif thing.senders:
            sender = thing.senders[0]
            assert sender.through is not None
            self.hand_over(sender, sender.through, thread, sender.deadline)
        elif deadline == 0:
            thread.outcome = failed(WouldBlock)
        else:
            self.wait(thread, thing.receivers, name, deadline)

    def reply(self, thread: Thread, handle: int, letter: Letter) -> None:
        """`message_reply`."""
        call = thread.home.replies.get(handle)
        if call is None:
            thread.outcome = failed(BadHandle)
            return
        self.resume(call.caller, Outcome(letter=letter))
        thread.outcome = DONE

    # Notifications

    def signal(self, thread: Thread, name: Name, bits: int) -> None:
        """`notification_signal`."""
        thing = name.thing
        assert isinstance(thing, Signals)
        thread.outcome = DONE
        bound = thing.bound
        if not bits:
            return
        if thing.waiters:
            self.resume(thing.waiters[0], Outcome(value=bits))
        elif bound is not None and bound.waiting and self.receives(bound):
            self.resume(bound, signals(thing.bits | bits))
        else:
            thing.bits |= bits

    def receives(self, thread: Thread) -> bool:
        """Whether it waits for a message."""
        thing = thread.through.thing if thread.through is not None else None
        return isinstance(thing, Meeting) and thread in thing.receivers

    def await_signals(self, thread: Thread, name: Name, deadline: int) -> None:
        """`notification_wait`."""
        thing = name.thing
        assert isinstance(thing, Signals)
        if thing.bits:
            thread.outcome = Outcome(value=thing.bits)
            thing.bits = 0
        elif deadline == 0:
            thread.outcome = failed(WouldBlock)
        else:
            self.wait(thread, thing.waiters, name, deadline)

    def bind(self, thread: Thread, name: Name) -> None:
        """`thread_bind`."""
        thing = name.thing
        assert isinstance(thing, Signals)
        if thread.notification is not None or thing.bound is not None:
            thread.outcome = failed(BadState)
            return
        thread.notification, thing.bound = thing, thread
        thread.outcome = DONE

    # Ends

    def close(self, home: Home, handle: int) -> None:
        """A handle goes: who waits through it, or for the reply that it stands for, is told."""
        call = home.replies.get(handle)
        if call is not None:
            self.resume(call.caller, failed(PeerGone))
            return
        name = home.handles.pop(handle)
        for thread in self.threads:
            if thread.waiting and thread.through is name:
                self.resume(thread, failed(Cancelled))

    def end_thread(self, thread: Thread) -> None:
        """Killed, whatever it did. The last one takes its process with it."""
        self.resume(thread, DONE)
        thread.dead = True
        if thread.notification is not None:
            thread.notification.bound = None
        if all(other.dead for other in self.threads if other.home is thread.home):
            self.end_home(thread.home)

    def end_home(self, home: Home) -> None:
        """All its threads and handles go."""
        for thread in self.threads:
            if thread.home is home and not thread.dead:
                self.end_thread(thread)
        home.handles.clear()
        for call in list(home.held):
            # Bit by bit: a deadline may come first.
            self.resume(call.caller, Outcome(frozenset({PeerGone.code, TimedOut.code})))

    # What threads find

    def check(self, thread: Thread, reply: user.Reply, data: Callable[[int], bytes] | None = None) -> int:
        """A thread goes on with this reply; how many bytes it must find in its buffer."""
        outcome, thread.outcome = thread.outcome, None
        assert not thread.suspended, f"thread {thread.number} goes on, although it was suspended"
        assert outcome is not None, f"thread {thread.number} goes on, but nothing has happened"
        assert reply.error in outcome.errors, (
            f"thread {thread.number}: error {reply.error} and not {set(outcome.errors)}"
        )
        if outcome.value is not None:
            assert reply.value == outcome.value
        if outcome.letter is None:
            return 0
        letter = outcome.letter
        assert reply.tag & LABELS_AND_SIZES == letter.tag & LABELS_AND_SIZES, "another message than was sent"
        assert reply.words == letter.words and reply.badge == outcome.badge, (
            "a message with other words or another badge"
        )
        assert (reply.reply != 0) == (outcome.call is not None), "a reply handle without a call, or a call without one"
        if outcome.call is not None and outcome.call in thread.home.held:
            assert reply.reply not in thread.home.replies, "a reply handle was given out twice"
            thread.home.replies[reply.reply] = outcome.call
        thread.letter = letter
        return len(letter.data)


def signals(bits: int) -> Outcome:
    """The message that says so."""
    return Outcome(letter=Letter(tags.SIGNALS_TAG, (bits, 0, 0, 0, 0, 0, 0, 0)))
