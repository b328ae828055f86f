"""init after it has read its wiring: starting components, `Supervisor`, ends that the kernel tells, time that passes.

The input chooses a wiring with values of any size, then what happens: messages from components and from who may only
write, ends with any status or fault, signals for nothing, refused system calls. Whatever comes, a component has one
process at most, no handle is closed twice, init sleeps until the next start that is due, and every call is answered:
at once, or when the component that it waits for has started again.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest import mock

from cloudos.abi import tags
from cloudos.abi.errors import BadHandle, QuotaExceeded, WrongKind
from cloudos.abi.wiring import GRANTS, POLICIES, USES
from cloudos.host import wiring
from cloudos.host.bundle import Entry, encode
from cloudos.host.bundle import Kind as EntryKind
from cloudos.lang import U8, U64, UserPtr
from cloudos.sdk import local_calls, models, transport
from cloudos.sdk.console import stdout
from cloudos.sdk.contract import CONTRACTS
from cloudos.sdk.ipc import Message
from cloudos.sdk.local_system import FIRST_HANDLE
from cloudos.services.init import main, starting
from cloudos.services.init.wiring import FAILED, RUNNING, STOPPED, WAITING, Component
from tests.fuzz.services import REGIONS, SERVICE, Model, in_memory, program, unmap_all
from tests.fuzz.target import Feed
from tests.fuzz.targets.contract_servers import OPERATIONS, SENT, Sender, check_answer, put

NAMES = ("log", "a", "b", "c", "d", "e")
MOST_EVENTS = 60
LARGEST = 1 << 20
"""Bytes of memory that there are: what needs more is refused."""
SERVE = main.serve
LABELS = [label for label in OPERATIONS if CONTRACTS[label >> 16].__name__ in ("Supervisor", "Stream")]
NUMBERS = (0, 1, 2, 4096, 10_000_000, 1 << 32, 1 << 52, (1 << 53) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
KILLED = 0x1_0100
RESULTS = (0x100, 0x101, 0x146, 0x1FF, KILLED, 0xFF_0100)
"""What a process that has ended came to: statuses, faults."""
FOREVER = (1 << 64) - 1
CREATED = ("quota_create", "schedule_create", "endpoint_create", "notification_create", "interrupt_create",
           "device_create", "memory_clone")  # fmt: skip

SURE = ("process_kill", "process_inspect", "process_bind")
"""What the kernel does not refuse to who made the process, and which the input does not let fail."""


class Ended(BaseException):
    """init has ended, and the machine with it."""


class Kernel(Model):
    """Processes that live until they are killed or end by themselves; both are told when the input says so."""

    # No two inputs have the same handles: what an earlier one held may be given back late.
    after = FIRST_HANDLE

    def __init__(self) -> None:
        super().__init__()
        self.first = self.next = Kernel.after
        # Of each process that was made: the quota that pays for it; of those that have ended, with what.
        self.quotas: dict[int, int] = {}
        self.results: dict[int, int] = {}
        self.threads: dict[int, int] = {}
        self.started: set[int] = set()
        self.bits: dict[int, int] = {}
        self.untold: list[int] = []

    def __getattribute__(self, name: str) -> Any:
        if name in SURE:
            return object.__getattribute__(self, name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name in CREATED:
            return lambda *arguments: U64(self._new())
        raise AttributeError(name)

    def clock_read(self) -> U64:
        return U64(self.now)

    def console_write(self, stream: U64, data: UserPtr[U8], length: U64) -> U64:
        return length

    def thread_bind(self, notification: U64) -> None:
        return

    def memory_create(self, quota: U64, length: U64, kind: U64) -> U64:
        if length > LARGEST:
            raise QuotaExceeded
        return super().memory_create(quota, length, kind)

    def handle_close(self, handle: U64) -> None:
        if int(handle) in self.closed:
            raise AssertionError(f"handle {int(handle)} is closed twice")
        if handle < FIRST_HANDLE or handle >= self.first:
            super().handle_close(handle)

    def handle_derive(self, handle: U64, rights: U64, badge: U64) -> U64:
        made = U64(self._new())
        # Of what init derives handles from, only the log is ever called.
        local_calls.install(int(made), swallow)
        return made

    def process_create(self, quota: U64, label: U64) -> U64:
        made = super().process_create(quota, label)
        self.quotas[int(made)] = int(quota)
        return made

    def thread_create(self, process: U64, schedule: U64, entry: U64, stack: U64, argument: U64) -> U64:
        made = super().thread_create(process, schedule, entry, stack, argument)
        self.threads[int(made)] = int(process)
        return made

    def thread_start(self, thread: U64) -> None:
        self.started.add(self.threads[int(thread)])

    def process_hand_over(self, process: U64) -> None:
        if process != SENT[0]:
            raise WrongKind

    def process_bind(self, process: U64, notification: U64, bits: U64) -> None:
        self.bits[int(process)] = int(bits)

    def process_kill(self, process: U64) -> None:
        self._check(process)
        self.end(int(process), KILLED)

    def process_inspect(self, process: U64) -> U64:
        self._check(process)
        return U64(self.results.get(int(process), 0))

    def end(self, process: int, result: int) -> None:
        """A process ends, which is not told yet."""
        if process in self.started and process not in self.results:
            self.results[process] = result
            self.untold.append(process)

    def alive(self) -> list[int]:
        """The processes that run."""
        return sorted(self.started - set(self.results))

    def tell(self) -> int:
        """The signals of the ends since the last time."""
        bits = 0
        for process in self.untold:
            bits |= self.bits.get(process, 0)
        self.untold.clear()
        return bits

    def _check(self, process: U64) -> None:
        if int(process) in self.closed or int(process) not in self.quotas:
            raise BadHandle


def swallow(message: Message) -> None:
    """A log service that keeps nothing."""
    message.tag = U64(0)


class Init:
    """init of one input. `server`: once it has read its wiring, and started all components once."""

    def __init__(self) -> None:
        local_calls.reset()
        self.model = Kernel()
        models.install(self.model)
        self.calls: list[local_calls.Kept] = []
        self.patches = ExitStack()
        self.server: Any = None

    def start(self, feed: Feed) -> None:
        """What init does until it serves."""
        text = wiring.encode(components(feed)).encode()
        files = [Entry(EntryKind.WIRING, b"", text), Entry(EntryKind.FILE, b"/tool", program())]
        image = in_memory(encode(files))
        for where in (main, starting):
            self.patches.enter_context(mock.patch.object(where, "bundle", image))
        self.patches.enter_context(mock.patch.object(main, "exit", self._exit))
        self.patches.enter_context(mock.patch.object(main, "reset", lambda: None))
        serve = self.patches.enter_context(mock.patch.object(main, "serve"))
        serve.side_effect = self._serve
        main.main()

    def _exit(self, status: U8) -> None:
        raise Ended

    def _serve(self, endpoint: U64, server: Any) -> None:
        self.server = server

    @property
    def components(self) -> list[Component]:
        """What init knows of each."""
        return list(self.server.register.components) if self.server is not None else []

    def finish(self) -> None:
        """Back to what the process had."""
        self.patches.close()
        Kernel.after = self.model.next
        transport.ATTACHED.patience = U64(0)
        self.server = None
        stdout.stream, stdout.prints, stdout.shown = U64(1), U64(0), U64(0)
        local_calls.reset()
        unmap_all(self.model)
        REGIONS.clear()
        models.install(models.SystemModel())


def number(feed: Feed) -> int:
    """A number of the wiring: mostly small."""
    form = feed.number()
    return NUMBERS[form % len(NUMBERS)] if form < 64 else form - 64


def components(feed: Feed) -> list[wiring.Wired]:
    """A wiring that the tool would write, but for its values."""
    made = []
    for name in NAMES[: 1 + feed.below(len(NAMES))]:
        one = wiring.Wired(name, "/tool" if feed.below(8) else "/none", 4096 * number(feed) % (1 << 52))
        one.restart = (feed.choose(POLICIES[:3] if feed.below(4) else POLICIES), number(feed) >> 1, number(feed) >> 1)
        form = feed.number()
        one.offer = "service" if form & 1 else ""
        one.state = number(feed) % (1 << 52) if form & 2 else 0
        one.share, one.handles = (number(feed) % (1 << 52) if form & 4 else 0), (number(feed) >> 1 if form & 8 else 0)
        one.needs = [("need", feed.choose((*NAMES, "init")), feed.choose(USES)) for _ in range(form >> 4 & 1)]
        one.told = [feed.choose(NAMES) for _ in range(form >> 5 & 1)]
        one.grants = [("grant", feed.choose(GRANTS)) for _ in range(form >> 6 & 1)]
        one.resources = [("ports", "line", number(feed) >> 1, number(feed) >> 1) for _ in range(form >> 7)]
        made.append(one)
    return made


class Asking(Sender):
    """Messages about components."""

    def content(self) -> bytes:
        return NAMES[self.feed.below(len(NAMES))].encode() if self.feed.below(8) else super().content()


def fuzz(data: bytes) -> None:
    """Start a system, and let things happen to it."""
    feed = Feed(data)
    init = Init()
    try:
        init.start(feed)
        if init.server is not None:
            work(init, feed)
    except Ended:
        pass
    finally:
        init.finish()


def work(init: Init, feed: Feed) -> None:
    """What the input says, event by event; in the end all ends are told, and nobody waits any more."""
    local_calls.install(SERVICE, SERVE.__dispatch__, 0, init.server)  # type: ignore[attr-defined]
    sender = Asking(feed, LABELS)
    for _ in range(MOST_EVENTS):
        if not feed.left:
            break
        event(init, sender)
        check(init)
    init.model.fail_in = 0
    for _ in range(2):
        init.server.signalled(U64(init.model.tell()))
    check(init)
    assert all(kept.answer is not None for kept in init.calls), "a call is never answered"
    check_handles(init)


def event(init: Init, sender: Asking) -> None:
    """One thing that happens."""
    feed, model = sender.feed, init.model
    form = feed.number()
    if form < 112:
        ask(init, sender, form)
    elif form < 152:
        alive = model.alive()
        if alive:
            model.end(feed.choose(alive), feed.choose(RESULTS))
    elif form < 192:
        init.server.signalled(U64(model.tell()))
    elif form < 200:
        # Whoever holds a handle to the notification may signal what it likes.
        init.server.signalled(U64(feed.number(8)))
    elif form < 240:
        model.now += (form - 199) * feed.choose((1, 1_000, 1_000_000, 1_000_000_000))
        if model.now >= init.server.deadline():
            init.server.expired()
            assert init.server.deadline() > model.now, "init would start a component again and again"
    else:
        model.fail_in, model.fail_with = 1 + (form & 15), feed.number()


def ask(init: Init, sender: Asking, form: int) -> None:
    """A message from a component, from somebody who may only write, or from any other."""
    badge = (2, 3, starting.WRITER | 2, (1 << 64) - 1)[form & 3]
    label, words, content, handles = sender.message()
    message = Message()
    put(message, label, words, content, handles)
    before = len(init.model.closed)
    kept = local_calls.post(SERVICE, badge, message, True)
    assert kept is not None
    init.calls.append(kept)
    if kept.answer is not None:
        check_answer(label, int(kept.answer[0]) >> tags.LABEL_SHIFT, init.model.closed[before:], handles)
    # Those that came have the same numbers in the next message.
    init.model.closed = [handle for handle in init.model.closed if handle not in SENT]


def check(init: Init) -> None:
    """What holds whenever init waits for the next message."""
    model = init.model
    payers = [model.quotas[process] for process in model.alive()]
    due = [int(one.due) for one in init.components if one.state == WAITING]
    assert init.server.deadline() == min(due, default=FOREVER), "init sleeps past the time of a start"
    for one in init.components:
        assert one.state in (RUNNING, STOPPED, FAILED, WAITING)
        assert payers.count(int(one.quota)) <= 1, f"{one.name} has two processes"
        if one.state == RUNNING:
            assert int(one.process) in model.quotas and int(one.process) not in model.closed, f"{one.name} has none"


def check_handles(init: Init) -> None:
    """What init holds is what its components need, and no more."""
    register = init.server.register
    known = [register.endpoint, register.ends, register.log]
    for one in init.components:
        known += [one.quota, one.schedule, one.endpoint, one.bell, one.kept, one.process]
        known += [resource.handle for resource in one.resources]
        known += [segment.memory for segment in one.executable.segments] if one.executable is not None else []
    held = set(range(init.model.first, init.model.next)) - set(init.model.closed)
    lost = held - {int(handle) for handle in known}
    assert not lost, f"init has lost handles: {lost}"
