"""What `cloudos run` boots: a program with the services of the image `run`, or alone on the kernel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloudos.host import bundle, image, system_image
from cloudos.host.bundle import Entry, Kind
from cloudos.host.elf import stripped

SYSTEM = "run"
PATH = b"/system/program"
"""Where the component `runner` finds the program."""

LEAST_MEMORY = 8 << 20
"""Bytes of memory below which a program gets no services: there would be too little left for it."""


@dataclass(frozen=True)
class Bootable:
    """Kernel, init and program as ELF files, and the boot bundle."""

    built: image.Image
    bundle: bytes


def build(
    program: Path, architecture: str, inputs: image.Inputs, room: int = image.MOST_FILE, *, alone: bool, debug: bool
) -> Bootable:
    """Compile what is not compiled yet and put it together; `alone`: without services.

    Raises NotFound, CannotRun and CompileError for the program, ToolError.
    """
    image.check_source(program)
    if alone:
        built = image.build(program, architecture, debug=debug)
        return Bootable(built, image.make_bundle(built.program, inputs, room))
    system = system_image.build(system_image.load(SYSTEM, architecture), architecture)
    compiled = image.build_program(program, architecture)
    mine = [Entry(Kind.FILE, PATH, stripped(compiled.read_bytes())), *image.given(inputs, room)]
    built = image.Image(system.kernel, compiled, system.init)
    return Bootable(built, bundle.encode([*system.entries, *mine]))
