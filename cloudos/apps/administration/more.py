"""more: files a screen at a time."""

from __future__ import annotations

from cloudos.apps.administration.access import Failed
from cloudos.apps.administration.screen import input_is_terminal, on_terminal, window
from cloudos.apps.inputs import CHUNK, open_input, operands_or_input, reason
from cloudos.apps.options import Usage, parse
from cloudos.contracts.console import Console
from cloudos.contracts.streams import Stream
from cloudos.lang import U8, U64, Error, Slice, error_code, free_slice, managed, new_slice, write_text
from cloudos.sdk import List, Reader, Text, print_error, stdout
from cloudos.sdk.component import held

TAB = ord("\t")
TAB_STOP = 8
INTERRUPT = 0x03
QUIT = (ord("q"), ord("Q"), INTERRUPT, 0x04)
RETURN = (ord("\r"), ord("\n"))
SPACE = ord(" ")
PROMPT = "\x1b[7m--More--\x1b[0m"
ERASE = "\r\x1b[K"

__all__ = ["more", "rows_of"]


class Quit(Error):
    """The person has seen enough."""


def rows_of(line: Slice[U8], columns: U64) -> U64:
    """How many rows of the screen a line takes, at least one."""
    width = U64(0)
    for byte in line:
        if byte == TAB:
            width = (width // TAB_STOP + 1) * TAB_STOP
        elif byte & 0xC0 != 0x80:
            width += 1
    return max((width + columns - 1) // columns, U64(1))


@managed
class Pager:
    """Shows lines, and waits for a key when the screen is full. `left`: rows that still fit."""

    console: U64
    columns: U64
    rows: U64
    left: U64

    def show(self, line: Text) -> None:
        """Write a line, after a key when it does not fit. Raises Quit, ServiceGone and what reading keys does."""
        need = min(rows_of(line.content, self.columns), self.rows)
        while need > self.left:
            self.wait()
        self.left -= need
        write_text(stdout, f"{line}\n")

    def wait(self) -> None:
        """Wait for a key that goes on: space a screen, Return a line. Raises Quit."""
        write_text(stdout, PROMPT)
        stdout.flush()
        room = new_slice(U8, 1)
        try:
            while True:
                if Stream(self.console).read(room) == 0 or is_quit(room[0]):
                    raise Quit
                if room[0] == SPACE:
                    self.left = self.rows
                    return
                if room[0] == RETURN[0] or room[0] == RETURN[1]:
                    self.left += 1
                    return
        finally:
            free_slice(room)
            write_text(stdout, ERASE)


def is_quit(key: U8) -> bool:
    return key == QUIT[0] or key == QUIT[1] or key == QUIT[2] or key == QUIT[3]


def copy_all(reader: Reader) -> None:
    """Write all that is read."""
    room = new_slice(U8, CHUNK)
    try:
        while True:
            count = reader.read(room)
            if count == 0:
                return
            stdout.write(room[0:count])
    finally:
        free_slice(room)


def show_file(reader: Reader, pager: Pager) -> None:
    """Show all lines that are read."""
    while True:
        line = reader.read_line()
        if line is None:
            return
        pager.show(line)


def show_files(paths: List[Text], pager: Pager, paged: bool) -> U8:
    """Show all files; the status. Raises Quit."""
    status = U8(0)
    for path in paths:
        try:
            reader = open_input(path)
            if paged:
                show_file(reader, pager)
            else:
                copy_all(reader)
        except Quit:
            raise
        except Error:
            print_error(f"more: {path}: {reason(error_code())}")
            status = U8(1)
    return status


def more(arguments: List[Text]) -> U8:
    """Show files, a screen at a time on a terminal, else as `cat` does."""
    options = parse(arguments, "")
    paths = operands_or_input(options.operands)
    console = held("console")
    columns, rows = window()
    page = max(rows, U64(2)) - 1  # one row is for the prompt
    pager = Pager(console, columns, page, page)
    if console == 0 or not on_terminal():
        return show_files(paths, pager, False)
    if paths.length == 1 and paths[0].equals("-") and input_is_terminal():
        print_error("usage: more FILE...")
        raise Usage
    try:
        Console(console).set_mode(True)
    except Error:
        print_error(f"more: Console.set_mode: {reason(error_code())}")
        raise Failed from None
    try:
        return show_files(paths, pager, True)
    except Quit:
        return U8(0)
    finally:
        stdout.flush()
        restore(console)


def restore(console: U64) -> None:
    """Let the terminal edit lines again."""
    try:
        Console(console).set_mode(False)
    except Error:
        print_error(f"more: Console.set_mode: {reason(error_code())}")
