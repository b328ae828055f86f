"""Which of the kernel's instructions are executed in any run of any test: for coverage of the kernel's lines.

With CLOUDOS_KERNEL_LINES=FOLDER every machine that is emulated is watched, and leaves in the folder what was executed
of its kernel, and that kernel itself. `lines_in` makes lines of it.
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

from cloudos.host import elf
from cloudos.host.bootstrap import write_atomically
from cloudos.host.errors import ToolError
from cloudos.host.machine import KERNEL_LINES, Options
from cloudos.host.observer.lines import Lines
from cloudos.host.observer.watching import HIGH_HALF, Watch, symbols, watch

NEEDED = ("kernel_system_call", "kernel_user_trap", "kernel_end", "kernel__sched__processor__PROCESSOR")
KERNEL = "cloudos/kernel/"


@contextmanager
def collecting(kernel: Path, options: Options) -> Iterator[Options]:
    """Options for a machine that is watched; afterwards its record is in the folder. Only kernels are watched."""
    if not kernel.read_bytes().startswith(elf.MAGIC) or not all(name in symbols(kernel) for name in NEEDED):
        yield options
        return
    content = kernel.read_bytes()
    with watch(kernel, elf.architecture(content), options.memory) as watching:
        yield replace(options, observed=watching.observed)
        keep(Path(os.environ[KERNEL_LINES]), content, watching)


def keep(folder: Path, kernel: bytes, watching: Watch) -> None:
    """Write what was executed of the kernel; nothing when nothing was."""
    try:
        record = watching.record()
    except ToolError:
        return
    addresses = {
        address
        for count in record.counts
        if count.block.addresses[0] >= HIGH_HALF
        for address in count.block.addresses[: count.executed]
    }
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
