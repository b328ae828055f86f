"""Watched runs: of a program as `cloudos run` boots it, of a system image up to its prompt or through a script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cloudos.host import accelerator, image, program_image, qemu, system_image
from cloudos.host.console_session import Script
from cloudos.host.errors import ToolError
from cloudos.host.machine import MACHINES, Options, start
from cloudos.host.manifest import find, read_image
from cloudos.host.observer.processes import Candidate
from cloudos.host.observer.watching import Record, watch
from cloudos.host.run import stop_machine
from cloudos.host.session import Limits, Session
from cloudos.host.system_wiring import INIT, check

PROMPT = rb"\$ \x1b\[J"
"""What the shell shows when it waits for a line: it erases what stands behind."""
LONGEST = 600.0
"""Seconds of real time, when nobody says otherwise."""
OLDEST, TOO_NEW = (7, 2), (9, 0)
"""Versions of QEMU whose interface for plugins is the one that the plugin uses."""
PROGRAM = "program"
OUTPUT, ERRORS = 1, 2


@dataclass(frozen=True)
class Watched:
    """What a run left, the kernel that ran, and the programs that may have run."""

    record: Record
    kernel: Path
    candidates: tuple[Candidate, ...]
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Request:
    """What is to be run. `memory` in bytes, `seconds` of real time at most.

    A program: with its inputs, `alone` on the kernel or with the services of the image `run`; its standard output goes
    where `output` says. No program: the image, to its prompt, or through the lines of `script`, which are typed.
    """

    architecture: str
    program: Path | None = None
    inputs: image.Inputs | None = None
    alone: bool = False
    image: str = "system"
    script: bytes | None = None
    memory: int | None = None
    seconds: float | None = None
    traced: bool = False
    output: int = OUTPUT


def run(request: Request) -> Watched:
    """Run and watch. Raises ToolError, CompileError, and what building the program or image raises."""
    return run_program(request, request.program) if request.program else run_image(request)


def emulation(architecture: str) -> tuple[qemu.Qemu, accelerator.Accelerator]:
    """The emulator. Raises ToolError."""
    found = qemu.require(architecture)
    if not OLDEST <= tuple(int(part) for part in found.version.split(".")[:2]) < TOO_NEW:
        raise ToolError(f"QEMU {found.version} has another interface for plugins", "versions 7.2 to 8.2 are known")
    return found, accelerator.emulation("only there it can be watched", architecture)


def run_program(request: Request, program: Path) -> Watched:
    """Run a program to its end; its streams are the tool's."""
    architecture = request.architecture
    memory = request.memory or 64 << 20
    given = request.inputs or image.Inputs(str(program))
    alone = request.alone or memory < program_image.LEAST_MEMORY
    bootable = program_image.build(program, architecture, given, memory, alone=alone, debug=False)
    built = bootable.built
    emulator, chosen = emulation(architecture)
    with watch(built.kernel, architecture, memory, traced=request.traced) as watching:
        options = Options(MACHINES[architecture][0], memory, counted=True, observed=watching.observed)
        with start(emulator.path, options, chosen, built.kernel, bootable.bundle) as machine:
            session = Session(machine, Limits(request.seconds or LONGEST), (0, request.output, ERRORS))
            session.run()
            stop_machine(machine)
        record = watching.record()
    programs = [Candidate(PROGRAM, built.program)]
    programs += [] if alone else candidates(program_image.SYSTEM, architecture)
    return Watched(record, built.kernel, tuple(programs), (program.resolve().parent,))


def run_image(request: Request) -> Watched:
    """Boot an image to its prompt, and type the script. Raises ToolError also when the prompt does not come."""
    architecture = request.architecture
    made = system_image.build(system_image.load(request.image, architecture), architecture)
    memory = request.memory or made.system.manifest.usual
    seconds = request.seconds or LONGEST
    emulator, chosen = emulation(architecture)
    with watch(made.kernel, architecture, memory, traced=request.traced) as watching:
        options = Options(MACHINES[architecture][0], memory, counted=True, console=True, observed=watching.observed)
        with start(emulator.path, options, chosen, made.kernel, made.content) as machine:
            script = Script(machine, seconds)
            try:
                converse(script, request.script, seconds)
            finally:
                script.close()
        record = watching.record()
    return Watched(record, made.kernel, tuple(candidates(request.image, architecture)))


def converse(script: Script, lines: bytes | None, seconds: float) -> None:
    """Wait for the prompt; then type the lines one by one, and `exit`. Raises ToolError when no prompt comes."""
    try:
        script.expect(PROMPT, seconds)
        for line in (lines or b"").splitlines():
            script.type(line + b"\n")
            script.expect(PROMPT, seconds)
        if lines is not None:
            script.type(b"exit\n")
            script.finish(seconds)
    except AssertionError as error:
        raise ToolError(f"the shell did not answer: {error}", "give it more --timeout, or another script") from error


def candidates(name: str, architecture: str) -> list[Candidate]:
    """The programs of an image: init, components by their names, others by the names of their files."""
    manifest = check(read_image(find(name), architecture)).manifest
    sources = {INIT: system_image.INIT}
    sources |= {one.component.name: one.component.program for one in manifest.placed}
    for entry in manifest.programs:
        stem = entry.source.stem if entry.source.stem != "main" else entry.source.parent.name
        sources.setdefault(stem, entry.source)
    return [Candidate(one, image.program_file(source, architecture, small=True)) for one, source in sources.items()]
