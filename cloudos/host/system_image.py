"""From an image manifest to what boots: everything is checked, compiled, and put into one boot bundle.

The bundle holds init as its program, the wiring, the policy if there is one, the programs of components below `/system`
and the files of the image. Nothing is compiled when nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cloudos.host import bundle, image, programs, state, system_wiring, usual, wiring
from cloudos.host.bundle import Entry, Kind
from cloudos.host.elf import stripped
from cloudos.host.errors import ToolError
from cloudos.host.machine import VIRT_SERIAL_PORT, describe
from cloudos.host.manifest import SYSTEM, ImageManifest, ProgramEntry, find, guest_problem, read_image
from cloudos.host.manifest_values import Place
from cloudos.host.system_wiring import System

INIT = state.ROOT / "cloudos" / "services" / "init" / "main.py"
OWN_MEMORY = {"x86_64": 1088 << 10, "aarch64": 672 << 10}
"""Bytes that are needed besides the bundle and the quotas: 0.45 MB of the first, left to firmware on x86_64, 0.2 MB of
kernel, and 0.3 MB of init with twelve components, as `free` shows in the image `system` with 8 MB."""


@dataclass(frozen=True)
class SystemImage:
    """An image that can boot: the checked system, its kernel and init as ELF files, its entries."""

    system: System
    kernel: Path
    init: Path
    entries: tuple[Entry, ...]

    @property
    def built(self) -> image.Image:
        """Kernel and first process, as the rest of the tool names them."""
        return image.Image(self.kernel, self.init)

    @cached_property
    def content(self) -> bytes:
        """The boot bundle."""
        return bundle.encode(self.entries)

    @property
    def takes_serial_port(self) -> bool:
        """Whether a component drives the serial port that the kernel of AArch64 has its log on otherwise."""
        resources = [part for one in self.system.placed for part in one.component.resources]
        return any(part.kind == "registers" and part.first == VIRT_SERIAL_PORT for part in resources)

    @property
    def files(self) -> dict[str, int]:
        """Bytes of each file in the guest."""
        return {entry.name.decode(): len(entry.data) for entry in self.entries if entry.kind is Kind.FILE}


def load(name: str, architecture: str | None = None) -> System:
    """The image NAME, or of a manifest's path, read and checked, for an architecture or the usual one.

    Raises NotFound, ToolError, ManifestError.
    """
    return system_wiring.check(read_image(find(name), architecture or usual.architecture()))


def build(system: System, architecture: str | None = None) -> SystemImage:
    """Compile what is not compiled yet and collect the entries. Raises ToolError, ManifestError, CompileError."""
    architecture = architecture or usual.architecture()
    manifest = system.manifest
    kernel = image.build_kernel(architecture)
    sources = [one.component.program for one in system.placed] + [entry.source for entry in manifest.programs]
    compiled = programs.build_all([INIT, *sources], architecture)
    files: dict[str, bytes] = {}
    for one in system.placed:
        files[f"{SYSTEM}/{one.component.name}"] = stripped(compiled[one.component.program].read_bytes())
    places: dict[str, Place] = {}
    for guest, source, place in _sources(manifest, compiled, architecture):
        _check_free(guest, places, place)
        files[guest] = stripped(_read(source, place)) if source in compiled.values() else _read(source, place)
    for directory in manifest.directories:
        files.setdefault(f"{directory}/", b"")
    entries = [
        Entry(Kind.PROGRAM, b"init", stripped(compiled[INIT].read_bytes())),
        Entry(Kind.ARGUMENT, b"", b"init"),
        Entry(Kind.WIRING, b"", wiring.encode(system_wiring.wired(system)).encode()),
    ]
    entries += [Entry(Kind.POLICY, b"", manifest.policy.matrix)] if manifest.policy else []
    entries += [Entry(Kind.FILE, guest.encode(), data) for guest, data in files.items()]
    made = SystemImage(system, kernel, compiled[INIT], tuple(entries))
    _check_size(made, OWN_MEMORY[architecture])
    return made


def _sources(
    manifest: ImageManifest, compiled: dict[Path, Path], architecture: str
) -> Iterator[tuple[str, Path, Place]]:
    """Every path in the guest, with the file of the host that stands there."""
    for program in manifest.programs:
        for guest in program.paths or _named(program, architecture):
            yield guest, compiled[program.source], program.place
    for file in manifest.files:
        yield file.guest, file.source, file.place


def _named(program: ProgramEntry, architecture: str) -> Iterator[str]:
    """The paths of a program whose own module says its names."""
    try:
        names = programs.names_of(program.source, program.names, architecture)
    except ToolError as error:
        raise program.place.error(error.message, error.hint) from error
    for name in names:
        problem = guest_problem(f"{program.folder}{name}")
        if problem or "/" in name:
            raise program.place.error(problem or f"{name!r} is no file name", "correct the names in the program")
        yield f"{program.folder}{name}"


def _check_free(guest: str, places: dict[str, Place], place: Place) -> None:
    """One file at each path, and none where another needs a directory."""
    if guest in places:
        message = f"{guest} is there already, from line {places[guest].line}"
        raise place.error(message, "give each file its own path")
    for other, there in places.items():
        if other.startswith(f"{guest}/") or guest.startswith(f"{other}/"):
            raise place.error(f"{guest} and {other} (line {there.line}) cannot both be", "a file is no directory")
    places[guest] = place


def _read(path: Path, place: Place) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise place.error(f"cannot read {path}: {error.strerror}") from error


def _check_size(made: SystemImage, own: int) -> None:
    """The bundle, all quotas and what is needed besides must fit into the memory of the image."""
    manifest = made.system.manifest
    quotas = sum(one.component.memory + one.component.state for one in manifest.placed)
    need = quotas + len(made.content) + own
    if need > manifest.memory:
        parts = f"quotas {describe(quotas)}, files {describe(len(made.content))}, the kernel {describe(own)}"
        message = f"the image needs {describe(need)} of memory ({parts}) and has {describe(manifest.memory)}"
        raise manifest.memory_place.error(message, f'write memory = "{-(-need >> 20)}M" or more')
