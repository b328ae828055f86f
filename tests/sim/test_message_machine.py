"""Messages, notifications, deadlines and all ways in which waits end, against a model (`message_model.py`).

Threads of three processes send, call, receive, reply, signal and wait, several at once in an order that the seed
decides; handles are closed and revoked, threads suspended, killed, processes ended, time passes. Whoever goes on must
find what the model says, to the last byte; whoever should have gone on must have; who waits in the model must wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloudos.abi import initial, tags
from cloudos.abi.errors import BadHandle, BadState
from tests.sim import invariants, programs
from tests.sim.message_model import DONE, NEVER, Home, Letter, Meeting, Model, Name, Signals, Thread, failed
from tests.sim.sizes import machine_settings
from tests.sim.stage import Actor, Stage
from tests.sim.world import kernel_module, user

call, message = user.call, user.message
HOMES, THREADS = 2, 2
ENDPOINTS, NOTIFICATIONS = 1, 1
SLACK = 100_000
LENGTHS = (0, 0, 0, 1, 40, 4032)
DEADLINES = st.sampled_from([None, None, None, 0, 1, 5_000, 50_000, 400_000])
CHOICE = st.integers(0, 1 << 16)
USUAL = (
    "message_call", "message_send", "message_receive", "message_receive", "message_reply", "message_reply_receive",
    "notification_signal", "notification_wait", "thread_suspend",
)  # fmt: skip
Script = list[tuple[str, int, int, int | None, bool]]
SCRIPTS = st.lists(
    st.tuples(st.sampled_from(USUAL), CHOICE, CHOICE, DEADLINES, st.booleans()), min_size=10, max_size=30
)
Steps = Generator[user.Instruction, Any, None]


@dataclass
class Pair:
    """A thread of the model and the actor that it is."""

    thread: Thread
    actor: Actor


@dataclass
class Place:
    """A process. `names`: of each thing, its handles."""

    home: Home
    process: int
    pairs: list[Pair] = field(default_factory=list)


class MessageMachine(RuleBasedStateMachine):
    """The kernel beside the model."""

    @initialize(seed=st.integers(0, 1 << 16))
    def switch_on(self, seed: int) -> None:
        self.undo = watch_deadlines(self)
        self.stage = Stage(seed, memory=6 << 20)
        self.model = Model()
        self.count = 0
        self.things: list[Meeting | Signals] = []
        self.roots: list[int] = []
        for name, kind, number in (("endpoint", Meeting, ENDPOINTS), ("notification", Signals, NOTIFICATIONS)):
            for _ in range(number):
                self.things.append(kind())
                self.roots.append(self.stage.succeed(f"{name}_create", initial.QUOTA))
        self.places = [self.place() for _ in range(HOMES)]

    def place(self) -> Place:
        """A process with two threads and handles to everything."""
        process = self.stage.process()
        made = Place(Home(f"process {process:#x}"), process)
        self.model.homes.append(made.home)
        for _ in range(THREADS):
            actor = self.stage.actor(process, buffer=True)
            made.pairs.append(Pair(Thread(actor.number, made.home), actor))
            self.model.threads.append(made.pairs[-1].thread)
        self.stage.main(self.outfit(made))
        self.bind_first(made)
        return made

    def bind_first(self, place: Place) -> None:
        """Let a thread be bound to the notification, if none is."""
        name = next(found for found in place.home.handles.items() if isinstance(found[1].thing, Signals))
        pair = place.pairs[0]
        apply = partial(self.model.bind, pair.thread, name[1])
        self.stage.do(pair.actor, self.perform(pair, call("thread_bind", name[0]), apply))

    def outfit(self, place: Place) -> programs.Steps:
        """Two handles to each thing, one with a badge."""
        for thing, root in zip(self.things, self.roots, strict=True):
            for badge in (0, 1000 + root % 97):
                handle = yield from programs.install(place.process, root, badge=badge)
                place.home.handles[handle] = Name(thing, badge)
        return 0

    # Choices

    def pairs(self) -> list[Pair]:
        return [pair for place in self.places for pair in place.pairs]

    def idle(self, choice: int) -> Pair | None:
        """A thread that can be told to do something."""
        free = [pair for pair in self.pairs() if not (pair.actor.busy or pair.actor.commands or pair.thread.dead)]
        return free[choice % len(free)] if free else None

    def name(self, pair: Pair, kind: type[Meeting] | type[Signals], choice: int) -> tuple[int, Name] | None:
        """A handle of its process to an endpoint or a notification."""
        known = [item for item in pair.thread.home.handles.items() if isinstance(item[1].thing, kind)]
        return known[choice % len(known)] if known else None

    def letter(self, choice: int, deadline: int | None) -> Letter:
        """A message that there was never before."""
        self.count += 1
        count = choice % 9
        words = tuple(self.count << 32 | index for index in range(count)) + (0,) * (8 - count)
        data = self.count.to_bytes(2, "little") * 2016
        data = data[: LENGTHS[choice // 9 % len(LENGTHS)]]
        tag = count | len(data) << tags.BYTES_SHIFT | (self.count & 0xFFFF) << tags.LABEL_SHIFT
        return Letter(tag | (0 if deadline is None else tags.DEADLINE), words, data)

    def until(self, deadline: int | None) -> int:
        """When that is."""
        return NEVER if deadline is None else deadline and self.stage.simulation.board.clock + deadline

    # What threads are told

    def perform(
        self,
        pair: Pair,
        instruction: user.Call,
        apply: Callable[[], None],
        deadline: int | None = None,
        data: bytes = b"",
    ) -> Steps:
        """Make a system call; the model is told just before."""
        buffer = pair.actor.buffer
        if deadline is not None:
            yield user.Write(buffer, deadline.to_bytes(8, "little"))
        if data:
            yield user.Write(buffer + 64, data)
        assert not pair.thread.suspended, "a thread that was suspended makes a system call"
        apply()
        reply: user.Reply = yield instruction
        length = self.model.check(pair.thread, reply)
        if length:
            assert pair.thread.letter is not None
            content = yield user.Read(buffer + 64, length)
            assert content == pair.thread.letter.data, "the bytes of a message were changed"

    def tell(self, pair: Pair, steps: Steps, alone: bool) -> None:
        """Give a thread a command, and wait for its end or not."""
        self.stage.post(pair.actor, steps)
        if alone:
            self.stage.settle()
        else:
            self.stage.step(self.count % 5)

    @rule(who=CHOICE, how=CHOICE, is_call=st.booleans(), deadline=DEADLINES, alone=st.booleans())
    def send(self, who: int, how: int, is_call: bool, deadline: int | None, alone: bool) -> None:
        pair = self.idle(who)
        found = self.name(pair, Meeting, how) if pair else None
        if pair is None or found is None:
            return
        letter = self.letter(how, deadline)
        until = self.until(deadline)
        step = user.Call(
            user.NUMBERS["message_call" if is_call else "message_send"],
            (found[0], letter.tag, *letter.words[:4]), letter.words[4:],
        )  # fmt: skip
        apply = self.still(pair, found, partial(self.model.send, pair.thread, found[1], letter, is_call, until))
        self.tell(pair, self.perform(pair, step, apply, None if deadline is None else until, letter.data), alone)

    def still(self, pair: Pair, found: tuple[int, Name], apply: Callable[[], None]) -> Callable[[], None]:
        """What to tell the model, unless the handle was closed meanwhile."""

        def tell() -> None:
            if pair.thread.home.handles.get(found[0]) is found[1]:
                apply()
            else:
                pair.thread.outcome = failed(BadHandle)

        return tell

    @rule(who=CHOICE, how=CHOICE, deadline=DEADLINES, alone=st.booleans())
    def receive(self, who: int, how: int, deadline: int | None, alone: bool) -> None:
        pair = self.idle(who)
        found = self.name(pair, Meeting, how) if pair else None
        if pair is None or found is None:
            return
        until = self.until(deadline)
        step = message("message_receive", found[0], 0 if deadline is None else tags.DEADLINE)
        apply = self.still(pair, found, partial(self.model.receive, pair.thread, found[1], until))
        self.tell(pair, self.perform(pair, step, apply, None if deadline is None else until), alone)

    @rule(who=CHOICE, how=CHOICE, stale=st.integers(0, 9), alone=st.booleans())
    def reply(self, who: int, how: int, stale: int, alone: bool) -> None:
        """Answer a call that any thread of the process received, or one that cannot be answered any more."""
        pair = self.replier(who)
        if pair is None:
            return
        letter = self.letter(how, None)
        handle = self.reply_handle(pair, how, stale)
        step = user.Call(user.NUMBERS["message_reply"], (handle, letter.tag, *letter.words[:4]), letter.words[4:])
        self.tell(
            pair,
            self.perform(pair, step, partial(self.model.reply, pair.thread, handle, letter), data=letter.data),
            alone,
        )

    def replier(self, choice: int) -> Pair | None:
        """An idle thread, if possible one that has something to answer."""
        free = [pair for pair in self.pairs() if not (pair.actor.busy or pair.actor.commands or pair.thread.dead)]
        asked = [pair for pair in free if pair.thread.home.replies]
        return asked[choice % len(asked)] if asked else self.idle(choice)

    def reply_handle(self, pair: Pair, choice: int, stale: int) -> int:
        known = sorted(pair.thread.home.replies)
        if not known or stale == 0:
            return (choice % 9 + 1) << 32 | 0x3FF
        return known[choice % len(known)]

    @rule(who=CHOICE, how=CHOICE, deadline=DEADLINES, alone=st.booleans())
    def reply_and_receive(self, who: int, how: int, deadline: int | None, alone: bool) -> None:
        pair = self.replier(who)
        found = self.name(pair, Meeting, how) if pair else None
        if pair is None or found is None:
            return
        handle = self.reply_handle(pair, how, how % 7) if pair.thread.home.replies else 0
        letter = self.letter(how, deadline)
        until = self.until(deadline)

        def both() -> None:
            if handle:
                self.model.reply(pair.thread, handle, letter)
                if pair.thread.outcome is not None and 0 not in pair.thread.outcome.errors:
                    return
            pair.thread.outcome = None
            self.model.receive(pair.thread, found[1], until)

        step = user.Call(
            user.NUMBERS["message_reply_receive"], (found[0], letter.tag, *letter.words[:4]), letter.words[4:], handle
        )
        steps = self.perform(
            pair, step, self.still(pair, found, both), None if deadline is None else until, letter.data
        )
        self.tell(pair, steps, alone)

    @rule(who=CHOICE, how=CHOICE, bits=st.sampled_from([0, 1, 2, 5, 1 << 63]), alone=st.booleans())
    def signal(self, who: int, how: int, bits: int, alone: bool) -> None:
        pair = self.idle(who)
        found = self.name(pair, Signals, how) if pair else None
        if pair is not None and found is not None:
            apply = self.still(pair, found, partial(self.model.signal, pair.thread, found[1], bits))
            self.tell(pair, self.perform(pair, call("notification_signal", found[0], bits), apply), alone)

    @rule(who=CHOICE, how=CHOICE, deadline=DEADLINES, alone=st.booleans())
    def await_signals(self, who: int, how: int, deadline: int | None, alone: bool) -> None:
        pair = self.idle(who)
        found = self.name(pair, Signals, how) if pair else None
        if pair is not None and found is not None:
            until = self.until(deadline)
            apply = self.still(pair, found, partial(self.model.await_signals, pair.thread, found[1], until))
            self.tell(pair, self.perform(pair, call("notification_wait", found[0], until), apply), alone)

    @rule(who=CHOICE, how=CHOICE)
    def bind(self, who: int, how: int) -> None:
        pair = self.idle(who)
        found = self.name(pair, Signals, how) if pair else None
        if pair is not None and found is not None:
            apply = self.still(pair, found, partial(self.model.bind, pair.thread, found[1]))
            self.tell(pair, self.perform(pair, call("thread_bind", found[0]), apply), True)

    @rule(who=CHOICE, how=CHOICE, alone=st.booleans())
    def close(self, who: int, how: int, alone: bool) -> None:
        """A handle through which others may wait, or which somebody waits to be answered by."""
        pair = self.idle(who)
        if pair is None:
            return
        home = pair.thread.home
        handles = sorted(home.replies) if how % 3 else sorted(home.handles)[: len(home.handles) // 4]
        if not handles:
            return
        handle = handles[how % len(handles)]

        def apply() -> None:
            known = handle in home.replies or handle in home.handles
            if known:
                self.model.close(home, handle)
            pair.thread.outcome = DONE if known else failed(BadHandle)

        self.tell(pair, self.perform(pair, call("handle_close", handle), apply), alone)

    @rule(script=SCRIPTS)
    def talk(self, script: Script) -> None:
        """What threads usually do, many times."""
        for name, who, how, deadline, alone in script:
            if self.idle(who) is None or how % 16 == 0:
                self.let_time_pass(duration=400_000)
            if deadline is None and how % 8:
                deadline = 300_000
            self.do_usual(name, who, how, deadline, alone)
            self.who_can_go_on_has()

    # Most of the time.
    talk_more = rule(script=SCRIPTS)(lambda self, script: self.talk(script=script))
    talk_most = rule(script=SCRIPTS)(lambda self, script: self.talk(script=script))

    def do_usual(self, name: str, who: int, how: int, deadline: int | None, alone: bool) -> None:
        """One of them."""
        if name in ("message_call", "message_send"):
            self.send(who=who, how=how, is_call=name == "message_call", deadline=deadline, alone=alone)
        elif name == "message_receive":
            self.receive(who=who, how=how, deadline=deadline, alone=alone)
        elif name == "message_reply":
            self.reply(who=who, how=how, stale=how % 10, alone=alone)
        elif name == "message_reply_receive":
            self.reply_and_receive(who=who, how=how, deadline=deadline, alone=alone)
        elif name == "notification_signal":
            self.signal(who=who, how=how, bits=1 << how % 64, alone=alone)
        elif name == "notification_wait":
            self.await_signals(who=who, how=how, deadline=deadline, alone=alone)
        else:
            self.suspend_or_start(who=who)

    # What the first process does to them

    def order(self, instruction: user.Call, apply: Callable[[], None]) -> None:
        """The first process makes a system call; the model is told just before."""

        def steps() -> Generator[user.Instruction, user.Reply, user.Reply]:
            apply()
            return (yield instruction)

        reply: user.Reply = self.stage.main(steps())
        assert reply.error == 0

    @rule(which=CHOICE)
    def revoke(self, which: int) -> None:
        """All handles to a thing go; all get new ones."""
        self.stage.settle()
        index = which % len(self.things)
        thing = self.things[index]

        def close_all() -> None:
            for place in self.places:
                for handle, name in list(place.home.handles.items()):
                    if name.thing is thing:
                        self.model.close(place.home, handle)

        self.order(call("handle_revoke", self.roots[index]), close_all)
        for place in self.places:
            handle = self.stage.main(programs.install(place.process, self.roots[index], badge=7))
            place.home.handles[handle] = Name(thing, 7)

    @rule(who=CHOICE)
    def suspend_or_start(self, who: int) -> None:
        self.stage.settle()
        pairs = [pair for pair in self.pairs() if not pair.thread.dead]
        suspended = [pair for pair in pairs if pair.thread.suspended]
        pair = suspended[0] if len(suspended) > who % 2 else pairs[who % len(pairs)]
        name = "thread_start" if pair.thread.suspended else "thread_suspend"
        self.order(call(name, pair.actor.handle), partial(setattr, pair.thread, "suspended", name == "thread_suspend"))
        if name == "thread_start":
            assert self.stage.main(call(name, pair.actor.handle)).error == BadState.code

    @rule(who=CHOICE, whole=st.booleans(), seldom=st.booleans())
    def kill(self, who: int, whole: bool, seldom: bool) -> None:
        """A thread, or a process, which others take the place of."""
        if seldom:
            return
        self.stage.settle()
        place = self.places[who % HOMES]
        alive = [pair for pair in place.pairs if not pair.thread.dead]
        if whole:
            self.order(call("process_kill", place.process), partial(self.model.end_home, place.home))
        else:
            pair = alive[who % len(alive)]
            self.order(call("thread_kill", pair.actor.handle), partial(self.model.end_thread, pair.thread))
        for pair in place.pairs:
            if pair.thread.dead:
                pair.actor.busy = False
                pair.actor.commands.clear()
        if all(pair.thread.dead for pair in place.pairs):
            self.stage.settle()
            for handle in (place.process, *(pair.actor.handle for pair in place.pairs)):
                self.stage.succeed("handle_close", handle)
            self.places[who % HOMES] = self.place()

    @rule(duration=st.sampled_from([1_000, 20_000, 200_000, 1_000_000]))
    def let_time_pass(self, duration: int) -> None:
        """Then nobody waits beyond his deadline."""
        self.stage.settle()
        self.stage.main(pass_time(duration))
        self.stage.settle()
        now = self.stage.simulation.board.clock
        late = [thread for thread in self.model.threads if thread.waiting and thread.deadline + SLACK < now]
        assert not late, f"threads {[thread.number for thread in late]} wait beyond their deadlines"

    # What must hold

    def expired(self, address: int) -> None:
        """The kernel found that a deadline has passed."""
        for pair in self.pairs():
            if pair.actor.address == address and not pair.thread.dead:
                self.model.expired(pair.thread, self.stage.simulation.board.clock)

    @invariant()
    def structures_are_sound(self) -> None:
        if hasattr(self, "places"):
            invariants.check(self.stage.simulation)

    @invariant()
    def who_can_go_on_has(self) -> None:
        """Once nobody has anything to do: those who wait in the model are those who wait in the kernel."""
        if not hasattr(self, "places") or any(map(self.stage.is_active, self.stage.actors)):
            return
        for pair in self.pairs():
            if pair.thread.dead or pair.thread.suspended:
                continue
            assert pair.actor.busy == pair.thread.waiting, (
                f"thread {pair.thread.number} waits in the {'kernel' if pair.actor.busy else 'model'} only"
            )

    def teardown(self) -> None:
        if not hasattr(self, "stage"):
            return
        try:
            if hasattr(self, "places"):
                self.stage.settle()
                self.who_can_go_on_has()
                self.stage.finish()
        finally:
            self.undo()
            self.stage.close()


def pass_time(duration: int) -> programs.Steps:
    """Compute for a while."""
    for _ in range(4):
        yield user.Work(duration // 4)
    return 0


def watch_deadlines(machine: MessageMachine) -> Callable[[], None]:
    """Tell the machine of each deadline that the kernel finds passed; what to call to stop that."""
    module = kernel_module("objects.waiting")
    before = module.expire

    def expire(thread: Any) -> None:
        machine.expired(int(thread.address.value))
        before(thread)

    module.expire = expire

    def undo() -> None:
        module.expire = before

    return undo


MessageMachine.TestCase.settings = machine_settings(16, 20)
test_messages: Callable[..., Any] = MessageMachine.TestCase
