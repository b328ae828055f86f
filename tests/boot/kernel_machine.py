"""Boots the kernel without the tool, for tests that need QEMU options, raw bundles or host commands of their own."""

from __future__ import annotations

import functools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudos.compiler.api import compile_program
from cloudos.host import accelerator, bundle, elf, machine, qemu, usual
from tests.boot.harness import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("programs") / "kernel_probe.py"
LIMIT = 60.0
"""Seconds after which a machine counts as hung."""

USUAL = machine.MACHINES[usual.architecture()][0]
"""The kind of machine where none is named."""

COUNTED = ("-icount", "shift=0,sleep=off")
"""QEMU options that make guest time count instructions: one instruction, one nanosecond."""


@functools.cache
def folder() -> Path:
    """Where this test run builds."""
    return Path(tempfile.mkdtemp(prefix="cloudos-kernel-"))


def architecture_of(kind: str) -> str:
    """The architecture that has a machine of this kind."""
    return next(name for name, kinds in machine.MACHINES.items() if kind in kinds)


@functools.cache
def kernel(kind: str = USUAL) -> Path:
    """The kernel's ELF file for a kind of machine. Made in a process of its own: one imports one hardware layer."""
    architecture = architecture_of(kind)
    output = folder() / f"kernel-{architecture}.elf"
    make = f"from cloudos.compiler.api import compile_kernel; compile_kernel({architecture!r}, Path({str(output)!r}))"
    subprocess.run([sys.executable, "-c", f"from pathlib import Path; {make}"], cwd=ROOT, check=True, timeout=PATIENCE)
    return output


@functools.cache
def probe(kind: str = USUAL) -> bytes:
    """The ELF file of the program that these tests run."""
    architecture = architecture_of(kind)
    return compile_program(PROBE, architecture, folder() / f"probe-{architecture}.elf").path.read_bytes()


def bundle_for(*arguments: str, files: dict[bytes, bytes] | None = None, kind: str = USUAL) -> bytes:
    """A bundle that runs the probe with these arguments on a kind of machine."""
    words = [b"probe", *(argument.encode() for argument in arguments)]
    return bundle.encode(bundle.contents(probe(kind), words, {}, files or {}))


@dataclass
class Run:
    """What a machine did. `streams` by number; `log` is everything on the first serial port."""

    log: str = ""
    seconds: float = 0.0
    streams: dict[int, bytes] = field(default_factory=lambda: {1: b"", 2: b""})

    @property
    def output(self) -> str:
        return self.streams[1].decode(errors="replace")

    def record(self, name: str) -> str:
        """The only record of that name, without it; empty when there is none."""
        found = [line for line in self.log.splitlines() if line.split(" ")[0] == f"@{name}"]
        assert len(found) <= 1 or name == "frame", self.log
        return found[0].removeprefix(f"@{name}").strip() if found else ""

    def in_order(self) -> Run:
        """This run, when the machine was switched off by its kernel."""
        assert self.log.splitlines()[-1:] == ["@off"] and "@kernel-panic" not in self.log, self.log
        return self


def decode(data: bytes) -> dict[int, bytes]:
    """The streams in the frames that a guest sent."""
    parts: dict[int, list[bytes]] = {1: [], 2: []}
    position = 0
    while position < len(data):
        stream, length = struct.unpack_from("<BH", data, position)
        parts[stream].append(data[position + 3 : position + 3 + length])
        position += 3 + length
    return {stream: b"".join(pieces) for stream, pieces in parts.items()}


def read_all(channel: socket.socket, into: bytearray) -> threading.Thread:
    def work() -> None:
        try:
            while data := channel.recv(65536):
                into.extend(data)
        except ConnectionResetError:
            pass  # the guest ended before it had read all that was sent

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def boot(
    content: bytes,
    *options: str,
    given: bytes | None = b"",
    kind: str = USUAL,
    memory: str = "64M",
    meanwhile: Callable[[socket.socket], None] | None = None,
    image: Path | None = None,
) -> Run:
    """Run a machine to its end, with another kernel than the usual one if `image` names it, and as many processors as
    usual, but one where instructions are counted.

    `given`: standard input, left open when None; `meanwhile` gets the log channel.
    """
    log, log_far = socket.socketpair()
    program, program_far = socket.socketpair()
    module = folder() / f"bundle-{os.getpid()}"
    module.write_bytes(content)
    architecture = architecture_of(kind)
    size = int(memory[:-1]) << {"M": 20, "G": 30}[memory[-1]]
    chosen = machine.machine_type(machine.Options(kind, size))
    line = [qemu.require(architecture).path, *chosen, "-accel", "tcg"]
    line += ["-cpu", accelerator.EMULATED_CPUS[architecture], "-m", memory, "-nodefaults"]
    line += ["-no-user-config", "-display", "none", "-no-reboot"]
    line += ["-kernel", str(loadable(image or kernel(kind), kind)), "-initrd", str(module)]
    line += [] if machine.is_virt(kind) else ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    line += options
    line += [] if options[: len(COUNTED)] == COUNTED else ["-smp", str(usual.processors())]
    line += machine.channels(machine.Options(kind), log_far.fileno(), program_far.fileno())
    start = time.monotonic()
    process = subprocess.Popen(line, pass_fds=(log_far.fileno(), program_far.fileno()))
    try:
        return _follow(process, (log, log_far), (program, program_far), given, meanwhile, start)
    finally:
        process.kill()
        process.wait()
        for channel in (log, program):
            channel.close()


def loadable(kernel: Path, kind: str) -> Path:
    """The form of a kernel that QEMU loads on a kind of machine."""
    if not machine.is_virt(kind):
        return kernel
    flat = kernel.with_suffix(".img")
    flat.write_bytes(elf.flat(kernel.read_bytes()))
    return flat


def _follow(
    process: subprocess.Popen[bytes],
    log: Sequence[socket.socket],
    program: Sequence[socket.socket],
    given: bytes | None,
    meanwhile: Callable[[socket.socket], None] | None,
    start: float,
) -> Run:
    log[1].close()
    program[1].close()
    messages, output = bytearray(), bytearray()
    readers = [read_all(log[0], messages), read_all(program[0], output)]
    until(lambda: b"@ready" in messages or process.poll() is not None)
    if given is not None:
        frames = [given[i : i + 65535] for i in range(0, len(given), 65535)]
        sender = threading.Thread(target=_send, args=(program[0], frames), daemon=True)
        sender.start()
    if meanwhile is not None:
        meanwhile(log[0])
    process.wait(LIMIT)
    for reader in readers:
        reader.join(5)
    return Run(messages.decode(errors="replace"), time.monotonic() - start, decode(bytes(output)))


def _send(channel: socket.socket, frames: list[bytes]) -> None:
    for frame in [*frames, b""]:
        try:
            channel.sendall(struct.pack("<H", len(frame)) + frame)
        except OSError:
            return  # the guest ended without reading all


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
