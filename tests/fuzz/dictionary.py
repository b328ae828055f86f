"""The words that a target's modules know: their text constants, which a search could hardly guess byte by byte."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.fuzz.target import FOLDER

ROOT = FOLDER.parents[1]
SHORTEST, LONGEST = 2, 24
MOST = 800


def sources(guides: Iterable[str]) -> Iterator[Path]:
    """The files of modules and packages."""
    for guide in guides:
        path = ROOT / guide.replace(".", "/")
        if path.is_dir():
            yield from sorted(path.rglob("*.py"))
        elif path.with_suffix(".py").is_file():
            yield path.with_suffix(".py")


def words(guides: Iterable[str]) -> list[bytes]:
    """Constants of the modules that are no documentation, each once."""
    found: dict[bytes, None] = {}
    for path in sources(guides):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                value = node.value.encode() if isinstance(node.value, str) else node.value
                if SHORTEST <= len(value) <= LONGEST:
                    found[value] = None
    return list(found)[:MOST]


def write(guides: Iterable[str], into: Path) -> None:
    """A dictionary as libFuzzer reads it, which refuses an empty file."""
    into.write_text("# Constants of the guiding modules.\n" + "".join(f'"{escaped(word)}"\n' for word in words(guides)))


def escaped(word: bytes) -> str:
    """Bytes between quotes."""
    return "".join(chr(byte) if byte in range(0x20, 0x7F) and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)
