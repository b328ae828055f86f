"""One session of the console: what is typed in it, who reads, what it shows."""

from __future__ import annotations

from cloudos.contracts.console import ACCEPTED, COMPLETE, END, INTERRUPT
from cloudos.lang import U8, U64, Slice, copy, data, managed, write_text
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.list import List
from cloudos.sdk.service import answer_bytes, fail
from cloudos.services.console.byte_queue import Queue, new_queue
from cloudos.services.console.display import Display, new_display
from cloudos.services.console.editor import GOING_ON, Editor, new_editor
from cloudos.services.console.history import new_history
from cloudos.services.console.output import Column, cook

LONGEST_TYPED = 4096
"""Bytes that wait for a reader; what is typed beyond is lost, and the bell says so."""
LONGEST_BACKLOG = 8192
"""Bytes of output that are kept while another session is shown."""
LONGEST_ANSWER = 4032
GONE = 300
INTERRUPTED = 311
INTERRUPT_KEY = 0x03
SUSPEND_KEY = 0x1A
REDRAW_KEY = 0x0C


@managed
class Waiter:
    """A call that waits, and how many bytes it takes or has brought."""

    reply: U64
    length: U64


@managed
class Session:
    """`out` is what goes to the terminal while the session is `active`, else it collects in `backlog`."""

    badge: U64
    active: bool
    out: Queue
    backlog: Queue
    # Bytes that were dropped from the backlog.
    dropped: U64
    column: Column
    display: Display
    editor: Editor
    raw: bool
    foreground: U64
    # The signal of the key that was pressed when nothing was in the foreground: what comes there next gets it.
    pressed: U64
    typed: Queue
    # Lines that are complete and not yet read; whether the end of file comes behind them.
    ready: Queue
    ended: bool
    readers: List[Waiter]
    # The call of edit_line that waits, 0 for none, and how many bytes it takes.
    editing: U64
    room: U64
    # A line is being edited for a reader.
    reading_line: bool
    # The last line that was edited stays on the screen, because it was to be completed.
    lingers: bool

    @property
    def in_line(self) -> bool:
        """Whether a line is being edited now."""
        return self.editing != 0 or self.reading_line

    def write(self, text: Slice[U8]) -> None:
        """Show what a program wrote; a line that is being edited makes room, and comes behind it again."""
        if self.lingers:
            self.leave_line()
        if self.in_line:
            self.display.hide()
            self.show_edited()
        cooked = ByteBuffer()
        cook(text, self.column, cooked)
        self.emit(cooked.content())
        if self.in_line:
            self.display.start(self.column.at)
            self.editor.draw()
            self.show_edited()

    def leave_line(self) -> None:
        """What comes next is below the line that was edited last."""
        self.lingers = False
        self.editor.leave()
        self.show_edited()
        self.column.at = U64(0)

    def emit(self, bytes: Slice[U8]) -> None:
        """Send bytes to the terminal, or keep them until the session is shown."""
        if self.active:
            self.out.put(bytes)
            return
        self.backlog.put(bytes)
        if self.backlog.length > LONGEST_BACKLOG:
            excess = self.backlog.length - LONGEST_BACKLOG
            self.backlog.skip(excess)
            self.dropped += excess

    def show_edited(self) -> None:
        """Send what the editor has drawn."""
        self.emit(self.display.out.content())
        self.display.out.clear()

    def edit(self, reply: U64, prompt: Slice[U8], text: Slice[U8], cursor: U64, room: U64) -> None:
        """Begin to edit a line; a call that waited for one ends with ServiceGone."""
        if self.editing != 0:
            fail(self.editing, U64(GONE))
        if self.in_line or self.lingers:
            self.display.hide()
            self.column.at = self.display.column
        self.reading_line, self.lingers, self.pressed = False, False, U64(0)
        self.editing, self.room = reply, min(room, U64(LONGEST_ANSWER))
        self.editor.begin(prompt, text, cursor, self.column.at, False)
        self.pump()

    def key(self, byte: U8) -> None:
        """A byte came from the terminal."""
        if byte == INTERRUPT_KEY and not self.raw and self.editing == 0:
            if self.lingers:
                self.leave_line()
            self.interrupt(False)
        elif self.typed.length < LONGEST_TYPED:
            one = ByteBuffer()
            one.append(byte)
            self.typed.put(one.content())
        else:
            self.emit(data(b"\x07"))

    def interrupt(self, told: bool) -> None:
        """The interrupt key: what was typed is forgotten and who reads is told. The foreground is ended elsewhere.

        `told`: the terminal shows it already.
        """
        self.typed.clear()
        self.ready.clear()
        if self.reading_line:
            self.editor.feed(U8(INTERRUPT_KEY))
            self.reading_line = False
            self.show_edited()
        elif not told:
            self.emit(data(b"^C\r\n"))
        self.column.at = U64(0)
        for reader in self.readers:
            fail(reader.reply, U64(INTERRUPTED))
        self.readers.clear()

    def pump(self) -> None:
        """Give what was typed to who waits for it, as far as possible."""
        more = True
        while more:
            if self.editing != 0:
                more = self.edit_key()
            elif self.readers.length > 0:
                more = self.serve_reader()
            else:
                more = False
        self.show_edited()

    def edit_key(self) -> bool:
        """Give a byte to the line that is edited for edit_line; False when there is none."""
        if self.typed.length == 0:
            return False
        outcome = self.editor.feed(self.typed.take())
        if outcome != GOING_ON:
            self.finish(outcome)
        return True

    def finish(self, outcome: U64) -> None:
        """The line has ended: answer edit_line."""
        self.show_edited()
        line = self.editor.line
        made = ByteBuffer()
        made.append(U8(outcome))
        made.append(U8(line.cursor & 0xFF))
        made.append(U8(line.cursor >> 8))
        made.write(line.text())
        self.column.at = self.display.column if outcome == END else U64(0)
        self.lingers = outcome == COMPLETE
        reply = self.editing
        self.editing = U64(0)
        answer_bytes(reply, made.content()[0 : min(made.length, self.room)])

    def serve_reader(self) -> bool:
        """Answer the reader who has waited longest, or edit his line further; False when nothing can be done."""
        if self.ready.length > 0:
            self.hand_over(self.ready)
        elif self.ended:
            reader = self.readers.remove_at(U64(0))
            if answer_bytes(reader.reply, data(b"")):
                self.ended = False
        elif self.raw:
            if self.typed.length == 0:
                return False
            self.hand_over(self.typed)
        else:
            return self.line_key()
        return True

    def hand_over(self, queue: Queue) -> None:
        """Answer the first reader from a queue. When that reader has ended, the bytes stay for the next."""
        reader = self.readers.remove_at(U64(0))
        count = min(reader.length, queue.length)
        if answer_bytes(reader.reply, queue.waiting()[0:count]):
            queue.skip(count)

    def line_key(self) -> bool:
        """Give a byte to the line that is edited for a reader; False when there is none."""
        if not self.reading_line:
            if self.lingers:
                self.leave_line()
            self.reading_line = True
            self.editor.begin(data(b""), data(b""), U64(0), self.column.at, True)
        if self.typed.length == 0:
            return False
        outcome = self.editor.feed(self.typed.take())
        if outcome == ACCEPTED or outcome == END:  # noqa: SIM109
            self.show_edited()
            self.reading_line = False
            self.column.at = U64(0) if outcome == ACCEPTED else self.display.column
            self.ready.put(self.editor.line.text())
            if outcome == ACCEPTED:
                self.ready.put(data(b"\n"))
            self.ended = outcome == END and self.editor.line.used == 0
        elif outcome == INTERRUPT:
            # It was typed in raw mode, before the mode was changed.
            self.reading_line = False
            self.interrupt(True)
        return True

    def set_raw(self, raw: bool) -> None:
        """Change the mode. A line that was being edited for a reader is given up: its reader gets keys."""
        if raw and self.reading_line:
            self.reading_line = False
            self.editor.leave_without_newline()
            self.show_edited()
            self.column.at = self.display.column
        self.raw = raw
        self.pump()

    def resize(self, columns: U64, rows: U64) -> None:
        """The window has another size."""
        shown = self.in_line
        if shown:
            self.display.hide()
        self.display.resize(columns, rows)
        self.column.columns = self.display.columns
        self.column.at = min(self.column.at, self.display.columns)
        if shown:
            self.display.start(min(self.display.column, self.display.columns))
            self.editor.draw()
        self.show_edited()

    def show(self, number: U64) -> None:
        """Take over the terminal: say which session it is, and show what it has missed."""
        self.active = True
        announced = ByteBuffer()
        write_text(announced, f"\r\n[session {number}]\r\n")
        if self.dropped > 0:
            write_text(announced, f"[{self.dropped} bytes of output were dropped]\r\n")
            self.dropped = U64(0)
        self.emit(announced.content())
        missed = self.backlog.content.to_bytes()
        self.emit(missed.content[self.backlog.taken : missed.length])
        self.backlog.clear()
        if self.in_line:
            self.emit(data(b"\r\x1b[J"))
            self.display.start(U64(0))
            self.editor.draw()
            self.show_edited()


def new_session(badge: U64, out: Queue) -> Session:
    """A session that is not shown."""
    display, none = new_display(), U64(0)
    column = Column()
    editor = new_editor(display, new_history())
    return Session(
        badge, False, out, new_queue(), none, copy(column), display, editor, False, none, none, new_queue(),
        new_queue(), False, List[Waiter](), none, none, False, False,
    )  # fmt: skip
