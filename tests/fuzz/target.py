"""What a fuzz target is, and how one input of it is run; needs nothing but the standard library."""

from __future__ import annotations

import faulthandler
import importlib
import random
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

FOLDER = Path(__file__).resolve().parent
CORPUS = FOLDER / "corpus"
CRASHES = FOLDER / "crashes"
PATIENCE = 20
"""Seconds for one input when it is replayed. Each takes milliseconds: more is an endless loop."""


@dataclass(frozen=True)
class Target:
    """A boundary that takes bytes from elsewhere.

    `module` has `fuzz(data: bytes) -> None`, which raises whatever is a crash. `guides`: the modules, or the packages,
    whose branches guide the search; "generated" stands for the code of contracts. `longest`: bytes of an input.
    """

    name: str
    boundary: str
    guides: tuple[str, ...]
    longest: int = 1024
    # Whether operands of comparisons guide too: finds magic numbers, and makes everything slower.
    compares: bool = True
    # Whether inputs are texts, which are changed word by word too.
    is_text: bool = False

    @property
    def module(self) -> str:
        """The module of the target."""
        return f"tests.fuzz.targets.{self.name}"

    def load(self) -> Any:
        """Import the module."""
        return importlib.import_module(self.module)

    @property
    def inputs(self) -> list[Path]:
        """The inputs that are kept: seeds, and what crashed once."""
        folders = (CORPUS / self.name, CRASHES / self.name)
        return sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())


class TooLong(BaseException):
    """An input took longer than `PATIENCE`."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TooLong where the block is when it has taken so many seconds. For the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong(f"not finished after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def replay(target: Target, data: bytes, seconds: float = PATIENCE) -> None:
    """Run one input. Raises what it crashes with, TooLong when it does not end."""
    fuzz = target.load().fuzz
    with limited(seconds):
        fuzz(data)


class Feed:
    """Decisions drawn from the bytes of an input; behind the last byte, zeros."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes that were not drawn yet."""
        return max(len(self.data) - self.at, 0)

    def take(self, count: int) -> bytes:
        """The next bytes, fewer at the end."""
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int = 1) -> int:
        """A little-endian number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def below(self, limit: int) -> int:
        """A number under `limit`, from one byte when that suffices."""
        return self.number(1 if limit <= 256 else 2 if limit <= 65536 else 8) % limit

    def choose(self, items: Any) -> Any:
        """One of a sequence."""
        return items[self.below(len(items))]

    def odds(self, of: int) -> bool:
        """True for one byte in `of`."""
        return self.number() % of == 1

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)


PARTS = re.compile(rb"(\s+|[^\w\s])")


def mutate_words(data: bytes, longest: int, draw: random.Random) -> bytes:
    """A text with words, marks or ends of lines removed, repeated, exchanged: what changes of bytes seldom do."""
    parts = [part for part in PARTS.split(data) if part]
    for _ in range(draw.randrange(1, 4)):
        if not parts:
            break
        at, other = draw.randrange(len(parts)), draw.randrange(len(parts))
        kind = draw.randrange(6)
        if kind == 0:
            del parts[at : at + draw.randrange(1, 5)]
        elif kind == 1:
            parts[at:at] = parts[other : other + draw.randrange(1, 8)]
        elif kind == 2:
            parts[at], parts[other] = parts[other], parts[at]
        elif kind == 3:
            parts[at] = parts[other]
        elif kind == 4:
            # The rest of a line.
            end = next((index for index in range(at + 1, len(parts)) if b"\n" in parts[index]), len(parts))
            del parts[at + 1 : end]
        else:
            parts[at] = draw.choice(EXTREMES)
    return b"".join(parts)[:longest]


def mutate_bytes(data: bytes, longest: int, draw: random.Random) -> bytes:
    """A damaged copy: bytes changed, removed, repeated. For searches without the engine."""
    made = bytearray(data)
    for _ in range(draw.randrange(1, 6)):
        at, count = draw.randrange(len(made) + 1), draw.randrange(1, 9)
        kind = draw.randrange(4)
        if kind == 0:
            made[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 1:
            del made[at : at + count]
        elif kind == 2:
            made[at:at] = made[at : at + count] or draw.randbytes(count)
        else:
            made[at : at + count] = draw.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * count
    return bytes(made[:longest])


EXTREMES = (b"0", b"-1", b"18446744073709551615", b"18446744073709551616", b"9223372036854775808", b"", b" ", b"\n",
            b'"', b"\0", b"\xff", b"#", b"1e999", b"0x")  # fmt: skip


def show_where(seconds: float) -> None:
    """Print every thread's stack to standard error before a limit of `seconds` ends the process."""
    faulthandler.dump_traceback_later(seconds, file=sys.stderr)
