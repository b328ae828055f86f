"""Runs of a program on a machine whose time counts instructions, for benchmarks and conformance: no streams of the
user's, no traceback on the terminal, the same every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudos.host import accelerator, bundle, elf, frames, image, qemu, usual
from cloudos.host.console_session import Script
from cloudos.host.elf import stripped
from cloudos.host.machine import Machine, Options, memory_file, start
from cloudos.host.records import Log
from cloudos.host.run import stop_machine
from cloudos.host.session import Ended, Limits, Session


@dataclass(frozen=True)
class Outcome:
    """What a run gave: everything the program printed, the kernel's log, and why it was over."""

    printed: bytes
    errors: str
    log: Log
    ended: Ended
    messages: str

    @property
    def output(self) -> str:
        """What was printed, as text."""
        return self.printed.decode(errors="replace")

    @property
    def in_order(self) -> bool:
        """Whether the program ended by itself with status 0, and the kernel switched the machine off."""
        return self.ended is Ended.GUEST and self.log.off and self.log.status == 0


def run(
    built: image.Image,
    *arguments: str,
    memory: int = 64 << 20,
    seconds: float = 60.0,
    memory_image: Path | None = None,
    processors: int | None = None,
    in_turns: bool = False,
) -> Outcome:
    """Boot the kernel with a program under instruction counting. `memory` in bytes; `seconds` of real time at most.

    `memory_image` names a file that is to hold the machine's memory as it was at the end. `processors`: without it, as
    many as usual. Several run at the same time and are not counted, unless they are to run `in_turns`: time is then
    what all of them have executed.

    Raises ToolError when QEMU cannot be started.
    """
    words = [b"program", *(os.fsencode(argument) for argument in arguments)]
    content = bundle.encode(bundle.contents(stripped(built.program.read_bytes()), words, {}, {}))
    return run_bundle(
        built.kernel,
        content,
        memory=memory,
        seconds=seconds,
        memory_image=memory_image,
        processors=processors,
        in_turns=in_turns,
    )


def run_bundle(
    kernel: Path,
    content: bytes,
    *,
    memory: int = 64 << 20,
    seconds: float = 60.0,
    memory_image: Path | None = None,
    processors: int | None = None,
    in_turns: bool = False,
) -> Outcome:
    """`run` for any boot bundle, such as that of a system image without a console."""
    emulator, chosen = emulation(kernel)
    processors = processors or usual.processors()
    counts = in_turns or processors == 1
    options = Options(memory=memory, counted=counts, memory_image=memory_image, processors=processors)
    streams = [memory_file(name, b"") for name in ("input", "output", "errors")]
    try:
        with start(emulator.path, options, chosen, kernel, content) as machine:
            return _follow(machine, streams, seconds)
    finally:
        for descriptor in streams:
            os.close(descriptor)


def emulation(kernel: Path) -> tuple[qemu.Qemu, accelerator.Accelerator]:
    """The emulator for a kernel's architecture. Raises ToolError."""
    architecture = elf.architecture(kernel.read_bytes())
    reason = "instructions can be counted only there"
    return qemu.require(architecture), accelerator.emulation(reason, architecture)


@contextmanager
def console(
    kernel: Path,
    content: bytes,
    *,
    memory: int = 64 << 20,
    seconds: float = 120.0,
    machine: str = "",
    serial: bool = False,
    processors: int | None = None,
) -> Iterator[Script]:
    """Boot a bundle, such as that of a system image, with a console that the caller types on.

    `serial`: see `Options.serial_console`. `memory` in bytes; `seconds` of real time at most; `processors` as of `run`.
    The machine is gone when the context ends. Raises ToolError when QEMU cannot be started.
    """
    emulator, chosen = emulation(kernel)
    processors = processors or usual.processors()
    options = Options(
        machine, memory, processors, counted=processors == 1, console=True, serial_console=serial, restarts=True
    )
    with start(emulator.path, options, chosen, kernel, content) as running:
        script = Script(running, seconds)
        try:
            yield script
        finally:
            script.close()


@contextmanager
def system_console(
    name: str, *, seconds: float = 120.0, machine: str = "", architecture: str | None = None
) -> Iterator[Script]:
    """`console` for a system image, by its name or the path of its manifest, with the memory that it usually has.

    Raises also what building the image does.
    """
    from cloudos.host import system_image

    made = system_image.build(system_image.load(name, architecture), architecture)
    memory = made.system.manifest.usual
    serial = made.takes_serial_port
    with console(made.kernel, made.content, memory=memory, seconds=seconds, machine=machine, serial=serial) as script:
        yield script


class _Counted(Session):
    """What the boot log shows is output too: of a system image it is all that there is."""

    def take(self, stream: int, payload: bytes) -> None:
        """See `Session`."""
        super().take(frames.OUTPUT if stream == frames.BOOT_LOG else stream, payload)


def _follow(machine: Machine, streams: list[int], seconds: float) -> Outcome:
    session = _Counted(machine, Limits(seconds), (streams[0], streams[1], streams[2]))
    session.run()
    stop_machine(machine)
    output, errors = (os.pread(descriptor, os.fstat(descriptor).st_size, 0) for descriptor in streams[1:])
    return Outcome(output, errors.decode(errors="replace"), session.log, session.ended, machine.messages())
