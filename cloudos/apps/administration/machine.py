"""uptime, reboot, poweroff, hostname, clear: the machine as a whole."""

from __future__ import annotations

from cloudos.apps.administration.access import Failed, complain, need
from cloudos.apps.administration.formats import elapsed
from cloudos.apps.administration.screen import CLEAR
from cloudos.apps.administration.system_lists import list_programs
from cloudos.apps.options import Usage, parse
from cloudos.contracts.devices import Clock
from cloudos.contracts.errors import ServiceError
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import List, Text, print_error, stdout, system
from cloudos.sdk.component import held
from cloudos.sdk.filesystem import open_path
from cloudos.sdk.terminal import let_leave

SECOND = 1_000_000_000
DAY = 86400
HOST_NAME = "/etc/hostname"


def without_operands(arguments: List[Text]) -> None:
    """Raises Usage when there is anything on the command line."""
    if parse(arguments, "").operands.length > 0:
        print_error(f"usage: {arguments[0]}")
        raise Usage


def uptime(arguments: List[Text]) -> U8:
    """Say how long the machine has been running, and how many programs run."""
    without_operands(arguments)
    programs = list_programs("uptime")
    clock = held("clock")
    if clock != 0:
        try:
            seconds = Clock(clock).now() // SECOND % DAY
            write_text(stdout, f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02} ")
        except ServiceError:  # the time of day is an extra
            write_text(stdout, "--:--:-- ")
    running = U64(0)
    for one in programs:
        if one.state.equals("running"):
            running += 1
    noun = Text("program") if running == 1 else Text("programs")
    write_text(stdout, f"up {elapsed(system.clock_read())}, {running} {noun}\n")
    return U8(0)


def shut_down(utility: str, restart: bool) -> U8:
    """Ask init to end the machine. Raises Failed when it refuses."""
    service = Supervisor(need(utility, "supervisor", "Supervisor.shut_down"))
    stdout.flush()
    let_leave(held("console"))
    try:
        service.shut_down(restart)
        return U8(0)
    except Error:
        complain(utility, "Supervisor.shut_down", error_code())
        raise Failed from None


def reboot(arguments: List[Text]) -> U8:
    """Stop all components and start the machine again."""
    without_operands(arguments)
    return shut_down("reboot", True)


def poweroff(arguments: List[Text]) -> U8:
    """Stop all components and the machine."""
    without_operands(arguments)
    return shut_down("poweroff", False)


def hostname(arguments: List[Text]) -> U8:
    """Write the machine's name, the first line of /etc/hostname."""
    without_operands(arguments)
    need("hostname", "files", "Files.open")
    try:
        line = open_path(Text(HOST_NAME)).read_line()
    except Error:
        complain("hostname", HOST_NAME, error_code())
        raise Failed from None
    if line is None:
        print_error(f"hostname: {HOST_NAME} is empty")
        raise Failed
    write_text(stdout, f"{line}\n")
    return U8(0)


def clear(arguments: List[Text]) -> U8:
    """Erase the terminal's screen."""
    without_operands(arguments)
    write_text(stdout, CLEAR)
    return U8(0)
