"""`cloudos image`: which images there are, what one consists of, and the files that boot it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cloudos.host import listing, manifest, recipe, system_image
from cloudos.host.build import install
from cloudos.host.component import Component
from cloudos.host.errors import ToolError
from cloudos.host.recipe import BUNDLE
from cloudos.host.system_wiring import System

README = "README"

BOOT_TEXT = f"""\
The image {{name}} of CloudOS: {{description}}

{{kernel}}
{BUNDLE}   init, the wiring, the programs of the components, and the files

Boot it (the console is the terminal, the kernel's log goes to {{log}}):

{{command}}
"""


@dataclass(frozen=True)
class ImageRow:
    """One image of `image ls`."""

    name: str
    components: int
    memory: int
    description: str


@dataclass(frozen=True)
class ComponentRow:
    """One component of `image inspect`, in the order of start. Bytes; `share` as in the manifest."""

    component: str
    memory: int
    share: int
    handles: int
    state: int
    priority: int
    time: str
    label: str
    restart: str


@dataclass(frozen=True)
class OfferRow:
    """A contract that a component serves."""

    component: str
    offers: str


@dataclass(frozen=True)
class NeedRow:
    """A need and who serves it."""

    component: str
    need: str
    served_by: str
    use: str
    contract: str


@dataclass(frozen=True)
class HeldRow:
    """A part of the machine, or of what init holds, that a component is given."""

    component: str
    name: str
    holds: str


@dataclass(frozen=True)
class FileRow:
    """One file of the guest."""

    file: str
    bytes: int


def ls(form: str) -> None:
    """List the images that come with CloudOS. Raises ToolError for a manifest that cannot be used."""
    rows = []
    for path in manifest.available():
        found = system_image.load(str(path)).manifest
        rows.append(ImageRow(found.name, len(found.placed), found.memory, found.description))
    if rows or form == "json":
        listing.show(rows, form)
    else:
        print(f"there are no images in {manifest.FOLDER}")


def inspect(name: str, form: str, architecture: str = "x86_64") -> None:
    """Show what an image consists of; it is compiled when it is not yet. Raises ToolError, CompileError."""
    made = system_image.build(system_image.load(name, architecture), architecture)
    system, found = made.system, made.system.manifest
    tables: dict[str, Sequence[Any]] = {
        "components": [component_row(one.component) for one in system.placed],
        "offers": [OfferRow(one.component.name, what) for one in system.placed for what in one.component.offers],
        "needs": need_rows(system),
        "holds": held_rows(system),
        "files": [FileRow(file, size) for file, size in sorted(made.files.items())],
    }
    if form == "json":
        about = {"name": found.name, "description": found.description, "memory": found.memory}
        labels = list(found.policy.labels) if found.policy else []
        parts = {key: [asdict(row) for row in rows] for key, rows in tables.items()}
        print(json.dumps({**about, "bundle": len(made.content), "labels": labels, **parts}, indent=2))
        return
    print(f"{found.name}: {found.description}")
    print(f"{found.memory:,} bytes of memory at least; the boot bundle has {len(made.content):,}")
    if found.policy:
        print(f"labels, by number: {', '.join(found.policy.labels)}")
    for rows in tables.values():
        if rows:
            listing.show(rows, form)


def component_row(one: Component) -> ComponentRow:
    """What a component is and may use."""
    schedule, restart = one.schedule, one.restart
    return ComponentRow(
        component=one.name,
        memory=one.memory,
        share=one.share,
        handles=one.quota.handles,
        state=one.state,
        priority=schedule.priority,
        time=f"{milliseconds(schedule.budget)} of {milliseconds(schedule.period)} ms",
        label=one.label,
        restart=restart.policy + (f", {restart.limit} times" if restart.limit else ""),
    )


def need_rows(system: System) -> list[NeedRow]:
    """Who serves which need of whom."""
    return [
        NeedRow(link.user, link.need.name, link.server, link.need.use, short(link.need.contract))
        for link in system.links
    ]


def held_rows(system: System) -> list[HeldRow]:
    """Devices and grants."""
    rows = []
    for placed in system.placed:
        one = placed.component
        rows += [
            HeldRow(one.name, part.name, device_text(part.kind, part.first, part.length)) for part in one.resources
        ]
        rows += [HeldRow(one.name, grant.name, f"grant {grant.kind}") for grant in one.grants]
    return rows


def short(contract: str) -> str:
    """The class alone of a contract's path."""
    return contract.rpartition(":")[2]


def device_text(kind: str, first: int, length: int) -> str:
    """A part of the machine for people."""
    return f"interrupt {first}" if kind == "interrupt" else f"{kind} {first:#x}-{first + length - 1:#x}"


def milliseconds(nanoseconds: int) -> str:
    """A time in milliseconds, with as many digits as it takes."""
    return f"{nanoseconds / 1_000_000:.6g}"


def build(name: str, directory: Path, architecture: str = "x86_64") -> list[Path]:
    """Write the files that boot an image into `directory`; on any error nothing in it has changed.

    Raises ToolError, CompileError.
    """
    made = system_image.build(system_image.load(name, architecture), architecture)
    found = made.system.manifest
    memory = f"{-(-found.usual >> 20)}M"
    serial = made.takes_serial_port
    command = recipe.command(architecture, memory, "file:kernel.log", "boot.log", "stdio", serial_console=serial)
    kernel = recipe.kernel_text(architecture)
    log = "boot.log, as frames" if serial else "kernel.log"
    text = BOOT_TEXT.format(name=found.name, description=found.description, kernel=kernel, command=command, log=log)
    contents = recipe.kernel_files(made.kernel.read_bytes())
    contents |= {BUNDLE: made.content, README: text.encode()}
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        return install(contents, directory)
    except OSError as error:
        raise ToolError(f"cannot write to {directory}: {error.strerror}", "choose another directory with -o") from error
