"""Which of the kernel's instructions are executed in any run of any test: for coverage of the kernel's lines.

With CLOUDOS_KERNEL_LINES=FOLDER every machine that is emulated is watched, and leaves in the folder what was executed
of its kernel, which is not optimised then, and that kernel itself. `lines_in` makes lines of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cloudos.host import elf, state
from cloudos.host.bootstrap import write_atomically
from cloudos.host.machine import Options
from cloudos.host.observer.lines import Lines
from cloudos.host.observer.watching import HIGH_HALF, NEEDED, Watch, symbols, watch

KERNEL = "cloudos/kernel/"


@contextmanager
def collecting(kernel: Path, options: Options) -> Iterator[Options]:
    """Options for a machine that is watched; afterwards its record is in the folder. Only kernels are watched."""
    if not kernel.read_bytes().startswith(elf.MAGIC) or not all(name in symbols(kernel) for name in NEEDED):
        yield options
        return
    content = kernel.read_bytes()
    with watch(kernel, elf.architecture(content), options.memory, only_lines=True) as watching:
        yield replace(options, observed=watching.observed)
        keep(Path(os.environ[state.KERNEL_LINES]), content, watching)


def keep(folder: Path, kernel: bytes, watching: Watch) -> None:
    """Write what was executed of the kernel; nothing when nothing was."""
    addresses = {address for address in watching.reached() if address >= HIGH_HALF}
    if not addresses:
        return
    name = hashlib.sha256(kernel).hexdigest()[:20]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"{name}.elf").exists():
        write_atomically(folder / f"{name}.elf", kernel)
    content = {"kernel": name, "addresses": sorted(addresses)}
    write_atomically(folder / f"{uuid.uuid4().hex}.json", json.dumps(content).encode())


def lines_in(folder: Path) -> dict[str, set[int]]:
    """The lines of the kernel's modules that were executed in all runs that a folder has records of."""
    addresses: dict[str, set[int]] = defaultdict(set)
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        addresses[record["kernel"]].update(record["addresses"])
    found: dict[str, set[int]] = defaultdict(set)
    for name, executed in addresses.items():
        lines = Lines(folder / f"{name}.elf")
        for address in executed:
            for line in lines.at(address):
                if line.file.startswith(KERNEL):
                    found[line.file].add(line.line)
    return dict(found)


def lines_with_code(folder: Path) -> dict[str, set[int]]:
    """The lines of the kernel's modules that have instructions of their own in a kernel that a folder has."""
    found: dict[str, set[int]] = defaultdict(set)
    for path in folder.glob("*.elf"):
        for row in Lines(path).rows:
            if row.file.startswith(KERNEL):
                found[row.file].add(row.line)
    return dict(found)
