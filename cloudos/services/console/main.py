"""The console service: up to nine sessions, which share one serial line. Control-] and a digit choose which is shown.

Who asks is known by the badge of the handle that was used. The first badge has session 1, the next one session 2, and
so on; handles that are handed on keep their badge, so a program and what it starts share a session.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.abi.wiring import RESTARTED
from cloudos.contracts.console import Console
from cloudos.contracts.errors import BadMessage, BadOperation, NoSpace, NotSeekable, ServiceError, ServiceGone
from cloudos.contracts.files import TERMINAL
from cloudos.contracts.logs import NOTICE, Log
from cloudos.contracts.programs import INTERRUPT, TERMINAL_STOP, Programs
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Slice, data, managed
from cloudos.sdk import system, transport
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held
from cloudos.sdk.heap import has_room
from cloudos.sdk.service import CALLER, Later, answer, server
from cloudos.services.console.byte_queue import Queue, new_queue
from cloudos.services.console.link import Link
from cloudos.services.console.session import INTERRUPT_KEY, REDRAW_KEY, SUSPEND_KEY, Session, Waiter, new_session
from cloudos.services.console.window import Window, new_window

MOST_SESSIONS = 9
SWITCH_KEY = 0x1D
"""Control-]."""
SESSION_ROOM = 24576
"""Bytes that must be left of the memory of the service for another session."""
OUTPUT_ROOM = 16384
"""Bytes that must be left for what somebody writes while others wait already."""
LONGEST_OUTPUT = 4096
"""Bytes that wait for the line; who writes more waits."""
TICK = 1_000_000_000  # nanoseconds between two looks at whether the driver knows us
PATIENCE = 200_000_000  # nanoseconds that a driver may take
# The loader may be calling us at that moment: both would wait. It is asked again a little later.
KILL_PATIENCE = 100_000_000
MOST_EARLY = 16384  # bytes that wait for the first session
KILL_PAUSE = 50_000_000
KILL_TRIES = 20


@managed
class ConsoleServer:
    """Implements `Console` and `Stream`. `programs` is a handle to `Programs`, or 0."""

    link: Link
    programs: U64
    sessions: List[Session]
    # The number of the session that is shown, less one.
    current: U64
    # Control-] was pressed.
    switching: bool
    window_size: Window
    came: Queue
    # Calls of write that wait until the line has taken enough.
    writers: List[Waiter]
    # A group of programs that is to be ended, 0 for none; how often that may still be tried.
    doomed: U64
    tries: U64
    next_try: U64
    next_tick: U64
    # A line was edited already.
    prompted: bool
    # What `doomed` gets.
    signal: U64 = U64(INTERRUPT)

    def session(self) -> Session:
        """The session of the caller. Raises ServiceGone: there are nine others."""
        for one in self.sessions:
            if one.badge == CALLER.badge:
                return one
        if self.sessions.length == MOST_SESSIONS or not has_room(U64(SESSION_ROOM), U64(SESSION_ROOM)):
            raise ServiceGone
        made = new_session(CALLER.badge, self.link.out)
        made.active = self.sessions.length == self.current
        made.resize(self.window_size.columns, self.window_size.rows)
        self.sessions.append(made)
        # What was typed before there was anybody to read it.
        self.take_keys()
        return made

    def edit_line(self, prompt: Slice[U8], text: Slice[U8], cursor: U64, into: Slice[U8]) -> U64:
        """See `Console`."""
        self.session().edit(CALLER.later(), prompt, text, cursor, into.length)
        self.link.send()
        self.note_prompt()
        raise Later

    def note_prompt(self) -> None:
        """Tell the log when the first prompt is with the driver: when the machine can be used, nobody else knows."""
        if not self.prompted and self.link.out.length == 0:
            for one in self.sessions:
                self.prompted = self.prompted or one.editing != 0
            if self.prompted:
                record("the first prompt is with the driver")

    def remember(self, line: Slice[U8]) -> None:
        """See `Console`."""
        self.session().editor.history.remember(line)

    def window(self) -> tuple[U64, U64]:
        """See `Console`."""
        self.session()
        return self.window_size.columns, self.window_size.rows

    def set_mode(self, raw: bool) -> None:
        """See `Console`."""
        self.session().set_raw(raw)
        self.link.send()

    def set_foreground(self, group: U64) -> None:
        """See `Console`."""
        session = self.session()
        session.foreground = group
        if group != 0 and session.pressed != 0:
            # The key was faster than the program's start.
            self.doomed, self.tries, self.next_try = group, U64(KILL_TRIES), system.clock_read()
            self.signal = session.pressed
        session.pressed = U64(0)

    def interrupted(self) -> bool:
        """See `Console`."""
        session = self.session()
        pressed = session.pressed == INTERRUPT
        if pressed:
            session.pressed = U64(0)
        return pressed

    def unsent(self) -> U64:
        """See `Console`."""
        return self.link.unsent()

    def history(self, position: U64, into: Slice[U8]) -> U64:
        """See `Console`."""
        lines = self.session().editor.history.lines
        if position >= lines.length:
            return U64(0)
        content = lines[position].content
        count = min(content.length, into.length)
        into[0:count].copy_from(content[0:count])
        return count

    def read(self, into: Slice[U8]) -> U64:
        """See `Stream`."""
        session = self.session()
        if into.length == 0:
            return U64(0)
        session.readers.append(Waiter(CALLER.later(), into.length))
        session.pump()
        self.link.send()
        raise Later

    def write(self, data: Slice[U8]) -> U64:
        """See `Stream`. Who writes faster than the line sends waits for it. NoSpace: very many wait."""
        session = self.session()
        if self.link.out.length > LONGEST_OUTPUT and not has_room(U64(OUTPUT_ROOM), U64(OUTPUT_ROOM)):
            raise NoSpace
        session.write(data)
        self.link.send()
        if session.active and self.link.out.length > LONGEST_OUTPUT:
            self.writers.append(Waiter(CALLER.later(), data.length))
            raise Later
        return data.length

    def seek(self, offset: I64, origin: U64) -> U64:
        """See `Stream`."""
        self.session()
        raise NotSeekable

    def truncate(self, length: U64) -> None:
        """See `Stream`."""
        self.session()
        raise NotSeekable

    def status(self) -> Status:
        """See `Stream`."""
        self.session()
        none = U64(0)
        return Status(U64(TERMINAL), U64(0o600), none, none, CALLER.badge, none, U64(1))

    def share(self) -> None:
        """See `Stream`: a session does not end, so nobody is counted."""
        self.session()

    def close(self) -> None:
        """See `Stream`: a session does not end, so nobody is counted."""
        self.session()

    def signalled(self, bits: U64) -> None:
        """The line has bytes for us, or room; or its driver was started again and does not know of us."""
        if bits & RESTARTED != 0:
            self.link.watch()
        if self.link.receive(self.came):
            # There may be more, and clients have their turn first.
            self.next_tick = U64(0)
        self.take_keys()
        self.flush()
        if system.clock_read() >= self.deadline():
            self.expired()

    def take_keys(self) -> None:
        """Hand what came to the sessions. Until there is one it waits, as far as it is not more than anybody types."""
        if self.sessions.length == 0 and self.came.length < MOST_EARLY:
            return
        typed = new_queue()
        while self.came.length > 0:
            if self.window_size.feed(self.came.take(), typed):
                for one in self.sessions:
                    one.resize(self.window_size.columns, self.window_size.rows)
        self.hand_out(typed)

    def hand_out(self, typed: Queue) -> None:
        """Give keys to the session that is shown."""
        while typed.length > 0:
            byte = typed.take()
            if self.switching:
                self.switching = False
                if 0x31 <= byte <= 0x39:
                    self.show(U64(byte - 0x31))
                    continue
                if byte != SWITCH_KEY:
                    continue
            elif byte == SWITCH_KEY:
                self.switching = True
                continue
            if self.current < self.sessions.length:
                self.key(self.sessions[self.current], byte)
        for one in self.sessions:
            one.pump()

    def key(self, session: Session, byte: U8) -> None:
        """A key for a session."""
        cooked = not session.raw
        if cooked and byte == INTERRUPT_KEY and session.editing == 0:
            self.signal_foreground(session, U64(INTERRUPT))
        if cooked and byte == SUSPEND_KEY and session.editing == 0:
            session.emit(data(b"^Z\r\n"))
            self.signal_foreground(session, U64(TERMINAL_STOP))
            return
        session.key(byte)
        if cooked:
            # What the next key means may depend on this one. Who reads keys gets all that came at once.
            session.pump()
            if byte == REDRAW_KEY:
                self.window_size.ask(self.link.out, system.clock_read())

    def signal_foreground(self, session: Session, signal: U64) -> None:
        """Send a signal to what is in the foreground; where nothing is, what comes there next will get it."""
        if session.foreground == 0:
            session.pressed = signal
            return
        session.pressed = U64(0)
        self.doomed, self.tries, self.signal = session.foreground, U64(KILL_TRIES), signal
        self.kill()

    def show(self, number: U64) -> None:
        """Show another session; one that nobody has used yet shows nothing until then."""
        if number == self.current:
            return
        if self.current < self.sessions.length:
            self.sessions[self.current].active = False
        self.current = number
        if number < self.sessions.length:
            self.sessions[number].show(number + 1)
        else:
            self.link.out.put(data(b"\r\n[no session]\r\n"))

    def kill(self) -> None:
        """End the group of programs that is doomed, or try again soon."""
        if self.programs == 0 or self.doomed == 0:
            self.doomed = U64(0)
            return
        transport.ATTACHED.patience = U64(KILL_PATIENCE)
        try:
            Programs(self.programs).kill(self.doomed, True, self.signal)
            self.doomed = U64(0)
        except ServiceGone:
            self.tries -= 1
            self.next_try = system.clock_read() + KILL_PAUSE
            if self.tries == 0:
                self.doomed = U64(0)
        except (NotFound, Denied, BadArgument, BadMessage, BadOperation):
            self.doomed = U64(0)
        transport.ATTACHED.patience = U64(PATIENCE)

    def flush(self) -> None:
        """Send what waits, and let writers go on when there is room."""
        self.link.send()
        self.note_prompt()
        if self.link.out.length <= LONGEST_OUTPUT // 2:
            for one in self.writers:
                answer(one.reply, one.length)
            self.writers.clear()

    def deadline(self) -> U64:
        """When `expired` is to be called."""
        if self.doomed != 0:
            return min(self.next_tick, self.next_try)
        return self.next_tick

    def expired(self) -> None:
        """Time has passed: a driver that did not answer, or who else was called, may be ready now."""
        if self.doomed != 0 and system.clock_read() >= self.next_try:
            self.kill()
        now = system.clock_read()
        if now < self.next_tick:
            return
        self.next_tick = now + TICK
        typed = new_queue()
        self.window_size.expire(now, typed)
        self.hand_out(typed)
        # The driver signals at once when bytes are there.
        if not self.link.watched:
            self.link.watch()
        self.flush()


serve = server((Console, ConsoleServer), (Stream, ConsoleServer))


def record(text: str) -> None:
    """Write a record into the log of the system, if there is one."""
    handle = held("log")
    if handle != 0:
        try:
            line = Text(text)
            Log(handle).note(U64(NOTICE), line.content)
        except ServiceError:
            pass


def new_console(serial: U64, programs: U64, notification: U64) -> ConsoleServer:
    """A console whose driver signals `notification`."""
    link, none = Link(serial, notification, new_queue(), False), U64(0)
    sessions, writers = List[Session](), List[Waiter]()
    return ConsoleServer(
        link, programs, sessions, none, False, new_window(), new_queue(), writers, none, none, none, none, False
    )  # fmt: skip


def main() -> None:
    """Serve for ever. Raises what binding the notification does."""
    notification = held("bell")
    system.thread_bind(notification)
    transport.ATTACHED.patience = U64(PATIENCE)
    console = new_console(held("serial"), held("programs"), notification)
    console.window_size.ask(console.link.out, system.clock_read())
    console.expired()
    serve(held("offer"), console, console)
