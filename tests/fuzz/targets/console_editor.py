"""The console's line editor and its view of the window: any keys, in lines of any beginning.

The cursor stays in the line, what is drawn is text of ECMA-48 that a small terminal understands, and bytes that are not
the terminal's answer reach whom they are for.
"""

from __future__ import annotations

import re

from cloudos.lang import U8, U64
from cloudos.services.console.byte_queue import new_queue
from cloudos.services.console.display import new_display
from cloudos.services.console.editor import Editor, new_editor
from cloudos.services.console.history import new_history
from cloudos.services.console.window import new_window
from tests.fuzz.services import literal
from tests.fuzz.target import Feed
from tests.unit.services.terminal_model import Terminal

KEYS = (b"\x1b[D", b"\x1b[C", b"\x1b[A", b"\x1b[B", b"\x1b[H", b"\x1b[F", b"\x1b[3~", b"\x1b[1;5D", b"\x1bf", b"\x12",
        b"\x19", b"\x0b", b"\x15", b"\x17", b"\x14", b"\x0c", b"\x7f", b"\x08", b"\t", "é".encode(), "日本".encode(),
        "🙂".encode(), "\u0301".encode(), b"ab ", b"\x03", b"\x04", b"\r")  # fmt: skip
HISTORY = ("first line", "second", "日本語 third", "a" * 90)
MOST_KEYS = 80
ANSWER = re.compile(rb"\x1b\[\d+;\d+R")


def fuzz(data: bytes) -> None:
    """Edit a line, or look for the answer about the window in any bytes."""
    feed = Feed(data)
    form = feed.number()
    if form & 7 == 0:
        window(feed)
        return
    columns, rows = 2 + feed.number() % 90, 2 + feed.number() % 30
    terminal = Terminal(columns, rows)
    history = new_history()
    for line in HISTORY[: form >> 3 & 3]:
        history.remember(literal(line.encode()))
    editor = new_editor(new_display(), history)
    editor.display.resize(U64(columns), U64(rows))
    content = feed.take(feed.number() & 63)
    editor.begin(literal(b"$ "), literal(content), U64(feed.number() % (len(content) + 1)), U64(0), bool(form & 64))
    show(editor, terminal)
    count = 0
    while feed.left and count < MOST_KEYS:
        count += 1
        key = feed.number()
        typed = KEYS[key % len(KEYS)] if key < 200 else bytes([feed.number()])
        if not all(feed_byte(editor, terminal, byte) for byte in typed):
            return


def feed_byte(editor: Editor, terminal: Terminal, byte: int) -> bool:
    """Press a key; whether the line goes on."""
    going_on = bool(editor.feed(U8(byte)) == 0)
    show(editor, terminal)
    line = editor.line
    assert line.cursor <= line.used
    return going_on


def show(editor: Editor, terminal: Terminal) -> None:
    """What was drawn goes to the terminal."""
    out = editor.display.out
    content = bytes(int(byte) for byte in out.content())
    out.clear()
    terminal.feed(content)


def window(feed: Feed) -> None:
    """What is not the answer goes through, whole and in order."""
    made, through, out = new_window(), new_queue(), new_queue()
    made.ask(out, U64(0))
    content = feed.rest()
    answered = False
    for byte in content:
        answered = made.feed(U8(byte), through) or answered
    made.expire(U64(1 << 40), through)
    passed = bytes(int(through.take()) for _ in range(int(through.length)))
    assert 2 <= made.columns <= 1000 and 2 <= made.rows <= 1000
    kept = [content[: found.start()] + content[found.end() :] for found in ANSWER.finditer(content)]
    assert passed in (kept if answered else [content])
