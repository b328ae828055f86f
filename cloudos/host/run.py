"""`cloudos run`: compile, boot, carry the streams, and end as the program ended."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cloudos.host import elf, image, program_image, state
from cloudos.host.machine import Machine, Options, free_port, start
from cloudos.host.session import Ended, Limits, Session, repair_standard_streams

DEBUGGERS = {"x86_64": "gdb", "aarch64": "gdb-multiarch"}
"""By the architecture of the machine that they look at."""


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    program: Path
    architecture: str
    inputs: image.Inputs
    options: Options
    limits: Limits
    gdb: bool = False
    bare: bool = False

    @property
    def alone(self) -> bool:
        """Whether the program gets no services. For a debugger: it cannot tell the memory of processes apart."""
        return self.bare or self.gdb or self.options.memory < program_image.LEAST_MEMORY


def run(request: Request) -> int:
    """Run a program to its end; the result is the exit status of the command. Raises ToolError, CompileError."""
    repair_standard_streams()
    room = request.options.memory
    bootable = program_image.build(
        request.program, request.architecture, request.inputs, room, alone=request.alone, debug=request.gdb
    )
    built = bootable.built

    from cloudos.host import accelerator, ending, qemu

    emulator = qemu.require(request.architecture)
    options = with_gdb(request.options, built, request.program) if request.gdb else request.options
    with start(
        emulator.path, options, accelerator.choose(emulator, lambda: built.kernel), built.kernel, bootable.bundle
    ) as machine:
        session = Session(machine, request.limits)
        session.run()
        if session.ended is not Ended.TERMINATED:
            stop_machine(machine)
        return ending.conclude(session, built, request.program)


def stop_machine(machine: Machine) -> None:
    """Wait for QEMU, whose channels are closed already, so that what it printed is complete."""
    import subprocess

    try:
        machine.process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        machine.kill()


def with_gdb(options: Options, built: image.Image, program: Path) -> Options:
    """Options for a machine that waits for a debugger; says how to attach."""
    port = options.gdb_port or free_port()
    debugger = DEBUGGERS[elf.architecture(built.kernel.read_bytes())]
    lines = [
        f"the machine waits for a debugger on 127.0.0.1:{port}; kernel and program are compiled without optimisation.",
        "In another terminal:",
        "",
        f"    {debugger} {built.kernel} -ex 'add-symbol-file {built.program} -o 0' \\",
        f"        -ex 'directory {state.ROOT}:{program.resolve().parent}' -ex 'target remote 127.0.0.1:{port}'",
        "",
        "Then for example, in gdb (hbreak, because the machine's memory is not set up yet when it starts):",
        "",
        f"    hbreak {program.name}:LINE      hbreak cloudos/kernel/kernel.py:LINE",
        "    continue      backtrace      next      info locals",
    ]
    print("\n".join(f"cloudos: {line}".rstrip() for line in lines), file=sys.stderr, flush=True)
    return replace(options, gdb_port=port)
