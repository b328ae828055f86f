"""Who serves whom in an image: needs are resolved, everything is checked, and components are put in order of start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudos.abi.objects import Operation
from cloudos.host.component import Component, Need, check_overlaps
from cloudos.host.machine import describe
from cloudos.host.manifest import SYSTEM, ImageManifest, Placed, Policy
from cloudos.host.wiring import Wired

INIT = "init"
INIT_OFFERS = ("cloudos.contracts.supervisor:Supervisor",)
LOG = "cloudos.contracts.logs:Log"
PROGRAMS = "cloudos.contracts.programs:Programs"
POLICIES = "cloudos.contracts.policies:Policies"
INIT_OFFERS_WHEN_ASKED = ("cloudos.contracts.streams:Stream",)
"""What goes to the boot log, but only of those whose image wires it so."""

PAGE = 4096
STARTING = int(Operation.CONTROL | Operation.INSPECT | Operation.TRANSFER | Operation.SHARE)
"""What a process must be allowed to do to another that it makes, gives something, and follows to its end."""


@dataclass(frozen=True)
class Link:
    """A need that was resolved: `user` gets a handle to what `server` offers, under the need's name."""

    user: str
    need: Need
    server: str


@dataclass(frozen=True)
class System:
    """An image that was checked: its components in the order in which they start, and what connects them."""

    manifest: ImageManifest
    placed: tuple[Placed, ...]
    links: tuple[Link, ...]

    def links_of(self, name: str) -> Iterator[Link]:
        """What a component gets."""
        return (link for link in self.links if link.user == name)

    def label_of(self, component: Component) -> int:
        """The number of a component's label; 0 without a policy."""
        return self.manifest.policy.labels[component.label] if self.manifest.policy else 0


def check(manifest: ImageManifest) -> System:
    """Resolve and check an image. Raises ManifestError that names file, line and what to do."""
    _check_labels(manifest)
    links = tuple(link for placed in manifest.placed for link in _links(manifest, placed))
    if manifest.policy:
        _check_calls(manifest, manifest.policy, links)
        _check_loader(manifest, manifest.policy)
    _check_memory(manifest)
    check_overlaps([(one.component.name, part) for one in manifest.placed for part in one.component.resources])
    return System(manifest, _in_order(manifest.placed, links), links)


def _links(manifest: ImageManifest, placed: Placed) -> Iterator[Link]:
    """The needs of one component, each with its server; optional ones that nobody serves are left out."""
    known = {need.name for need in placed.component.needs}
    for name, place in placed.wire_places.items():
        if name not in known:
            hint = f"it needs: {', '.join(sorted(known)) or 'nothing'}"
            raise place.error(f"{placed.component.name} has no need '{name}'", hint)
    for need in placed.component.needs:
        server = _server(manifest, placed, need)
        if server is not None:
            yield Link(placed.component.name, need, server)


def _server(manifest: ImageManifest, placed: Placed, need: Need) -> str | None:
    offering = [one.component.name for one in manifest.placed if need.contract in one.component.offers]
    offering += [INIT] if need.contract in INIT_OFFERS else []
    user = placed.component.name
    chosen = placed.wires.get(need.name)
    if chosen is not None:
        _check_wire(manifest, placed, need, offering + [INIT] * (need.contract in INIT_OFFERS_WHEN_ASKED))
    elif len(offering) > 1:
        hint = f'say which, at its component: needs = {{ {need.name} = "{offering[0]}" }}'
        raise placed.place.error(f"need '{need.name}' of {user} may be served by {' or '.join(offering)}", hint)
    elif not offering and need.optional:
        return None
    elif not offering:
        message = f"no component of the image {manifest.name} offers {need.contract}, which {user} needs"
        raise need.place.error(message, f"add one to {manifest.path}, or make the need optional")
    server = chosen or offering[0]
    if server == user:
        raise need.place.error(f"{user} needs what it offers itself", "wire the need to another component")
    if server == INIT and need.use != "use":
        raise need.place.error(f"init cannot be {need.use}ed", "needs that init serves have neither mint nor signal")
    return server


def _check_wire(manifest: ImageManifest, placed: Placed, need: Need, offering: list[str]) -> None:
    """The image says who serves a need: it must be there, and offer the contract."""
    chosen, place = placed.wires[need.name], placed.wire_places[need.name]
    names = [one.component.name for one in manifest.placed] + [INIT]
    if chosen not in names:
        raise place.error(f"there is no component '{chosen}' in the image", f"there are: {', '.join(names)}")
    if chosen not in offering:
        hint = f"wire it to one that does: {', '.join(offering) or 'there is none'}"
        raise place.error(f"{chosen} does not offer {need.contract}", hint)


def _check_labels(manifest: ImageManifest) -> None:
    for one in manifest.placed:
        component = one.component
        if manifest.policy is None:
            if component.label:
                message = f"{component.name} has the label '{component.label}', but the image has no policy"
                raise component.label_place.error(message, f"give {manifest.path} a policy, or remove the label")
        elif not component.label:
            hint = "write label = … in component.toml, at the component here, or for all at the top"
            raise one.place.error(f"{component.name} has no label, but the image has a policy", hint)
        elif component.label not in manifest.policy.labels:
            hint = f"labels of {manifest.policy.path}: {', '.join(manifest.policy.labels)}"
            raise component.label_place.error(f"the policy has no label '{component.label}'", hint)


def _check_calls(manifest: ImageManifest, policy: Policy, links: tuple[Link, ...]) -> None:
    """A need is of no use when the policy forbids the calls."""
    labels = {one.component.name: one.component.label for one in manifest.placed}
    labels[INIT] = next(iter(policy.labels))
    for link in links:
        user, server = labels[link.user], labels[link.server]
        place = policy.labels[user] * len(policy.labels) + policy.labels[server]
        if link.need.use != "signal" and not policy.matrix[place] & int(Operation.CALL):
            message = f"{link.user} ({user}) needs {link.server} ({server}), which the policy does not let it call"
            raise link.need.place.error(message, f"allow 'call' for them in {policy.path}, or give other labels")


def _check_loader(manifest: ImageManifest, policy: Policy) -> None:
    """Who starts programs must be allowed what that takes."""
    for one in manifest.placed:
        if PROGRAMS in one.component.offers:
            own, other = one.component.label, manifest.program_label or one.component.label
            missing = STARTING & ~policy.matrix[policy.labels[own] * len(policy.labels) + policy.labels[other]]
            if missing:
                names = ", ".join(op.name.lower() for op in Operation if op.name and int(op) & missing)
                message = f"{one.component.name} ({own}) cannot start programs of the label '{other}'"
                raise one.place.error(message, f"allow {names} for them in {policy.path}")


def _check_memory(manifest: ImageManifest) -> None:
    total = 0
    for one in manifest.placed:
        total += one.component.memory + -(-one.component.state // PAGE) * PAGE
        if total > manifest.memory:
            message = f"the quotas of the components are more than the {describe(manifest.memory)} of the image"
            where = f"{one.component.name} makes them {describe(total)}"
            raise manifest.memory_place.error(f"{message}: {where}", "raise memory, or lower quotas")


def _in_order(placed: tuple[Placed, ...], links: tuple[Link, ...]) -> tuple[Placed, ...]:
    """Servers before their users, otherwise as in the manifest. Who only signals need not wait."""
    by_name = {one.component.name: one for one in placed}
    order: list[Placed] = []
    path: list[Link] = []

    def visit(name: str) -> None:
        if by_name[name] in order:
            return
        for link in links:
            if link.user != name or link.server == INIT or link.need.use == "signal":
                continue
            if any(link.server == earlier.user for earlier in (*path, link)):
                _refuse_cycle([*path, link])
            path.append(link)
            visit(link.server)
            path.pop()
        order.append(by_name[name])

    for one in placed:
        visit(one.component.name)
    return tuple(order)


def _refuse_cycle(path: list[Link]) -> None:
    """The last link leads back to where an earlier one began."""
    begin = next(n for n, link in enumerate(path) if link.user == path[-1].server)
    names = " -> ".join([link.user for link in path[begin:]] + [path[-1].server])
    hint = "break it: remove a need, or make it a `signal`, which does not wait for its server"
    raise path[-1].need.place.error(f"components need each other in a circle: {names}", hint)


def wired(system: System) -> list[Wired]:
    """What the wiring text says of each component."""
    return [_wired(system, one.component) for one in system.placed]


def _names(system: System) -> list[str]:
    """Arguments that tell the log service who has which badge: see `cloudos.services.init.wiring`."""
    names = ["init", *(one.component.name for one in system.placed)]
    return [f"name={badge}:{name}" for badge, name in enumerate(names, start=1)]


def _labels(system: System) -> list[str]:
    """Arguments that tell the policy service what the labels are called: the matrix has numbers alone."""
    labels = system.manifest.policy.labels if system.manifest.policy else {}
    # An argument is one line of the wiring text; a label may be any text.
    shown = {number: "".join(one if one.isprintable() else "?" for one in name) for name, number in labels.items()}
    return [f"label={number}:{name}" for number, name in shown.items()]


def _told(system: System, component: Component) -> list[str]:
    """Arguments behind those of the manifest, for who has to know the image."""
    names = _names(system) if LOG in component.offers else []
    names += _labels(system) if POLICIES in component.offers else []
    return names + (_program_label(system, component) if PROGRAMS in component.offers else [])


def _program_label(system: System, component: Component) -> list[str]:
    """The argument that tells a loader the label of the programs that it starts."""
    manifest = system.manifest
    return [f"label={manifest.policy.labels[manifest.program_label or component.label]}"] if manifest.policy else []


def _use(link: Link) -> str:
    """What the wiring says of a link. init's two contracts are on one endpoint: who may write may do nothing else."""
    writes = link.server == INIT and link.need.contract in INIT_OFFERS_WHEN_ASKED
    return "write" if writes else link.need.use


def _wired(system: System, component: Component) -> Wired:
    schedule, restart = component.schedule, component.restart
    links = list(system.links_of(component.name))
    return Wired(
        name=component.name,
        program=f"{SYSTEM}/{component.name}",
        memory=component.memory,
        share=component.share,
        handles=component.quota.handles,
        schedule=(schedule.priority, schedule.budget, schedule.period),
        label=system.label_of(component),
        restart=(restart.policy, restart.limit, restart.backoff),
        state=component.state,
        arguments=[*component.arguments, *_told(system, component)],
        offer=component.name if component.offers else "",
        needs=[(link.need.name, link.server, _use(link)) for link in links],
        told=sorted({link.server for link in links if link.need.told and link.server != INIT}),
        resources=[(part.kind, part.name, part.first, part.length) for part in component.resources],
        grants=[(grant.name, grant.kind) for grant in component.grants],
    )
