"""The line editor: keys in, a line out; what the terminal shows goes into `display.out`.

Nothing here knows of services: bytes go in through `feed`, which says whether the line has ended and why.
"""

from __future__ import annotations

from typing import Literal

from cloudos.contracts.console import ACCEPTED, COMPLETE, END, INTERRUPT
from cloudos.lang import U8, U32, U64, Array, Slice, data, managed, struct, write_text, zeroed
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.bytes import Bytes
from cloudos.services.console import keys
from cloudos.services.console.display import Display
from cloudos.services.console.glyphs import encode, glyph_at
from cloudos.services.console.history import History
from cloudos.services.console.keys import Keys
from cloudos.services.console.line import Line

GOING_ON = 0
BELL = 0x07


def control(letter: str) -> int:
    """The number of a control character, while importing."""
    return ord(letter) & 0x1F


BEGIN, BACK, LAST, FORWARD, CANCEL, RUB, KILL, REDRAW = (control(letter) for letter in "ABEFGHKL")
NEXT, PREVIOUS, SEARCH, TRANSPOSE, DISCARD, RUB_WORD, YANK = (control(letter) for letter in "NPRTUWY")
RUB_TOO = 0x7F


@struct
class Typed:
    """A character as bytes."""

    bytes: Array[U8, Literal[4]] = zeroed()


@managed
class Editor:
    """One line at a time. `plain`: for programs that read lines, without history and completion."""

    display: Display
    history: History
    keys: Keys
    line: Line
    prompt: Bytes
    plain: bool
    # What was killed last; the line as it was before the history was looked at.
    killed: Bytes
    kept: Bytes
    # The line of the history that is shown; the number of lines: none.
    at: U64
    searching: bool
    wanted: ByteBuffer
    failed: bool

    def begin(self, prompt: Slice[U8], text: Slice[U8], cursor: U64, column: U64, plain: bool) -> None:
        """Show a new line, beginning in a column of the row where the terminal's cursor is."""
        self.prompt = Bytes(prompt)
        self.plain = plain
        self.searching = False
        self.keys = Keys()
        self.at = self.history.lines.length
        self.line.set(text, cursor)
        self.display.start(column)
        self.draw()

    def feed(self, byte: U8) -> U64:
        """Take a byte from the terminal: GOING_ON, or ACCEPTED, COMPLETE, END, INTERRUPT."""
        key = self.keys.feed(byte)
        if key == keys.NONE:
            return U64(GOING_ON)
        if self.searching and self.search_key(key):
            return U64(GOING_ON)
        if key < 0x20:
            return self.control_key(key)
        if key == RUB_TOO:
            self.rub(self.line.before(self.line.cursor))
        elif key >= keys.NONE:
            self.special_key(key)
        else:
            self.type(key)
        return U64(GOING_ON)

    def control_key(self, key: U32) -> U64:
        """A control character."""
        match key:
            case 0x0A | 0x0D:
                self.leave()
                return U64(ACCEPTED)
            case 0x03:
                self.line.cursor = self.line.used
                self.draw()
                self.display.out.write(data(b"^C\r\n"))
                return U64(INTERRUPT)
            case 0x04:
                if self.line.used == 0 or self.plain:
                    self.leave_without_newline()
                    return U64(END)
                self.delete(self.line.after(self.line.cursor))
            case 0x09:
                if not self.plain:
                    return U64(COMPLETE)
                self.type(key)
            case _:
                self.editing_key(key)
        return U64(GOING_ON)

    def editing_key(self, key: U32) -> None:
        """A control character that changes the line or moves in it."""
        line = self.line
        if key == BEGIN:
            self.move_to(U64(0))
        elif key == LAST:
            self.move_to(line.used)
        elif key == BACK:
            self.move_to(line.before(line.cursor))
        elif key == FORWARD:
            self.move_to(line.after(line.cursor))
        elif key == RUB:
            self.rub(line.before(line.cursor))
        elif key == KILL:
            self.kill(line.cursor, line.used)
        elif key == DISCARD:
            self.kill(U64(0), line.cursor)
        elif key == RUB_WORD:
            self.kill(line.word_start(True), line.cursor)
        elif key == YANK:
            self.insert(self.killed.content)
        elif key == TRANSPOSE:
            self.changed(line.transpose())
        elif key == REDRAW:
            self.clear()
        elif key == PREVIOUS:
            self.older()
        elif key == NEXT:
            self.newer()
        elif key == SEARCH and not self.plain:
            self.start_search()

    def special_key(self, key: U32) -> None:
        """A key that is not a character."""
        line = self.line
        match key:
            case keys.LEFT:
                self.move_to(line.before(line.cursor))
            case keys.RIGHT:
                self.move_to(line.after(line.cursor))
            case keys.HOME:
                self.move_to(U64(0))
            case keys.END:
                self.move_to(line.used)
            case keys.UP:
                self.older()
            case keys.DOWN:
                self.newer()
            case keys.DELETE:
                self.delete(line.after(line.cursor))
            case keys.WORD_LEFT:
                self.move_to(line.word_start(False))
            case keys.WORD_RIGHT:
                self.move_to(line.word_end())
            case keys.ERASE_WORD_LEFT:
                self.kill(line.word_start(False), line.cursor)
            case keys.ERASE_WORD_RIGHT:
                self.kill(line.cursor, line.word_end())
            case _:
                pass

    def type(self, key: U32) -> None:
        """Insert a character."""
        typed = Typed()
        length = encode(key, typed.bytes.slice())
        glyph = typed.bytes.slice()[0:length]
        at_end = self.line.cursor == self.line.used
        if not self.line.insert(glyph):
            self.changed(False)
        elif not (at_end and key >= 0x20 and self.display.append(glyph, glyph_at(glyph, U64(0)).width)):
            self.draw()

    def insert(self, text: Slice[U8]) -> None:
        """Insert text."""
        self.changed(text.length > 0 and self.line.insert(text))

    def move_to(self, position: U64) -> None:
        """Move the cursor."""
        moved = position != self.line.cursor
        self.line.cursor = position
        self.changed(moved)

    def rub(self, start: U64) -> None:
        """Remove what is before the cursor, from `start` on."""
        self.remove(start, self.line.cursor)

    def delete(self, stop: U64) -> None:
        """Remove what is behind the cursor, up to `stop`."""
        self.remove(self.line.cursor, stop)

    def remove(self, start: U64, stop: U64) -> None:
        """Remove a part of the line."""
        if start < stop:
            self.line.remove(start, stop)
        self.changed(start < stop)

    def kill(self, start: U64, stop: U64) -> None:
        """Remove a part of the line, which YANK can insert again."""
        if start < stop:
            self.killed = Bytes(self.line.text()[start:stop])
        self.remove(start, stop)

    def older(self) -> None:
        """Show the line of the history before this one."""
        if self.plain or self.at == 0:
            self.changed(False)
            return
        if self.at >= self.history.lines.length:
            self.at = self.history.lines.length
            self.kept = Bytes(self.line.text())
        self.show_line(self.at - 1)

    def newer(self) -> None:
        """Show the line of the history behind this one, and behind the last the line that was being edited."""
        if self.plain or self.at >= self.history.lines.length:
            self.changed(False)
        else:
            self.show_line(self.at + 1)

    def show_line(self, number: U64) -> None:
        """Show a line of the history, or behind the last one what was kept."""
        self.at = number
        shown = self.kept if number >= self.history.lines.length else self.history.lines[number]
        self.line.set(shown.content, shown.length)
        self.draw()

    def start_search(self) -> None:
        """Look for lines that contain what is typed from now on."""
        self.searching, self.failed = True, False
        self.wanted.clear()
        self.at = self.history.lines.length
        self.kept = Bytes(self.line.text())
        self.draw()

    def search_key(self, key: U32) -> bool:
        """A key while searching; False when it ends the search and is a key for the line that was found."""
        if key == SEARCH:
            self.search(self.at)
        elif key == RUB or key == RUB_TOO:  # noqa: SIM109
            if self.wanted.length > 0:
                shorter = Bytes(self.wanted.content()[0 : self.wanted.length - 1])
                while shorter.length > 0 and self.wanted[shorter.length] & 0xC0 == 0x80:
                    shorter = Bytes(shorter.content[0 : shorter.length - 1])
                self.wanted.clear()
                self.wanted.write(shorter.content)
            self.search(self.history.lines.length)
        elif key == CANCEL:
            self.end_search()
            self.at = self.history.lines.length
            self.line.set(self.kept.content, self.kept.length)
            self.draw()
        elif 0x20 <= key < keys.NONE:
            typed = Typed()
            length = encode(key, typed.bytes.slice())
            self.wanted.write(typed.bytes.slice()[0:length])
            self.search(min(self.at.saturating_add(U64(1)), self.history.lines.length))
        else:
            self.end_search()
            self.draw()
            return False
        return True

    def search(self, before: U64) -> None:
        """Show the newest line older than `before` with what is wanted; without one what is shown stays."""
        found = self.history.search(self.wanted.content(), before)
        self.failed = found is None
        if found is not None:
            self.at = found
            shown = self.history.lines[found]
            self.line.set(shown.content, shown.length)
        self.draw()

    def end_search(self) -> None:
        """Back to the line."""
        self.searching = False

    def changed(self, something: bool) -> None:
        """Show the line again, or let the bell say that nothing could be done."""
        if something:
            self.draw()
        else:
            self.display.out.append(U8(BELL))

    def draw(self) -> None:
        """Show the line as it is."""
        if not self.searching:
            self.display.draw(self.prompt.content, self.line.text(), self.line.cursor)
            return
        prompt = ByteBuffer()
        write_text(prompt, "(no such line) `" if self.failed else "(search) `")
        prompt.write(self.wanted.content())
        write_text(prompt, "': ")
        self.display.draw(prompt.content(), self.line.text(), self.line.cursor)

    def clear(self) -> None:
        """Clear the screen; the line is then at its top."""
        self.display.out.write(data(b"\x1b[H\x1b[2J"))
        self.display.start(U64(0))
        self.draw()

    def leave_without_newline(self) -> None:
        """The line is done; the cursor goes to its end."""
        self.searching = False
        self.line.cursor = self.line.used
        self.draw()

    def leave(self) -> None:
        """The line is done; what comes next is written below it."""
        self.leave_without_newline()
        self.display.out.write(data(b"\r\n"))


def new_editor(display: Display, history: History) -> Editor:
    """An editor without a line."""
    none = Bytes(data(b""))
    line: Line = zeroed()
    return Editor(display, history, Keys(), line, none, False, none, none, U64(0), False, ByteBuffer(), False)
