"""The benchmark under Linux: its program, and the machine that it runs on, which counts instructions as ours do.

The program is the only file of the machine, /init, and the kernel is the distribution's. Processor, clock, emulator
and memory are those of our machine, with three differences that favour Linux or make no difference to it:

* x86_64 has no `erms` and `fsrm`: Linux would fill and copy pages by the byte, and QEMU counts each byte;
* AArch64 authenticates pointers by a function that QEMU computes faster. The number of instructions is the same;
* QEMU's random numbers begin with a seed, so that every run gives the same.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from cloudos.host import accelerator, cpio, debian, image, qemu, state
from cloudos.host.accelerator import Accelerator
from cloudos.host.apart import apart
from cloudos.host.elf import stripped
from cloudos.host.errors import ToolError
from cloudos.host.machine import MACHINES, Loaded, Options, command, launch, memory_file

MEMORY_MB = 128
"""The least that is a power of two and from which Debian's kernel starts."""

SECONDS = 500.0
"""Of real time, at most; usually it is half a minute."""

CONSOLES = {"x86_64": "ttyS0", "aarch64": "ttyAMA0"}
FEATURES = {"x86_64": ",-erms,-fsrm", "aarch64": ",pauth-impdef=on"}
QUIET = "quiet loglevel=0 panic=-1"
"""Messages on a serial line cost much; after a panic the machine is off."""

SHORT = "short"
"""The parameter with which the program measures no more than the way to it, memory, and the system call."""

COMPLETE = "complete"
"""The key of the program's last line."""


def numbers(architecture: str, kernel: debian.Kernel, parameters: str = "") -> dict[str, int]:
    """What the program prints, under a kernel that gets further `parameters`.

    Raises ToolError when it does not run to its end, and what compiling it raises.
    """
    files = cpio.archive({"init": stripped(program(architecture).read_bytes())})
    shown = boot(architecture, Path(kernel.path), files, parameters)
    return parse(shown)


def parse(shown: str) -> dict[str, int]:
    """A key and a number from each line. Raises ToolError when the last is not there."""
    found = {}
    for line in shown.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].isdecimal():
            found[words[0]] = int(words[1])
    if found.pop(COMPLETE, 0) != 1:
        last = "\n".join(shown.splitlines()[-5:])
        raise ToolError(f"the benchmark under Linux did not end in order\n{last}", "please report this as a defect")
    return found


def program(architecture: str) -> Path:
    """The benchmark as an ELF file for Linux, compiled when that is needed. Raises ToolError and CompileError."""
    output = image.folder(architecture, False) / "linux-benchmark.elf"
    if not image.up_to_date(output.with_suffix(".sources.json"), str(source()), output):
        apart(compile_program, architecture, output)
    return output


def source() -> Path:
    """The program's file. Raises ToolError where there is no checkout."""
    path = state.ROOT / "bench" / "linux" / "program.py"
    if not path.exists():
        raise ToolError("benchmarks run from a checkout of the repository", "clone it and run bin/cloudos bench there")
    return path


def compile_program(architecture: str, output: Path) -> None:
    """Compile it, in a process that has imported nothing else."""
    from cloudos.compiler import api

    def compile_it() -> None:
        import importlib

        state.use_cache()
        made = importlib.import_module("bench.linux.program").IMAGE
        api.compile_image(made, architecture, output)

    image.compiled(output, str(source()), compile_it)


def boot(architecture: str, kernel: Path, files: bytes, parameters: str, seconds: float = SECONDS) -> str:
    """What a machine with this kernel and initial file system shows until it is off. Raises ToolError."""
    emulator = qemu.require(architecture)
    usual = accelerator.emulation("instructions can be counted only there", architecture)
    chosen = Accelerator(usual.name, usual.cpu + FEATURES[architecture], usual.reason)
    options = Options(MACHINES[architecture][0], MEMORY_MB << 20, counted=True)
    files_fd, shown_fd = memory_file("initramfs", files), memory_file("linux", b"")
    line = command(emulator.path, options, chosen, Loaded(kernel, Path(f"/dev/fd/{files_fd}")))
    line += ["-append", f"console={CONSOLES[architecture]} {QUIET} {parameters}".strip()]
    line += ["-serial", "stdio", "-seed", "1", "-rtc", "base=2026-01-01,clock=vm"]
    try:
        process = launch(line, (files_fd,), shown_fd)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ToolError(
                f"Linux did not end within {seconds:g} s", "try again when the machine is less busy"
            ) from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()
        return os.pread(shown_fd, os.fstat(shown_fd).st_size, 0).decode(errors="replace")
    finally:
        os.close(files_fd)
        os.close(shown_fd)
