"""From events of the plugin to what people follow: system calls, messages, faults, interrupts, and who ran when.

The plugin sees entries into the kernel and returns to user mode. A system call is over when its thread goes on; what a
thread received is in its registers then, and a caller is known to its server. Times are instructions since reset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cloudos.abi import tags
from cloudos.host.observer.arena import Seen
from cloudos.host.observer.contract_names import calls, errors, message_name, reply_name, size
from cloudos.host.observer.watching import Event

SYSTEM_CALL, MESSAGE, FAULT, SCHEDULE, INTERRUPT = "syscall", "message", "fault", "schedule", "interrupt"
KINDS = (SYSTEM_CALL, MESSAGE, FAULT, SCHEDULE, INTERRUPT)
RECEIVING = ("message_receive", "message_reply_receive")
SENDING = ("message_send",)
CALLING = "message_call"
ENDPOINT = 3
"""Kind of an endpoint, as `cloudos.abi.objects.Kind` numbers them."""

VECTORS = {0: "divide error", 1: "debug", 3: "breakpoint", 4: "overflow", 6: "illegal instruction", 8: "double fault"}
VECTORS |= {2: "non-maskable interrupt", 12: "stack segment", 13: "general protection", 16: "floating point"}
VECTORS |= {17: "alignment", 18: "machine check", 19: "vector floating point"}
PAGE_FAULT, FIRST_LINE, TIMER, CONSOLE, CHANNEL, SPURIOUS = 14, 32, 80, 81, 82, 83
"""Vectors of x86_64: AMD64 manual volume 2, 8.2; from 32 on as the kernel gives them (hal/x86_64/vectors.py)."""

ARM_SYNCHRONOUS, ARM_TIMER, ARM_SHARED = 1024, 27, 32
ARM_CLASSES = {0x15: "system call", 0x18: "system register", 0x22: "misaligned instruction", 0x26: "misaligned stack"}
ARM_CLASSES |= {0x2C: "floating point", 0x3C: "breakpoint", 0x00: "illegal instruction", 0x01: "privileged instruction"}
ARM_FETCH, ARM_DATA = (0x20, 0x21), (0x24, 0x25)
"""Vectors of AArch64: numbers of interrupts, and 1024 with a syndrome for what an instruction did (Arm ARM, D24.2)."""


@dataclass(frozen=True)
class Thread:
    """A thread: its process's number and name, its own number in the process from 1."""

    process: int
    name: str
    number: int

    def __str__(self) -> str:
        return self.name if self.number == 1 else f"{self.name}/{self.number}"


@dataclass(frozen=True)
class Entry:
    """Something from `start` to `end`, None when it was not over. `other`: the thread at the other end of a message."""

    kind: str
    start: int
    end: int | None
    thread: Thread | None
    text: str
    other: Thread | None = None
    details: dict[str, str | int] = field(default_factory=dict)


@dataclass
class Running:
    """What the trace knows of a thread: why it is in the kernel, and who serves its call."""

    thread: Thread
    entry: Event | None = None
    server: Running | None = None
    reply_to: tuple[Running, Event] | None = None


class Tracer:
    """Makes entries of the events of a run, given the names of processes by their numbers."""

    def __init__(self, names: dict[int, str], architecture: str) -> None:
        self.names = names
        self.describe_trap = TRAPS[architecture]
        self.entries: list[Entry] = []
        self.threads: dict[tuple[int, int], Running] = {}
        self.counts: dict[int, int] = {}
        self.sends: list[tuple[Running, Event]] = []
        self.slice: tuple[Running | None, int] = (None, 0)

    def known(self, owner: int, thread: int) -> Running:
        """The thread at an address of the kernel's, in a process."""
        key = (owner, thread)
        if key not in self.threads:
            number = self.counts[owner] = self.counts.get(owner, 0) + 1
            name = self.names.get(owner, f"process {owner}")
            self.threads[key] = Running(Thread(owner, name, number))
        return self.threads[key]

    def trace(self, events: Iterable[Event], end: int) -> list[Entry]:
        """All entries in order of their starts. `end`: when the run was over."""
        for event in events:
            if event.kind is Seen.IDLE:
                self.run(None, event.time)
                continue
            running = self.known(event.owner, event.thread)
            if event.kind is Seen.RESUME:
                self.run(running, event.time)
                self.resume(running, event)
            else:
                running.entry = event
                if event.kind is Seen.CALL and call_name(event) in SENDING:
                    self.sends.append((running, event))
        for running in self.threads.values():
            if running.entry is not None:
                self.finish(running, running.entry, None)
        self.run(None, end)
        return sorted(self.entries, key=lambda entry: entry.start)

    def run(self, running: Running | None, time: int) -> None:
        """From now on this thread runs, or none."""
        before, since = self.slice
        if before is running:
            return
        if time > since:
            nobody = "idle" if since else "boot"
            whom = nobody if before is None else f"{before.thread} runs"
            self.entries.append(Entry(SCHEDULE, since, time, before.thread if before else None, whom))
        self.slice = (running, time)

    def resume(self, running: Running, event: Event) -> None:
        """A thread goes on: what it was in the kernel for is over."""
        entry, running.entry = running.entry, None
        if entry is None:
            return
        self.finish(running, entry, event)
        if entry.kind is Seen.CALL and not is_repeated(entry, event) and event.values[0] == 0:
            name = call_name(entry)
            if name in RECEIVING and is_endpoint(entry):
                self.receive(running, entry, event)
            elif name == CALLING:
                self.take_reply(running, event)

    def finish(self, running: Running, entry: Event, event: Event | None) -> None:
        """Note a system call or trap; `event` None: it was not over."""
        end = None if event is None else event.time
        if entry.kind is Seen.CALL:
            text, details = describe_call(entry, event)
            self.entries.append(Entry(SYSTEM_CALL, entry.time, end, running.thread, text, None, details))
        else:
            kind, text = self.describe_trap(*entry.values[:2])
            text += f" at {entry.values[2]:#x}"
            details = {"ip": f"{entry.values[2]:#x}", "error": f"{entry.values[1]:#x}"}
            self.entries.append(Entry(kind, entry.time, end, running.thread, text, None, details))

    def receive(self, running: Running, entry: Event, event: Event) -> None:
        """A thread has a message."""
        badge, tag, reply = event.values[2:5]
        sender, start = None, event.time
        if not tag & tags.FROM_KERNEL:
            if reply and event.values[13]:
                sender = self.known(event.values[14], event.values[13])
                sender.server = running
                start = sender.entry.time if sender.entry is not None else start
            else:
                sender, start = self.find_send(entry, event) or (None, start)
        name = message_name(tag)
        whom = str(sender.thread) if sender else "kernel" if tag & tags.FROM_KERNEL else "unknown"
        text = f"{whom} → {running.thread}: {name} ({size(tag)})"
        details: dict[str, str | int] = {"operation": name, "size": size(tag), "badge": f"{badge:#x}"}
        thread = sender.thread if sender else None
        self.entries.append(Entry(MESSAGE, start, event.time, thread, text, running.thread, details))

    def find_send(self, entry: Event, event: Event) -> tuple[Running, int] | None:
        """Who sent a message that wants no reply: the first with its words, through a handle to the same endpoint."""
        for index, (sender, sent) in enumerate(self.sends):
            tag = sent.values[2] & ~tags.DEADLINE
            same = sent.values[7] == entry.values[7] and tag == event.values[3]
            if same and sent.values[3:7] == event.values[5:9]:
                del self.sends[index]
                return sender, sent.time
        return None

    def take_reply(self, running: Running, event: Event) -> None:
        """A thread has the answer to its call."""
        server, running.server = running.server, None
        tag = event.values[3]
        whom = str(server.thread) if server else "unknown"
        text = f"{whom} → {running.thread}: reply {reply_name(tag)} ({size(tag)})"
        details: dict[str, str | int] = {"operation": f"reply {reply_name(tag)}", "size": size(tag)}
        start = server.entry.time if server and server.entry is not None else event.time
        thread = server.thread if server else None
        self.entries.append(Entry(MESSAGE, start, event.time, thread, text, running.thread, details))


def call_name(entry: Event) -> str:
    """The name of a system call."""
    call = calls().get(entry.values[0])
    return call.name if call else f"system call {entry.values[0]}"


def is_endpoint(entry: Event) -> bool:
    """Whether the first argument names an endpoint."""
    return entry.values[8] == ENDPOINT


def is_repeated(entry: Event, event: Event) -> bool:
    """Whether a thread is about to make its system call again: the kernel has put it back to the instruction."""
    return event.values[15] < entry.values[12]


def describe_call(entry: Event, event: Event | None) -> tuple[str, dict[str, str | int]]:
    """A system call with its arguments, and what came of it."""
    call = calls().get(entry.values[0])
    names = list(call.parameters) if call else []
    if call and call.is_message:
        names = [*names, "tag"][:2]
    values = dict(zip(names, entry.values[1:7], strict=False))
    shown = ", ".join(f"{name}={number(value)}" for name, value in values.items())
    text = f"{call_name(entry)}({shown})"
    details: dict[str, str | int] = {name: number(value) for name, value in values.items()}
    if event is None:
        return text, details
    if is_repeated(entry, event):
        result = "to be made again"
    elif event.values[0]:
        result = errors().get(event.values[0], f"error {event.values[0]}")
    elif call and call.is_message:
        result = "done"
    else:
        result = number(event.values[1])
    return f"{text} = {result}", details | {"result": result}


def number(value: int) -> str:
    """A number as people read it: small ones decimal."""
    return str(value) if value < 4096 else f"{value:#x}"


def describe_x86(vector: int, error: int) -> tuple[str, str]:
    """The kind of a trap, and what it is."""
    if vector == PAGE_FAULT:
        access = "execute" if error & 16 else "write" if error & 2 else "read"
        return FAULT, f"page fault, {access} of {'a protected' if error & 1 else 'an absent'} page"
    names = {TIMER: "timer", CONSOLE: "log", CHANNEL: "program channel", SPURIOUS: "spurious interrupt"}
    if vector >= FIRST_LINE:
        return INTERRUPT, names.get(vector, f"interrupt line {vector - FIRST_LINE}")
    return FAULT, VECTORS.get(vector, f"exception {vector}")


def describe_arm(vector: int, error: int) -> tuple[str, str]:
    """The kind of a trap, and what it is."""
    if vector == ARM_TIMER:
        return INTERRUPT, "timer"
    if vector < ARM_SYNCHRONOUS:
        return INTERRUPT, f"interrupt line {vector - ARM_SHARED}"
    cause = error >> 26
    if cause in (*ARM_FETCH, *ARM_DATA):
        access = "execute" if cause in ARM_FETCH else "write" if error & 64 else "read"
        # Status codes 0x0C to 0x0F are those of permissions.
        return FAULT, f"page fault, {access} of {'a protected' if error & 0x3C == 0x0C else 'an absent'} page"
    return FAULT, ARM_CLASSES.get(cause, f"exception class {cause:#x}")


TRAPS = {"x86_64": describe_x86, "aarch64": describe_arm}
