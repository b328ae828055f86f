"""Starting a component: its quota, time and endpoint are made once, its process anew each time."""

from __future__ import annotations

from cloudos.abi import devices, initial
from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    BadState,
    Denied,
    NotFound,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WrongKind,
)
from cloudos.abi.objects import MEMORY_PAID, Rights
from cloudos.lang import U8, U64, Slice, data
from cloudos.sdk import system
from cloudos.sdk.bundle import bundle
from cloudos.sdk.collections.list import List
from cloudos.sdk.executable import read_executable
from cloudos.sdk.quotas import usage
from cloudos.sdk.spawn import NewProcess, label_word, new_process
from cloudos.services.init.wiring import Component, Need, Resource

QUOTA = initial.QUOTA
# What a server does with its own endpoint: receive, and give out handles to it.
SERVER_RIGHTS = Rights.RECEIVE | Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
CLIENT_RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
# A server lets others signal its bell.
BELL_RIGHTS = Rights.WAIT | Rights.SIGNAL | Rights.INSPECT | Rights.DERIVE | Rights.TRANSFER
STATE_RIGHTS = Rights.READ | Rights.WRITE | Rights.MAP | Rights.INSPECT
READ_RIGHTS = Rights.READ | Rights.MAP | Rights.INSPECT | Rights.DERIVE | Rights.TRANSFER
RUN_RIGHTS = READ_RIGHTS | Rights.EXECUTE
PAGE = 4096
OWN_MEMORY = 512 << 10  # bytes that init needs for what it makes, and
KEPT_PART = 64  # of what is more than enough one part in so many
# In the badge of who was given init as a stream and not as the supervisor.
WRITER = 1 << 32


def prepare(component: Component) -> None:
    """Make what lasts longer than a process, and is not there yet: it may fail on the way and be called again.

    Raises QuotaExceeded, BadProgram, NotFound.
    """
    quota = U64(QUOTA)
    try:
        if component.quota == 0:
            component.quota = system.quota_create(quota, component.memory)
        if component.schedule == 0:
            component.schedule = system.schedule_create(quota, component.priority, component.budget, component.period)
        if component.endpoint == 0:
            component.endpoint = system.endpoint_create(quota)
        if component.bell == 0:
            component.bell = system.notification_create(quota)
        if component.kept == 0 and component.state_bytes > 0:
            length = (component.state_bytes + (PAGE - 1)) // PAGE * PAGE
            component.kept = system.memory_create(quota, length, U64(MEMORY_PAID))
        for resource in component.resources:
            if resource.handle == 0:
                resource.handle = part_of_machine(resource)
    except (BadArgument, BadState, BadHandle, Denied, OutOfMemory, PeerGone, TooManyHandles, WrongKind):
        raise QuotaExceeded
    number = bundle.find(EntryKind.FILE, component.program.content)
    if number is None:
        raise NotFound
    # The image lasts: what a program only reads is shown from there, what it writes is copied at each start.
    entry = bundle.entry(number)
    component.executable = read_executable(bundle.data(entry), quota, U64(initial.BUNDLE), entry.data_offset, True)


def share_out(components: List[Component]) -> None:
    """Give what the machine has beyond all quotas to those that have shares. init keeps a part for itself."""
    used, limit = usage(U64(QUOTA))
    taken, shares = used + OWN_MEMORY, U64(0)
    for one in components:
        taken += one.memory + one.state_bytes
        shares += one.share
    if taken >= limit or shares == 0:
        return
    rest = (limit - taken) // KEPT_PART * (KEPT_PART - 1)
    for one in components:
        one.memory += rest // shares * one.share // PAGE * PAGE


def part_of_machine(resource: Resource) -> U64:
    """The object of a part of the machine. Raises what device_create and interrupt_create do."""
    machine, quota = U64(initial.DEVICE), U64(QUOTA)
    if resource.kind.equals("interrupt"):
        return system.interrupt_create(machine, quota, resource.first, resource.length)
    kind = U64(devices.PORTS) if resource.kind.equals("ports") else U64(devices.MEMORY)
    return system.device_create(machine, quota, kind, resource.first, resource.length)


def make(component: Component, others: List[Component], own: U64) -> U64:
    """Start the component's process; its handle. `own` is init's endpoint. Raises QuotaExceeded, NotFound."""
    executable = component.executable
    if executable is None:
        raise NotFound
    made = new_process(
        executable, component.quota, component.schedule, label_word(component.label, component.handles), False
    )
    made.block.add(EntryKind.ARGUMENT, data(b""), component.name.content)
    for argument in component.arguments:
        made.block.add(EntryKind.ARGUMENT, data(b""), argument.content)
    try:
        give_all(made, component, others, own)
    except BadHandle:
        raise NotFound
    made.start()
    return made.process


def give_all(made: NewProcess, component: Component, others: List[Component], own: U64) -> None:
    """Give exactly what the manifest names. Raises QuotaExceeded, NotFound, BadHandle."""
    none, all_rights = U64(0), U64(0)
    if component.offers:
        made.give(data(b"offer"), component.endpoint, U64(SERVER_RIGHTS), none)
    if component.offers or component.told_of.length > 0:
        made.give(data(b"bell"), component.bell, U64(BELL_RIGHTS), none)
    if component.kept != 0:
        made.give(data(b"state"), component.kept, U64(STATE_RIGHTS), none)
    for resource in component.resources:
        made.give(resource.name.content, resource.handle, all_rights, none)
    for grant in component.grants:
        if grant.kind.equals("audit"):
            made.give(grant.name.content, U64(initial.AUDIT), all_rights, none)
        elif grant.kind.equals("policy"):
            made.give(grant.name.content, U64(initial.POLICY), U64(Rights.INSPECT), none)
        elif grant.kind.equals("image"):
            made.give(grant.name.content, U64(initial.BUNDLE), U64(READ_RIGHTS), none)
        elif grant.kind.equals("programs"):
            made.give(grant.name.content, U64(initial.BUNDLE), U64(RUN_RIGHTS), none)
        else:
            raise NotFound
    for need in component.needs:
        give_need(made, component, need, others, own)


def give_need(made: NewProcess, component: Component, need: Need, others: List[Component], own: U64) -> None:
    """A handle to what another offers, with the number of who uses it. Raises QuotaExceeded, NotFound, BadHandle."""
    name = need.name.content
    if need.component.equals("init"):
        badge = component.number | WRITER if need.use.equals("write") else component.number
        made.give(name, own, U64(CLIENT_RIGHTS), badge)
        return
    other = others[position_of(need.component.content, others)]
    if need.use.equals("signal"):
        made.give(name, other.bell, U64(Rights.SIGNAL | Rights.INSPECT), U64(0))
    elif need.use.equals("mint"):
        made.give(name, other.endpoint, U64(CLIENT_RIGHTS), U64(0))
    else:
        made.give(name, other.endpoint, U64(CLIENT_RIGHTS), component.number)


def position_of(name: Slice[U8], components: List[Component]) -> U64:
    """Where the component of this name stands. Raises NotFound."""
    for index in U64.range(components.length):
        if components[index].name.content.equals(name):
            return index
    raise NotFound
