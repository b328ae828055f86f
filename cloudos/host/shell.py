"""`cloudos shell`: boots a system image with its console connected to the user's terminal."""

from __future__ import annotations

from dataclasses import dataclass

from cloudos.host import system_image
from cloudos.host.console_session import ConsoleSession
from cloudos.host.errors import ToolError
from cloudos.host.machine import Options, describe, start
from cloudos.host.run import stop_machine
from cloudos.host.session import Ended, Limits, repair_standard_streams


@dataclass(frozen=True)
class Request:
    """What the user asked for. `memory` in bytes; None: as much as the image usually has."""

    image: str
    architecture: str
    machine: str
    memory: int | None
    limits: Limits
    processors: int = 1


def run(request: Request) -> int:
    """Boot an image until its machine is off; the result is the exit status. Raises ToolError, CompileError."""
    from cloudos.host import accelerator, ending, qemu

    repair_standard_streams()
    system = system_image.load(request.image, request.architecture)
    made = system_image.build(system, request.architecture)
    least = system.manifest.memory
    memory = request.memory or system.manifest.usual
    if memory < least:
        raise ToolError(
            f"the image {system.manifest.name} needs {describe(least)} of memory",
            f"leave --memory out, or give {describe(least)} or more",
        )
    serial = made.takes_serial_port
    options = Options(request.machine, memory, request.processors, console=True, serial_console=serial, restarts=True)
    emulator = qemu.require(request.architecture)
    chosen = accelerator.choose(emulator, lambda: made.kernel)
    with start(emulator.path, options, chosen, made.kernel, made.content) as machine:
        session = ConsoleSession(machine, request.limits)
        session.run()
        if session.ended is not Ended.TERMINATED:
            stop_machine(machine)
        try:
            status = ending.conclude(session, made.built, system_image.INIT)
        except ToolError as error:
            raise ending.with_boot_log(error, session) from error
    return status
