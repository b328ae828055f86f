"""Rows in the machine: the image `system`, in which a component runs them in the place of the interactive shell."""

from __future__ import annotations

import re
from pathlib import Path

from cloudos.host import counted, system_image
from tests.boot.comparison.host import Answer
from tests.boot.comparison.table import Row
from tests.unit.apps.commands import FILES

ROOT = Path(__file__).resolve().parents[3]
SYSTEM = ROOT / "cloudos" / "images" / "system.toml"
WITHOUT = (
    "cloudos/apps/shell",
    "cloudos/services/console",
    "cloudos/drivers/serial16550",
    "cloudos/drivers/virtio_console",
)
"""Components for a person at a terminal: there is none."""

COMPONENT = """[[components]]
path = "tests/boot/comparison"
label = "shell"
needs = {{ stdout = "init", stderr = "init" }}
arguments = ["{directory}"]

[[files]]
from = "./rows"
to = "/comparison/"
"""
FILE = """
[[files]]
from = "./files/{path}"
to = "/comparison/files/{path}"
"""
LINE = re.compile(r"^@row (\d+) ([oe=!]) (.*)$", re.MULTILINE)


def manifest(folder: Path, rows: list[Row], directory: Path) -> Path:
    """Write the image's manifest, and the files that it names, into a folder."""
    parts = re.split(r"\n(?=\[\[)", SYSTEM.read_text())
    kept = [part for part in parts if not any(f'path = "{path}"' in part for path in WITHOUT)]
    assert len(kept) == len(parts) - len(WITHOUT)
    head = kept[0].replace('"/usr/share/man"', '"/usr/share/man", "/usr/lib"').replace('"8M"', '"64M"')
    text = "\n".join(
        [head, *kept[1:], COMPONENT.format(directory=directory), *(FILE.format(path=path) for path in FILES)]
    )
    (folder / "rows").write_bytes(b"".join(row.encoded for row in rows))
    for path, content in FILES.items():
        (folder / "files" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / path).write_bytes(content)
    made = folder / "comparison.toml"
    made.write_text(text)
    return made


def build(folder: Path, rows: list[Row], directory: Path) -> system_image.SystemImage:
    """The image that runs the rows in a directory, which need not be there. Raises what building an image does."""
    return system_image.build(system_image.load(str(manifest(folder, rows, directory))))


def run(made: system_image.SystemImage, seconds: float) -> counted.Outcome:
    """Boot it, for so many seconds of real time at most."""
    return counted.run_bundle(made.kernel, made.content, memory=made.system.manifest.memory, seconds=seconds)


def answers(shown: str) -> dict[int, Answer]:
    """The answers among all that is on the machine's console."""
    texts: dict[tuple[int, str], bytes] = {}
    found: dict[int, Answer] = {}
    for number, kind, rest in LINE.findall(shown.replace("\r", "")):
        row = int(number)
        if kind in "oe":
            texts[row, kind] = texts.get((row, kind), b"") + bytes.fromhex(rest)
        elif kind == "=":
            status, duration = map(int, rest.split())
            found[row] = Answer(texts.get((row, "o"), b""), status, texts.get((row, "e"), b""), duration)
        else:
            found[row] = Answer(b"", None, rest.encode())
    return found
