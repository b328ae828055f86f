"""services, caps: the components of the system, their start and stop, and what they hold."""

from __future__ import annotations

from cloudos.apps.administration.access import complain, fields, need
from cloudos.apps.administration.columns import table
from cloudos.apps.administration.formats import human
from cloudos.apps.administration.system_lists import list_components, list_holdings
from cloudos.apps.options import Usage, parse
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import List, Text, print_error, stdout

MILLISECOND = 1_000_000  # nanoseconds
NOT_FOUND = 4
HOLDING_FIELDS = U64(4)


def show_services() -> U8:
    """Write a table of all components. Raises Failed."""
    shown = table(U64(6), U64(0b111100))
    shown.add_words("NAME STATE STARTS MEMORY LIMIT SINCE")
    for one in list_components("services"):
        shown.add_text(one.name)
        shown.add_text(one.state)
        shown.add(f"{one.starts}")
        shown.add_text(human(one.memory))
        shown.add_text(human(one.limit))
        if one.starts == 0:
            shown.add("-")
        else:
            milliseconds = one.since // MILLISECOND
            shown.add(f"{milliseconds // 1000}.{milliseconds % 1000:03}s")
    shown.show()
    return U8(0)


def change(service: Supervisor, command: Text, name: Text) -> None:
    """Do one of the commands. Raises what the operation does."""
    if command.equals("start"):
        service.start(name.content)
    elif command.equals("stop"):
        service.stop(name.content)
    else:
        service.restart(name.content)


def services(arguments: List[Text]) -> U8:
    """`list`, or nothing: show the components; `start`, `stop`, `restart` and names: do that to them."""
    operands = parse(arguments, "").operands
    if operands.length == 0 or (operands.length == 1 and operands[0].equals("list")):
        return show_services()
    command = operands[0]
    known = command.equals("start") or command.equals("stop") or command.equals("restart")
    if not known or operands.length < 2:
        print_error("usage: services [list]\n       services start | stop | restart NAME...")
        raise Usage
    service = Supervisor(need("services", "supervisor", f"Supervisor.{command}"))
    status = U8(0)
    for i in U64.range(1, operands.length):
        name = operands[i]
        try:
            change(service, command, name)
        except Error:
            status = U8(1)
            code = error_code()
            if code == NOT_FOUND:
                print_error(f"services: {name}: no such component")
            elif code == 2 and command.equals("start"):
                print_error(f"services: {name}: it runs already")
            else:
                complain("services", f"{command} {name}", code)
    return status


def show_holdings(name: Text, items: List[Text]) -> None:
    """Draw one component and what it holds as a tree."""
    write_text(stdout, f"{name}\n")
    shown = table(U64(4), U64(0))
    for item in items:
        parts = fields(item, HOLDING_FIELDS)
        for i in U64.range(HOLDING_FIELDS - 1):
            shown.add_text(parts[i] if i < parts.length else Text(""))
        if parts.length == HOLDING_FIELDS:
            shown.add(f"from {parts[HOLDING_FIELDS - 1]}")
        else:
            shown.add("")
    widths = shown.widths()
    for row in U64.range(shown.rows):
        write_text(stdout, "└── " if row + 1 == shown.rows else "├── ")
        shown.show_row(row, widths)
    if items.length == 0:
        write_text(stdout, "└── nothing\n")


def caps(arguments: List[Text]) -> U8:
    """Show what components hold, those named or all. 1: there is none of a name."""
    names = parse(arguments, "").operands
    service = Supervisor(need("caps", "supervisor", "Supervisor.holds"))
    if names.length == 0:
        for one in list_components("caps"):
            names.append(one.name)
    status = U8(0)
    for name in names:
        try:
            items = list_holdings(service, name.content)
        except Error:
            status = U8(1)
            code = error_code()
            if code == NOT_FOUND:
                print_error(f"caps: {name}: no such component")
            else:
                complain("caps", f"{name}", code)
            continue
        show_holdings(name, items)
    return status
