"""Utilities that read a small language from their arguments, and those that read text: any arguments, any input.

Only such as change nothing outside: they run in this process over the host. They end with a status, and never panic.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from pathlib import Path

from cloudos.apps.dates import date_of, format_date
from cloudos.apps.modes import BadMode, mode_text, parse_mode
from cloudos.apps.toolbox.sed_script import BadScript, parse_script
from cloudos.lang import U64
from cloudos.sdk import Text
from tests.fuzz.services import literal
from tests.fuzz.target import Feed
from tests.unit.apps.toolbox import run

COMMANDS = ("expr", "printf", "tr", "cut", "sort", "uniq", "wc", "head", "grep", "test", "[", "echo", "basename",
            "dirname", "hexdump", "seq", "sha256sum", "od", "date", "cat")  # fmt: skip
LARGE = re.compile(rb"\d{4}|[eE]\d{2}|0[xX]")
"""Widths and counts above are slow and nothing else."""
OPTIONS = {
    "sort": (b"-n", b"-r", b"-u", b"-f", b"-k2,2", b"-t:", b"-b", b"-d", b"-c", b"-s"),
    "date": (b"-u", b"+%Y"),
    "grep": (b"-E", b"-i", b"-o", b"-n", b"-c", b"-w", b"-F", b"-e", b"-v"),
}


def fuzz(data: bytes) -> None:
    """Run one utility, or read one of their languages."""
    feed = Feed(data)
    form = feed.number()
    if form >= 224:
        read(feed, form)
        return
    command = COMMANDS[form % len(COMMANDS)]
    arguments = [argument(feed, command) for _ in range(feed.number() & 3)]
    content = feed.rest()
    if any(b"\0" in one or LARGE.search(one) for one in arguments) or unsafe(command, arguments):
        return
    words = [command, *(one.decode("utf-8", "surrogateescape") for one in arguments)]
    try:
        for word in words:
            word.encode()
    except UnicodeEncodeError:
        return
    with tempfile.TemporaryDirectory(prefix="cloudos-fuzz-") as folder:
        result = run(words, Path(folder), content)
    assert 0 <= result.status < 128, result


def argument(feed: Feed, command: str) -> bytes:
    """An option that the utility knows, or any text."""
    form = feed.number()
    known = OPTIONS.get(command, ())
    if known and form >= 128:
        return bytes(known[form % len(known)])
    return feed.take(form & 31)


def unsafe(command: str, arguments: list[bytes]) -> bool:
    """What writes, waits, or reads files that never end."""
    text = b" ".join(arguments)
    if b"/" in text and command not in ("expr", "printf", "basename", "dirname", "echo", "tr", "test", "["):
        return True
    return (
        (command == "sort" and b"o" in text)
        or (command == "date" and b"s" in text)
        or (command == "uniq" and len(arguments) > 1)
    )


def read(feed: Feed, form: int) -> None:
    """The languages that stand for themselves."""
    text = Text.from_bytes(literal(feed.rest()))
    if form < 240:
        with suppress(BadScript):
            parse_script(text, bool(form & 1)).parse()
    elif form < 248:
        try:
            mode = parse_mode(text, U64(0o644), bool(form & 1))
            assert mode <= 0o7777
            assert mode_text(mode).length > 0
        except BadMode:
            pass
    else:
        format_date(date_of(U64(form * 1_234_567_890)), text)
