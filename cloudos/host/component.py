"""`component.toml`: what a component is, offers, needs and may use. Every key is described in docs/images.md."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from cloudos.abi import devices, initial
from cloudos.abi.objects import HANDLES_IN_FRAME, MOST_HANDLE_FRAMES
from cloudos.abi.wiring import GRANTS, POLICIES
from cloudos.host.manifest_values import MOST, Place, Table, read

FILE = "component.toml"
RESERVED = ("offer", "bell", "state")
"""Names under which init itself gives handles."""

KEYS = (
    "name", "description", "program", "offers", "needs", "ports", "registers", "interrupt", "grants", "quota",
    "schedule", "label", "restart", "state", "arguments",
)  # fmt: skip
CONTRACT = re.compile(r"[a-z_][\w.]*:[A-Za-z_]\w*")
FLAGS = {"level": devices.LEVEL, "low": devices.LOW}

# What the kernel takes (kernel/objects/schedule.py); init may give nothing more urgent than itself.
SHORTEST_BUDGET = 10_000
LONGEST_PERIOD = 3_600_000_000_000
MOST_URGENT = initial.PRIORITY
LEAST_MEMORY = 64 << 10
MOST_MEMORY = 1 << 40
MOST_SHARES = 1000
MOST_HANDLES = HANDLES_IN_FRAME * (MOST_HANDLE_FRAMES - 1)
MOST_STATE = 1 << 20
PORTS = 1 << 16
LINES = 256
ADDRESSES = 1 << 52
PAGE = 4096


@dataclass(frozen=True)
class Need:
    """A handle to what another component offers: `contract` is its class path, `use` one of `wiring.USES`.

    `told`: the component is signalled when its server was started again.
    """

    name: str
    contract: str
    use: str
    optional: bool
    told: bool
    place: Place


@dataclass(frozen=True)
class Resource:
    """A part of the machine. `kind`: ports, registers or interrupt, whose line is `first` and flags are `length`."""

    kind: str
    name: str
    first: int
    length: int
    place: Place


@dataclass(frozen=True)
class Grant:
    """Something that init holds, under a name."""

    name: str
    kind: str
    place: Place


@dataclass(frozen=True)
class Schedule:
    """Time: `budget` of each `period`, both in nanoseconds, at `priority`, the highest being the most urgent."""

    priority: int = 100
    budget: int = 10_000_000
    period: int = 10_000_000


@dataclass(frozen=True)
class Restart:
    """What happens when a component ends: `limit` starts more at most (0: any number), the first after `backoff` ns."""

    policy: str = "never"
    limit: int = 0
    backoff: int = 100_000_000


@dataclass(frozen=True)
class Quota:
    """`memory`: bytes, in whole pages. `share`: its part of what a machine has beyond all quotas, of the sum of all
    shares. `handles`: how many it may hold at once; 0: as many as it has memory for."""

    memory: int = 1 << 20
    share: int = 0
    handles: int = 0


@dataclass(frozen=True)
class Component:
    """A component as its own manifest describes it. `state` is bytes, `label` "" when there is none."""

    name: str
    description: str
    program: Path
    offers: tuple[str, ...]
    needs: tuple[Need, ...]
    resources: tuple[Resource, ...]
    grants: tuple[Grant, ...]
    quota: Quota
    schedule: Schedule
    label: str
    restart: Restart
    state: int
    arguments: tuple[str, ...]
    place: Place
    memory_place: Place
    label_place: Place

    @property
    def memory(self) -> int:
        """Bytes of its quota."""
        return self.quota.memory

    @property
    def share(self) -> int:
        """See `Quota`."""
        return self.quota.share


def read_component(directory: Path) -> Component:
    """Read `component.toml` in a directory. Raises NotFound, ToolError, ManifestError with file and line."""
    table = read(directory / FILE)
    table.only(*KEYS)
    name = table.identifier("name", '"clock"')
    if name == "init":
        raise table.error("name", "init is the first process and no component", "choose another name")
    grants = tuple(_grants(table.table("grants")))
    component = Component(
        name=name,
        description=table.text("description", '"the time of day"'),
        program=_program(table, directory),
        offers=_offers(table),
        needs=tuple(_needs(table.table("needs"))),
        resources=tuple(_resources(table)),
        grants=grants,
        quota=read_quota(table, Quota()),
        schedule=read_schedule(table, Schedule()),
        label=table.text("label", '"driver"', ""),
        restart=_restart(table.table("restart")),
        state=_state(table.table("state")),
        arguments=table.texts("arguments"),
        place=table.place("name"),
        memory_place=table.place("quota", "memory"),
        label_place=table.place("label"),
    )
    _check_names(component)
    return component


def read_quota(table: Table, default: Quota) -> Quota:
    """What `[quota]` says; what it does not say is as in `default`."""
    quota = table.table("quota")
    quota.only("memory", "share", "handles")
    pages = -(-quota.size("memory", LEAST_MEMORY, MOST_MEMORY, default.memory) // PAGE)
    handles = quota.integer("handles", 0, MOST_HANDLES, default.handles)
    return Quota(pages * PAGE, quota.integer("share", 0, MOST_SHARES, default.share), handles)


def read_schedule(table: Table, default: Schedule) -> Schedule:
    """The `[schedule]`; what it does not say is as in `default`, but a period alone gives as much of budget."""
    schedule = table.table("schedule")
    schedule.only("priority", "budget", "period")
    period = schedule.time("period", SHORTEST_BUDGET, LONGEST_PERIOD, default.period)
    budget = schedule.time("budget", SHORTEST_BUDGET, LONGEST_PERIOD, min(default.budget, period))
    if budget > period:
        raise schedule.error("budget", "it is longer than the period", "the budget is the part of each period")
    return Schedule(schedule.integer("priority", 1, MOST_URGENT, default.priority), budget, period)


def _program(table: Table, directory: Path) -> Path:
    name = table.text("program", '"main.py"')
    if "/" in name or not (directory / name).is_file():
        raise table.error("program", f"there is no file {name} beside the manifest", "name a .py file with a `main`")
    return directory / name


def _offers(table: Table) -> tuple[str, ...]:
    offers = table.texts("offers")
    for contract in offers:
        check_contract(contract, table.place("offers"))
    if len(set(offers)) != len(offers):
        raise table.error("offers", "a contract is named twice", "name each once")
    return offers


def _needs(table: Table) -> list[Need]:
    found = []
    for name in table.values:
        table.check_name(name, name)
        need = table.table(name)
        need.only("contract", "mint", "signal", "optional", "told")
        contract = need.text("contract", '"cloudos.contracts.files:Files"')
        check_contract(contract, need.place("contract"))
        mint, signal = need.flag("mint"), need.flag("signal")
        if mint and signal:
            raise need.error("signal", "a need is either minted from or signalled", "write two needs")
        use = "mint" if mint else "signal" if signal else "use"
        found.append(Need(name, contract, use, need.flag("optional"), need.flag("told"), need.place()))
    return found


def _resources(table: Table) -> list[Resource]:
    found = []
    for kind, limit in (("ports", PORTS), ("registers", ADDRESSES)):
        for one in table.tables(kind):
            one.only("name", "first", "length")
            first, name = one.integer("first", 0, limit - 1), one.identifier("name", '"data"')
            length = one.integer("length", 1, limit - first)
            if kind == "registers" and (first % PAGE or length % PAGE):
                raise one.error(
                    "first", "registers are given in whole pages", "make first and length multiples of 4096"
                )
            found.append(Resource(kind, name, first, length, one.place()))
    for one in table.tables("interrupt"):
        one.only("name", "line", "flags")
        line, name = one.integer("line", 0, LINES - 1), one.identifier("name", '"line"')
        found.append(Resource("interrupt", name, line, _flags(one), one.place()))
    return found


def _flags(table: Table) -> int:
    """How a line interrupts: a list of names, or their sum."""
    if isinstance(table.values.get("flags"), int):
        return table.integer("flags", 0, sum(FLAGS.values()))
    names = table.texts("flags")
    for name in names:
        if name not in FLAGS:
            raise table.error("flags", f"there is no flag '{name}'", f"flags are: {', '.join(FLAGS)}")
    return sum(FLAGS[name] for name in set(names))


def _grants(table: Table) -> list[Grant]:
    found = []
    for name in table.values:
        table.check_name(name, name)
        kind = table.text(name, '"image"')
        if kind not in GRANTS:
            raise table.error(name, f"there is no grant '{kind}'", f"grants are: {', '.join(GRANTS)}")
        found.append(Grant(name, kind, table.place(name)))
    return found


def _restart(table: Table) -> Restart:
    table.only("policy", "limit", "backoff")
    default = Restart()
    policy = table.text("policy", '"always"', default.policy)
    if policy not in POLICIES:
        raise table.error("policy", f"there is no policy '{policy}'", f"policies are: {', '.join(POLICIES)}")
    limit = table.integer("limit", 0, 1_000_000, default.limit)
    return Restart(policy, limit, table.time("backoff", 0, MOST, default.backoff))


def _state(table: Table) -> int:
    table.only("bytes")
    return table.size("bytes", 1, MOST_STATE) if table.values else 0


def _check_names(component: Component) -> None:
    """All that a component holds has names of its own, and no two of its parts of the machine overlap."""
    seen: dict[str, Place] = {}
    held: list[Need | Resource | Grant] = [*component.needs, *component.resources, *component.grants]
    for one in held:
        if one.name in RESERVED:
            raise one.place.error(f"'{one.name}' is a name that init itself uses", "choose another name")
        if one.name in seen:
            message = f"'{one.name}' is named already in line {seen[one.name].line}"
            raise one.place.error(message, "what a component holds must have different names")
        seen[one.name] = one.place
    check_overlaps([(component.name, one) for one in component.resources])


def check_overlaps(resources: list[tuple[str, Resource]]) -> None:
    """Refuse ports, registers and interrupt lines that are given twice; each stands with its component's name."""
    ordered = sorted(resources, key=lambda pair: (pair[1].kind, pair[1].first))
    furthest: tuple[str, Resource] | None = None
    for owner, one in ordered:
        end = one.first + (1 if one.kind == "interrupt" else one.length)
        if furthest is not None and furthest[1].kind == one.kind:
            other_owner, other = furthest
            other_end = other.first + (1 if other.kind == "interrupt" else other.length)
            if one.first < other_end:
                where = f"{other.place.path}:{other.place.line}"
                message = f"{one.kind} '{one.name}' of {owner} overlaps '{other.name}' of {other_owner} ({where})"
                raise one.place.error(message, "give each part of the machine to one component only")
            if end < other_end:
                continue
        furthest = (owner, one)


def check_contract(contract: str, place: Place) -> None:
    """Refuse a class path that is none, or that names no contract. Raises ManifestError."""
    hint = "a contract is named by module and class: cloudos.contracts.files:Files"
    if not CONTRACT.fullmatch(contract):
        raise place.error(f"'{contract}' does not name a contract", hint)
    module, _, name = contract.partition(":")
    known = contracts_of(module)
    if known is None:
        raise place.error(f"there is no module {module}", hint)
    if name not in known:
        raise place.error(f"{module} has no contract {name}", f"it has: {', '.join(known) or 'none'}")


@functools.cache
def contracts_of(module: str) -> tuple[str, ...] | None:
    """The classes with `@contract` in a module, which is read and not imported; None when there is none."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if found is None or found.origin is None or not found.origin.endswith(".py"):
        return None
    classes = (node for node in ast.parse(Path(found.origin).read_text()).body if isinstance(node, ast.ClassDef))
    return tuple(node.name for node in classes if any(_is_contract(mark) for mark in node.decorator_list))


def _is_contract(mark: ast.expr) -> bool:
    return isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "contract"
