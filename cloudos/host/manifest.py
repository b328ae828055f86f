"""Image manifests: which components make a system, what is different for each here, which files it has.

`cloudos/images/NAME.toml` is the image NAME. Every key is described in docs/images.md. What the components need from
each other is resolved and checked in system_wiring.py.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from pathlib import Path

from cloudos.abi import policy
from cloudos.host import state
from cloudos.host.component import MOST_MEMORY, Component, read_component, read_quota, read_schedule
from cloudos.host.errors import NotFound, ToolError
from cloudos.host.machine import MACHINES
from cloudos.host.manifest_values import HINT, Place, Table, read

FOLDER = state.ROOT / "cloudos" / "images"
KEYS = (
    "name", "description", "memory", "usual", "policy", "label", "program_label", "components", "files", "programs",
    "directories", *MACHINES,
)  # fmt: skip
COMPONENT_KEYS = ("path", "needs", "quota", "schedule", "label", "arguments", "arch")
SYSTEM = "/system"
"""Where the programs of components are; nothing else may be put there."""

LEAST_MEMORY = 4 << 20
MOST_COMPONENTS = 62
"""As many as init numbers."""

LONGEST_NAME = 255
LONGEST_PATH = 4096


@dataclass(frozen=True)
class Placed:
    """A component in an image: its manifest with what the image changes, and who is to serve its needs."""

    component: Component
    wires: dict[str, str]
    wire_places: dict[str, Place]
    place: Place


@dataclass(frozen=True)
class FileEntry:
    """A file of the host, and its path in the guest."""

    source: Path
    guest: str
    place: Place


@dataclass(frozen=True)
class ProgramEntry:
    """A program that is compiled once and stands at several paths: `paths`, or the names in an attribute, in `folder`.

    `names`: "ATTRIBUTE" of the program's own module or "MODULE:ATTRIBUTE"; "" when `paths` says them all.
    """

    source: Path
    paths: tuple[str, ...]
    folder: str
    names: str
    place: Place


@dataclass(frozen=True)
class Policy:
    """The policy of an image: its matrix, and the number of each label."""

    path: Path
    matrix: bytes
    labels: dict[str, int]


@dataclass(frozen=True)
class ImageManifest:
    """An image as its manifest describes it. `memory`: bytes that the machine must have; `usual`: that it is given.

    `program_label`: the label of programs that a loader starts; "" where they have the loader's.
    """

    path: Path
    name: str
    description: str
    memory: int
    usual: int
    policy: Policy | None
    program_label: str
    placed: tuple[Placed, ...]
    files: tuple[FileEntry, ...]
    programs: tuple[ProgramEntry, ...]
    directories: tuple[str, ...]
    memory_place: Place


def available() -> list[Path]:
    """The manifests of the images that come with CloudOS."""
    return sorted(FOLDER.glob("*.toml"))


def find(name: str) -> Path:
    """The manifest of the image NAME, or the file when `name` is the path of one. Raises NotFound."""
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(one.stem for one in available()) or "none"
        raise NotFound(f"there is no image '{name}'", f"images are: {known}; or give the path of a manifest")
    return path


def read_image(path: Path, architecture: str = "x86_64") -> ImageManifest:
    """Read an image manifest and the manifests of its components, without those for other architectures.

    Raises NotFound, ToolError, ManifestError.
    """
    table = read(path)
    table.only(*KEYS)
    rules = _policy(table, path)
    label = table.text("label", '"service"', "")
    placed = tuple(_component(one, path, label) for one in table.tables("components") if _is_for(one, architecture))
    _check_components(table, placed)
    own = table.table(architecture)
    own.only("memory")
    memory = own.size("memory", LEAST_MEMORY, MOST_MEMORY, table.size("memory", LEAST_MEMORY, MOST_MEMORY))
    return ImageManifest(
        path=path,
        name=table.identifier("name", f'"{path.stem}"'),
        description=table.text("description", '"what it is for"'),
        memory=memory,
        usual=table.size("usual", memory, MOST_MEMORY, memory),
        policy=rules,
        program_label=_program_label(table, rules),
        placed=placed,
        files=tuple(entry for one in table.tables("files") for entry in _files(one, path)),
        programs=tuple(_program(one, path) for one in table.tables("programs")),
        directories=tuple(_guest(table, "directories", text) for text in table.texts("directories")),
        memory_place=(own if own.has("memory") else table).place("memory"),
    )


def host_path(text: str, manifest: Path) -> Path:
    """A path in a manifest: from the folder of CloudOS, or from the manifest's own when it begins with ./ or ../."""
    base = manifest.parent if text.startswith(("./", "../")) else state.ROOT
    return base / text


def _policy(table: Table, path: Path) -> Policy | None:
    if not table.has("policy"):
        return None
    source = host_path(table.text("policy", '"cloudos/images/policies/system.toml"'), path)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise table.error(
            "policy", f"cannot read {source}: {error}", "docs/security.md: how policies are written"
        ) from error
    try:
        return Policy(source, policy.encode(text), policy.labels(text))
    except policy.PolicyError as error:
        raise ToolError(f"{source}:{error.line}: {error}", "docs/security.md says how policies are written") from error


def _program_label(table: Table, rules: Policy | None) -> str:
    label = table.text("program_label", '"program"', "")
    if label and (rules is None or label not in rules.labels):
        known = ", ".join(rules.labels) if rules else "there is no policy"
        raise table.error("program_label", f"the policy has no label '{label}'", f"labels: {known}")
    return label


def _is_for(table: Table, architecture: str) -> bool:
    """Whether a component belongs to the image on an architecture."""
    wanted = table.text("arch", '"aarch64"', architecture)
    if wanted not in MACHINES:
        raise table.error("arch", f"there is no architecture '{wanted}'", f"architectures are: {', '.join(MACHINES)}")
    return wanted == architecture


def _component(table: Table, path: Path, label: str) -> Placed:
    table.only(*COMPONENT_KEYS)
    text = table.text("path", '"cloudos/services/files"')
    directory = host_path(text, path)
    if not directory.is_dir():
        raise table.error("path", f"there is no directory {directory}", "name the directory with component.toml")
    try:
        component = read_component(directory)
    except NotFound as error:
        raise table.error("path", error.message, "a component is described by a component.toml") from error
    changed = replace(
        component,
        quota=read_quota(table, component.quota),
        schedule=read_schedule(table, component.schedule),
        label=table.text("label", '"service"', component.label or label),
        arguments=table.texts("arguments") if table.has("arguments") else component.arguments,
    )
    if table.has("label") or not component.label:
        changed = replace(changed, label_place=table.place("label"))
    needs = table.table("needs")
    wires = {name: needs.text(name, '"files"') for name in needs.values}
    return Placed(changed, wires, {name: needs.place(name) for name in wires}, table.place("path"))


def _check_components(table: Table, placed: tuple[Placed, ...]) -> None:
    if not placed:
        raise table.error("components", "an image has at least one", 'write [[components]] and path = "…"')
    if len(placed) > MOST_COMPONENTS:
        raise placed[MOST_COMPONENTS].place.error(f"an image has at most {MOST_COMPONENTS} components")
    seen: dict[str, Placed] = {}
    for one in placed:
        name = one.component.name
        if name in seen:
            message = f"there is a component '{name}' already, in line {seen[name].place.line}"
            raise one.place.error(message, "components of an image have different names")
        seen[name] = one


def _files(table: Table, path: Path) -> list[FileEntry]:
    """The files that one entry names: one, or all that a pattern matches, below a guest directory."""
    table.only("from", "to")
    text, to = table.text("from", '"docs/*.md"'), table.text("to", '"/share/doc/"')
    pattern = host_path(text, path)
    if not glob.has_magic(text):
        if not pattern.is_file():
            raise table.error(
                "from", f"there is no file {pattern}", "name a file of the host, or a pattern such as *.md"
            )
        guest = f"{to}{pattern.name}" if to.endswith("/") else to
        return [FileEntry(pattern, _guest(table, "to", guest), table.place("from"))]
    if not to.endswith("/"):
        raise table.error("to", "a pattern may match several files", f'name a directory: to = "{to}/"')
    fixed = Path(*_before_magic(pattern))
    found = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True) if Path(name).is_file())
    if not found:
        raise table.error("from", f"no file matches {pattern}", "correct the pattern, or remove the entry")
    names = [(one, f"{to}{one.relative_to(fixed).as_posix()}") for one in found]
    return [FileEntry(one, _guest(table, "to", guest), table.place("from")) for one, guest in names]


def _before_magic(pattern: Path) -> list[str]:
    """The parts of a path before the first that has * or the like."""
    parts: list[str] = []
    for part in pattern.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _program(table: Table, path: Path) -> ProgramEntry:
    table.only("from", "to", "names")
    source = host_path(table.text("from", '"cloudos/apps/toolbox/main.py"'), path)
    if not source.is_file():
        raise table.error("from", f"there is no file {source}", "name a Python file with a `main`")
    to = table.need("to", '["/bin/ls", "/bin/cat"]')
    names = table.text("names", '"NAMES"', "")
    if not names:
        paths = (to,) if isinstance(to, str) else table.texts("to")
        if not paths:
            raise table.error("to", "the list is empty", 'write to = ["/bin/ls"]')
        return ProgramEntry(source, tuple(_guest(table, "to", one) for one in paths), "", "", table.place("from"))
    folder = table.text("to", '"/bin/"')
    if not folder.endswith("/"):
        raise table.error("to", "with `names` it is the directory that they stand in", f'write to = "{folder}/"')
    _guest(table, "to", f"{folder}name")
    return ProgramEntry(source, (), folder, names, table.place("names"))


def guest_problem(guest: str) -> str:
    """What is wrong with a path in the guest; empty when nothing is."""
    parts = guest.split("/")[1:]
    if not guest.startswith("/") or not guest.isprintable():
        return f"{guest!r} is not an absolute path"
    if any(part in ("", ".", "..") for part in parts):
        return f"{guest} has an empty part, . or .."
    if any(len(part.encode()) > LONGEST_NAME for part in parts) or len(guest.encode()) > LONGEST_PATH:
        return f"{guest} is too long"
    if guest == SYSTEM or guest.startswith(f"{SYSTEM}/"):
        return f"{guest}: {SYSTEM} is for the programs of components"
    return ""


def _guest(table: Table, key: str, guest: str) -> str:
    problem = guest_problem(guest)
    if problem:
        raise table.error(key, problem, HINT)
    return guest
