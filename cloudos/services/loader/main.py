"""The loader service: `Programs` are sessions, `Program` is one program.

Badges: components have their numbers; 1 << 40 | N is the session of program N; 1 << 41 | N is program N itself, both
with the life of the service in the bits from 42 on, as numbers begin anew in each. A program that is given `files` or
`programs` gets sessions of its own instead, which end with it.

Who made a program may die without saying that it is not of interest any more: the service keeps a handle to each from
which those of all others are derived, and forgets programs that nobody has a handle to.

A part of the quota is no program's: what the service itself needs for all that others may ask of it at once, so that
who asks for too much gets an error, and the service goes on.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    BadState,
    Denied,
    NotFound,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import HANDLES_IN_FRAME, MOST_HANDLE_FRAMES, Rights
from cloudos.contracts.errors import NoSpace, ServiceError, ServiceGone
from cloudos.contracts.files import Files
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.programs import CONTINUE, KILL, LAST_STOP, STOP, STOPPED, Program, Programs
from cloudos.contracts.streams import Stream
from cloudos.lang import I64, U8, U64, Slice, data, managed, write_text
from cloudos.sdk import system, transport
from cloudos.sdk.bulk import Borrowed
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held
from cloudos.sdk.environment import args
from cloudos.sdk.memory import READ
from cloudos.sdk.quotas import usage
from cloudos.sdk.service import CALLER, Later, answer, server
from cloudos.sdk.spawn import end, label_word, new_process
from cloudos.services.loader.reading import Kept, Library, give_back, reserve, shown
from cloudos.services.loader.table import ENDED, NEW, RUNNING, Entry, new_entry, stricter

RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
PROCESS_RIGHTS = Rights.CONTROL | Rights.INSPECT | Rights.WAIT | Rights.DERIVE | Rights.TRANSFER
SESSION = 1 << 40
PROGRAM = 1 << 41
LIFE = 1 << 42
LIVES = 1 << 20
NUMBER = 0xFF_FFFF_FFFF  # the part of a badge that is a program's number
PATIENCE = 1_000_000_000  # nanoseconds that a stream's service may take: programs name it
SLOTS = 63
MOST_GIVEN = 128 << 10  # bytes of arguments and environment
MOST_STREAMS = 32
MOST_ENTRIES = 256
MOST_HANDLES = (MOST_HANDLE_FRAMES - 1) * HANDLES_IN_FRAME
LONGEST_NAME = 128  # bytes of a path that are kept, the last ones
GIVEN_PART = 3  # one part in so many of the reserve is for what all programs that have not started were given
SMALLEST = 176 << 10  # bytes of a program's quota
SHARE = 33  # hundredths of what is left, for each program
ROOMY = 32 << 20  # bytes of a quota that leave room for a large stack
OWN_PRIORITY = 90  # of programs: below all services
TURN = 10_000_000


@managed
class Loader:
    """All programs."""

    endpoint: U64
    bell: U64
    files: U64
    pipes: U64
    schedule: U64
    library: Library
    entries: List[Entry]
    next: U64
    slots: U64
    # Hundredths of what is left, for each program; the label of all.
    share: U64
    label: U64
    # In the badges of this life of the service.
    life: U64

    def create(self, path: Slice[U8]) -> U64:
        """See `Programs`."""
        return self.create_within(path, U64(0), U64(0))

    def limits(self) -> tuple[U64, U64]:
        """See `Programs`."""
        one = self.caller()
        return (U64(0), U64(0)) if one is None else (one.most_memory, one.most_handles)

    def create_within(self, path: Slice[U8], memory: U64, handles: U64) -> U64:
        """See `Programs`."""
        self.forget_abandoned()
        self.make_room()
        most_memory, most_handles = self.limits()
        most_memory, most_handles = stricter(memory, most_memory), stricter(handles, most_handles)
        executable = self.library.get(path)
        quota = self.part_of_quota(most_memory)
        _, size = usage(quota)
        number, kept = self.next, U64(0)
        try:
            label = label_word(self.label, min(most_handles, U64(MOST_HANDLES)))
            made = new_process(executable, quota, self.schedule, label, size >= ROOMY)
            kept = derive(self.endpoint, U64(PROGRAM) | self.life | number)
            handle = derive(kept, U64(0))
        except QuotaExceeded:
            transport.close(kept)
            transport.close(quota)
            raise
        self.next += 1
        name = path[path.length.saturating_sub(U64(LONGEST_NAME)) : path.length]
        one = new_entry(number, CALLER.badge, Text.from_bytes(name), made, kept, quota)
        one.most_memory, one.most_handles = most_memory, most_handles
        self.entries.append(one)
        return handle

    def part_of_quota(self, most: U64) -> U64:
        """A quota for a program, of `most` bytes unless that is 0, at the cost of executables that are kept.

        Raises QuotaExceeded.
        """
        while True:
            used, limit = usage(U64(initial.QUOTA))
            left = limit.saturating_sub(used + reserve(limit))
            try:
                if left < SMALLEST:
                    raise QuotaExceeded
                size = max(left * self.share // 100, U64(SMALLEST))
                return system.quota_create(U64(initial.QUOTA), min(size, most) if most != 0 else size)
            except QuotaExceeded:
                if not self.library.forget_oldest():
                    raise
            except (BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
                raise QuotaExceeded

    def make_room(self) -> None:
        """Forget the oldest program that has ended, when there are very many. Raises QuotaExceeded."""
        if self.entries.length < MOST_ENTRIES:
            return
        for index in U64.range(self.entries.length):
            if self.entries[index].state == ENDED:
                self.entries.remove_at(index)
                return
        raise QuotaExceeded

    def forget_abandoned(self) -> None:
        """Forget programs that nobody has a handle to; those that run, when they have ended."""
        index = U64(0)
        while index < self.entries.length:
            one = self.entries[index]
            if transport.is_held(one.kept):
                index += 1
                continue
            one.closed = True
            if one.state == RUNNING:
                index += 1
                continue
            self.entries.remove_at(index)
            if one.state == NEW:
                self.release(one)

    def session_of(self, one: Entry) -> U64:
        """The badge of a program's sessions."""
        return U64(SESSION) | self.life | one.number

    def pipe(self) -> tuple[U64, U64]:
        """See `Programs`. It counts as made by the caller, so that no program takes the pipes of all."""
        session = derive(self.pipes, CALLER.badge)
        try:
            return Pipes(session).make()
        except QuotaExceeded:
            raise
        except ServiceError:
            raise ServiceGone
        finally:
            transport.close(session)

    def kill(self, number: U64, group: bool, signal: U64) -> None:
        """See `Programs`."""
        if signal > 64:
            raise BadArgument
        found = False
        for one in self.entries:
            if one.state == RUNNING and (one.group == number if group else one.number == number):
                found = True
                send(one, signal)
        if not found:
            raise NotFound

    def own(self) -> tuple[U64, U64]:
        """See `Programs`."""
        one = self.caller()
        if one is None:
            return U64(0), U64(0)
        return one.number, one.group

    def attend(self, bell: U64, mask: U64) -> None:
        """See `Programs`."""
        one = self.caller()
        if one is None:
            raise Denied
        transport.close(one.bell)
        one.bell = bell
        one.mask = mask & ~(U64(1) << KILL | U64(1) << STOP)

    def caller(self) -> Entry | None:
        """The program whose session this is; None for a component."""
        for one in self.entries:
            if CALLER.badge == self.session_of(one):
                return one
        return None

    def list(self, position: U64, into: Slice[U8]) -> U64:
        """See `Programs`."""
        line = ByteBuffer()
        used, now = U64(0), system.clock_read()
        for index in U64.range(min(position, self.entries.length), self.entries.length):
            one = self.entries[index]
            line.clear()
            parent = one.owner & NUMBER if one.owner & SESSION != 0 else U64(0)
            memory, _ = usage(one.quota)
            write_text(line, f"{one.number} {parent} {one.group} ")
            write_text(line, one.word)
            write_text(line, f" {memory} {now - one.since if one.since != 0 else U64(0)} {one.name}\0")
            if line.length > into.length - used:
                break
            into[used : used + line.length].copy_from(line.content())
            used += line.length
        return used

    def named(self) -> Entry:
        """The program that the caller's handle is. Raises ServiceGone."""
        for one in self.entries:
            if CALLER.badge == U64(PROGRAM) | self.life | one.number:
                return one
        raise ServiceGone

    def new(self) -> Entry:
        """`named`, for one that has not started. Raises ServiceGone."""
        one = self.named()
        if one.state != NEW:
            raise ServiceGone
        return one

    def add_argument(self, value: Slice[U8]) -> None:
        """See `Program`."""
        self.add(EntryKind.ARGUMENT, data(b""), value)

    def add_variable(self, name: Slice[U8], value: Slice[U8]) -> None:
        """See `Program`."""
        self.add(EntryKind.ENVIRONMENT, name, value)

    def add_long(self, name: Slice[U8], memory: U64, length: U64) -> None:
        """See `Program`."""
        self.check_room(self.new(), name.length, length)
        borrowed = Borrowed()
        borrowed.map(memory, length, U64(READ))
        try:
            kind = EntryKind.ARGUMENT if name.length == 0 else EntryKind.ENVIRONMENT
            value = ByteBuffer()
            value.write(borrowed.content)
            self.add(kind, name, value.content())
        finally:
            borrowed.handle = U64(0)  # not closed yet: when an operation raises, its server does that
            borrowed.close()
        transport.close(memory)

    def add(self, kind: EntryKind, name: Slice[U8], value: Slice[U8]) -> None:
        """One more entry of what it is started with. Raises NoSpace, ServiceGone."""
        one = self.new()
        made = one.made
        if made is None:
            raise NoSpace
        one.given += self.check_room(one, name.length, value.length)
        made.block.add(kind, name, value)

    def check_room(self, one: Entry, name: U64, value: U64) -> U64:
        """What an entry of a name and a value of so many bytes takes. Raises NoSpace.

        There is room for so much of all programs that have not started; who has as much as is left gets no more.
        """
        size = name.saturating_add(value).saturating_add(U64(64))
        _, limit = usage(U64(initial.QUOTA))
        left = reserve(limit) // GIVEN_PART
        for other in self.entries:
            if other.state == NEW:
                left = left.saturating_sub(other.given)
        if one.given.saturating_add(size) > min(U64(MOST_GIVEN), left):
            raise NoSpace
        return size

    def give(self, name: Slice[U8], capability: U64) -> None:
        """See `Program`."""
        one = self.new()
        made = one.made
        if made is None or one.streams.length == MOST_STREAMS or name.length > 64:
            raise NoSpace
        given = Text.from_bytes(name)
        try:
            if given.equals("files"):
                self.give_session(made.process, one, given, self.files)
            elif given.equals("programs"):
                self.give_session(made.process, one, given, self.endpoint)
            else:
                made.give(given.content, capability, U64(0), U64(0))
        except (QuotaExceeded, BadHandle):
            raise NoSpace
        if given.equals("stdin") or given.equals("stdout") or given.equals("stderr") or given.starts_with("stream"):
            try:
                Stream(capability).share()
            except ServiceError:
                pass
            one.streams.append(capability)
        else:
            transport.close(capability)

    def give_session(self, process: U64, one: Entry, name: Text, service: U64) -> None:
        """Give a program a session of its own. Raises QuotaExceeded, BadHandle."""
        made = one.made
        if made is not None:
            made.give(name.content, service, U64(RIGHTS), self.session_of(one))
        one.has_files = one.has_files or service == self.files

    def start(self, group: U64) -> U64:
        """See `Program`."""
        one = self.new()
        made = one.made
        slot = self.free_slot()
        if made is None or slot == 0:
            raise QuotaExceeded
        made.start()
        one.thread, made.thread = made.thread, U64(0)
        one.made = None
        one.slot = slot
        self.slots = self.slots | U64(1) << slot
        one.group = one.number if group == 0 else group
        one.state = U64(RUNNING)
        one.since = system.clock_read()
        try:
            system.process_bind(one.process, self.bell, U64(1) << slot)
        except (BadArgument, BadState, BadHandle, WrongKind, Denied, PeerGone):
            end(one.process)
            raise QuotaExceeded
        return one.number

    def free_slot(self) -> U64:
        """A signal that tells no other program's end; 0 when there is none."""
        for slot in U64.range(1, SLOTS + 1):
            if not self.slots.bit(slot):
                return slot
        return U64(0)

    def wait(self) -> U64:
        """See `Program`."""
        one = self.named()
        if one.state == NEW:
            raise BadArgument
        if one.state == ENDED:
            return one.status
        one.waiting.append(CALLER.later())
        raise Later

    def wait_change(self) -> U64:
        """See `Program`."""
        one = self.named()
        if one.state == NEW:
            raise BadArgument
        if one.state == ENDED:
            return one.status
        if one.stopped != 0:
            return one.stopped + STOPPED
        one.watching.append(CALLER.later())
        raise Later

    def poll(self) -> U64 | None:
        """See `Program`."""
        one = self.named()
        if one.state != ENDED:
            return None
        return one.status

    def process(self) -> U64:
        """See `Program`."""
        one = self.named()
        if one.state == ENDED:
            raise ServiceGone
        try:
            return system.handle_derive(one.process, U64(PROCESS_RIGHTS), U64(0))
        except (BadArgument, BadHandle, Denied, OutOfMemory, TooManyHandles, PeerGone):
            raise QuotaExceeded

    def close(self) -> None:
        """See `Program`."""
        one = self.named()
        if one.state == RUNNING:
            one.closed = True
        else:
            if one.state == NEW:
                self.release(one)
            self.forget(one)

    def forget(self, gone: Entry) -> None:
        """Take a program out of the table."""
        for index in U64.range(self.entries.length):
            if self.entries[index].number == gone.number:
                self.entries.remove_at(index)
                return

    def release(self, one: Entry) -> None:
        """Give back what a program held through this service."""
        one.made = None
        for stream in one.streams:
            give_back(stream)
        one.streams.clear()
        if one.has_files:
            try:
                Files(self.library.files).end_session(self.session_of(one))
            except (Denied, ServiceError):
                pass
        transport.close(one.thread)
        one.thread, one.stopped = U64(0), U64(0)
        transport.close(one.process)
        transport.close(one.quota)
        transport.close(one.bell)
        one.bell = U64(0)
        # What it made and did not wait for is nobody's.
        for other in self.entries:
            if other.owner == self.session_of(one):
                other.closed = True

    def signalled(self, bits: U64) -> None:
        """Programs have ended."""
        index = U64(0)
        while index < self.entries.length:
            one = self.entries[index]
            if one.state == RUNNING and bits.bit(one.slot):
                self.finish(one)
            if one.closed and one.state == ENDED:
                self.entries.remove_at(index)
            else:
                index += 1

    def finish(self, one: Entry) -> None:
        """A program has ended."""
        try:
            one.status = system.process_inspect(one.process) & 0xFF
        except (BadHandle, WrongKind, Denied, PeerGone):
            one.status = U64(255)
        if one.signal != 0:
            one.status = one.signal + 128
        one.state = U64(ENDED)
        self.slots = self.slots & ~(U64(1) << one.slot)
        self.release(one)
        answer_all(one.waiting, one.status)
        answer_all(one.watching, one.status)


def answer_all(calls: List[U64], status: U64) -> None:
    """Answer calls that wait."""
    for reply in calls:
        answer(reply, status)
    calls.clear()


def send(one: Entry, signal: U64) -> None:
    """Do to a program what a signal does."""
    if signal == CONTINUE:
        go_on(one)
        tell(one, signal)
    elif signal != 0 and not tell(one, signal):
        if STOP <= signal <= LAST_STOP:
            stop(one, signal)
        else:
            one.signal = signal
            end(one.process)


def stop(one: Entry, signal: U64) -> None:
    """Stop a program: its first thread does not run any more. Others it may have go on."""
    if one.stopped != 0:
        return
    try:
        system.thread_suspend(one.thread)
    except (BadHandle, BadState, WrongKind, Denied, PeerGone):
        return
    one.stopped = signal
    answer_all(one.watching, signal + STOPPED)


def go_on(one: Entry) -> None:
    """Let a program run that was stopped."""
    if one.stopped == 0:
        return
    one.stopped = U64(0)
    try:
        system.thread_start(one.thread)
    except (BadHandle, BadState, WrongKind, Denied, PeerGone):
        pass


def tell(one: Entry, signal: U64) -> bool:
    """Hand a signal to a program that attends to it; False when it does not, or not any more."""
    if signal > 63 or not one.mask.bit(signal):
        return False
    try:
        system.notification_signal(one.bell, U64(1) << signal)
        return True
    except (BadHandle, WrongKind, Denied, PeerGone):
        return False


def number_in(name: str, otherwise: U64) -> U64:
    """What `NAME=NUMBER` among the arguments says. Raises InvalidNumber."""
    wanted = Text(name)
    for argument in args():
        parts = argument.split("=")
        if parts.length == 2 and parts[0] == wanted:
            return U64(max(parts[1].to_integer(), I64(0)))
    return otherwise


def derive(handle: U64, badge: U64) -> U64:
    """A handle to an endpoint with a badge. Raises QuotaExceeded."""
    try:
        return system.handle_derive(handle, U64(RIGHTS), badge)
    except (BadArgument, BadHandle, Denied, OutOfMemory, TooManyHandles, PeerGone):
        raise QuotaExceeded


serve = server((Programs, Loader), (Program, Loader))


def main() -> None:
    """Serve for ever. Raises what making its objects raises."""
    quota = U64(initial.QUOTA)
    schedule = system.schedule_create(quota, U64(OWN_PRIORITY), U64(TURN), U64(TURN))
    files, none = held("files"), U64(0)
    image = held("image")
    library = Library(derive(files, U64(1)), List[Kept](), image, shown(image))
    bell = held("bell")
    system.thread_bind(bell)
    transport.ATTACHED.patience = U64(PATIENCE)
    entries = List[Entry]()
    share, label = min(number_in("share", U64(SHARE)), U64(100)), number_in("label", none)
    life, number = system.clock_read() // 1_000_000 % LIVES * LIFE, U64(1)
    loader = Loader(
        held("offer"), bell, files, held("pipes"), schedule, library, entries, number, none, share, label, life
    )  # fmt: skip
    serve(loader.endpoint, loader, loader)
