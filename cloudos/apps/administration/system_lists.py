"""Programs and components, as the loader and init list them."""

from __future__ import annotations

from cloudos.apps.administration.access import LISTING, Failed, add_items, complain, fields, need, number
from cloudos.contracts.programs import Programs
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Error, Slice, error_code, free_slice, managed, new_slice
from cloudos.sdk import InvalidNumber, List, Text

PROGRAM_FIELDS = U64(7)
COMPONENT_FIELDS = U64(6)


@managed
class ProgramEntry:
    """One program. `memory` is in bytes, `time` in nanoseconds since its start."""

    number: U64
    parent: U64
    group: U64
    state: Text
    memory: U64
    time: U64
    name: Text


@managed
class ComponentEntry:
    """One component. `memory` and `limit` are in bytes, `since` nanoseconds from the machine's start to its last."""

    name: Text
    state: Text
    starts: U64
    memory: U64
    limit: U64
    since: U64


def parse_program(line: Text) -> ProgramEntry:
    """An item of `Programs.list`; raises InvalidNumber."""
    parts = fields(line, PROGRAM_FIELDS)
    if parts.length != PROGRAM_FIELDS:
        raise InvalidNumber
    return ProgramEntry(
        number(parts[0]), number(parts[1]), number(parts[2]), parts[3], number(parts[4]), number(parts[5]), parts[6]
    )


def parse_component(line: Text) -> ComponentEntry:
    """An item of `Supervisor.list`; raises InvalidNumber."""
    parts = fields(line, COMPONENT_FIELDS)
    if parts.length != COMPONENT_FIELDS:
        raise InvalidNumber
    return ComponentEntry(parts[0], parts[1], number(parts[2]), number(parts[3]), number(parts[4]), number(parts[5]))


def list_programs(utility: str) -> List[ProgramEntry]:
    """All programs, in the loader's order. Raises Failed."""
    service = Programs(need(utility, "programs", "Programs.list"))
    room = new_slice(U8, LISTING)
    try:
        items = List[Text]()
        while add_items(room[0 : service.list(items.length, room)], items):
            pass
        result = List[ProgramEntry]()
        for item in items:
            result.append(parse_program(item))
        return result
    except Error:
        complain(utility, "Programs.list", error_code())
        raise Failed from None
    finally:
        free_slice(room)


def list_components(utility: str) -> List[ComponentEntry]:
    """All components, in the order of the image. Raises Failed."""
    service = Supervisor(need(utility, "supervisor", "Supervisor.list"))
    room = new_slice(U8, LISTING)
    try:
        items = List[Text]()
        while add_items(room[0 : service.list(items.length, room)], items):
            pass
        result = List[ComponentEntry]()
        for item in items:
            result.append(parse_component(item))
        return result
    except Error:
        complain(utility, "Supervisor.list", error_code())
        raise Failed from None
    finally:
        free_slice(room)


def list_holdings(service: Supervisor, name: Slice[U8]) -> List[Text]:
    """What a component holds, each `name kind rights from`. Raises what `Supervisor.holds` does."""
    room = new_slice(U8, LISTING)
    try:
        items = List[Text]()
        while add_items(room[0 : service.holds(name, items.length, room)], items):
            pass
        return items
    finally:
        free_slice(room)


def machine_memory(utility: str) -> tuple[U64, U64]:
    """Bytes of memory of the machine that init distributes, and how many are used. Raises Failed."""
    service = Supervisor(need(utility, "supervisor", "Supervisor.memory"))
    try:
        return service.memory()
    except Error:
        complain(utility, "Supervisor.memory", error_code())
        raise Failed from None
