"""The image of the simulated system: wired by its manifest as any image, with programs that name functions."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cloudos.host import bundle, system_wiring, wiring
from cloudos.host.bundle import Entry, Kind
from cloudos.host.manifest import SYSTEM, read_image
from cloudos.host.wiring import Wired
from tests.simulation.kernel import kernel_module, user
from tests.simulation.plans import CLIENTS

MANIFEST = Path(__file__).parent / "image.toml"
ROOT = Path(__file__).parents[2]
PAGE = 4096
FIRST_MACHINE = kernel_module("hal.simulated.platform").ELF_MACHINE
X86_64 = 62


def executable(number: int, machine: int = X86_64) -> bytes:
    """An ELF file whose entry the simulated processor knows as function `number`; `machine` of the ELF header."""
    text = (user.MARK + struct.pack("<I", number)).ljust(user.SLOT, b"\0")
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    entry = user.TEXT + PAGE
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 4 | 1, PAGE, entry, entry, len(text), len(text), PAGE)
    return header.ljust(PAGE, b"\0") + text


class SystemImage:
    """`programs`: the modules with a `main`, in the order of the numbers of their functions; init is the first."""

    def __init__(self, manifest: Path = MANIFEST) -> None:
        system = system_wiring.check(read_image(manifest, "x86_64"))
        self.wired: list[Wired] = []
        self.names = ["init"]
        self.programs = ["cloudos.services.init.main"]
        files: dict[str, bytes] = {}
        for one, wired in zip(system.placed, system_wiring.wired(system), strict=True):
            copies = [f"client{number}" for number in range(1, CLIENTS + 1)] if wired.name == "client" else [wired.name]
            for name in copies:
                program = f"{SYSTEM}/{name}"
                self.wired.append(replace(wired, name=name, program=program))
                files[program] = self._add(name, one.component.program)
        for entry in system.manifest.programs:
            for guest in entry.paths:
                files[guest] = self._add(guest, entry.source)
        for file in system.manifest.files:
            files[file.guest] = file.source.read_bytes()
        entries = [
            Entry(Kind.PROGRAM, b"init", executable(0, FIRST_MACHINE)),
            Entry(Kind.ARGUMENT, b"", b"init"),
            Entry(Kind.WIRING, b"", wiring.encode(self.wired).encode()),
        ]
        entries += [Entry(Kind.FILE, name.encode(), data) for name, data in files.items()]
        self.content = bundle.encode(entries)
        self.memory = system.manifest.memory

    def _add(self, name: str, source: Path) -> bytes:
        module = ".".join(source.resolve().relative_to(ROOT).with_suffix("").parts)
        self.names.append(name)
        self.programs.append(module)
        return executable(len(self.programs) - 1)

    def numbers(self, names: Sequence[str]) -> list[int]:
        """Of components, which function each is."""
        return [self.names.index(name) for name in names]
