"""Writes images and components for tests: whole ones, of which a test changes a part."""

from __future__ import annotations

from pathlib import Path

FILES = "cloudos.contracts.files:Files"
SERIAL = "cloudos.contracts.devices:Serial"
CONSOLE = "cloudos.contracts.console:Console"
CLOCK = "cloudos.contracts.devices:Clock"
PIPES = "cloudos.contracts.pipes:Pipes"

PROGRAM = "from __future__ import annotations\n\n\ndef main() -> None:\n    pass\n"
HEAD = 'name = "{0}"\ndescription = "{0} of a test"\nprogram = "main.py"\n'
IMAGE = 'name = "test"\ndescription = "an image"\nmemory = "64M"\n'


def component(folder: Path, name: str, text: str = "", offers: str = "") -> Path:
    """A component in the directory `name`: three keys, what it offers, then `text`. Its manifest."""
    directory = folder / name
    directory.mkdir(exist_ok=True)
    (directory / "main.py").write_text(PROGRAM)
    path = directory / "component.toml"
    path.write_text(HEAD.format(name) + (f'offers = ["{offers}"]\n' if offers else "") + text)
    return path


def need(name: str, contract: str, more: str = "") -> str:
    """A need of a component."""
    return f'[needs.{name}]\ncontract = "{contract}"\n{more}\n'


def image(folder: Path, *names: str, head: str = "", text: str = "") -> Path:
    """An image of components that are there already: `head` before them, `text` after the last."""
    parts = [f'[[components]]\npath = "./{name}"\n' for name in names]
    path = folder / "test.toml"
    path.write_text(IMAGE + head + "".join(parts) + text)
    return path


def small_system(folder: Path) -> Path:
    """A driver, a console, files, a clock, and a shell that needs them: every kind of thing a graph shows."""
    ports = '[[ports]]\nname = "data"\nfirst = 0x3E8\nlength = 8\n[[interrupt]]\nname = "line"\nline = 5\n'
    component(folder, "uart", ports + need("files", FILES, "signal = true"), SERIAL)
    component(folder, "rtc", '[[ports]]\nname = "index"\nfirst = 0x70\nlength = 2\n', CLOCK)
    component(folder, "terminal", need("serial", SERIAL), CONSOLE)
    component(folder, "files", '[grants]\nimage = "image"\n' + need("clock", CLOCK, "optional = true"), FILES)
    shell = need("console", CONSOLE) + need("files", FILES, "mint = true") + need("clock", CLOCK)
    component(folder, "sh", shell + need("init", "cloudos.contracts.supervisor:Supervisor"))
    return image(folder, "sh", "files", "terminal", "uart", "rtc")
