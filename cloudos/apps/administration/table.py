"""The utilities by name. A new one is imported and added to `UTILITIES`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.apps.administration.audits import audit
from cloudos.apps.administration.disks import df, mount
from cloudos.apps.administration.help import help
from cloudos.apps.administration.kill import kill
from cloudos.apps.administration.machine import clear, hostname, poweroff, reboot, uptime
from cloudos.apps.administration.memory import free
from cloudos.apps.administration.more import more
from cloudos.apps.administration.policies import policy
from cloudos.apps.administration.ps import ps
from cloudos.apps.administration.records import dmesg, log
from cloudos.apps.administration.services import caps, services
from cloudos.apps.administration.top import top
from cloudos.lang import U8, generate
from cloudos.sdk import List, Text

UTILITIES: dict[str, Callable[[List[Text]], U8]] = {
    "audit": audit,
    "caps": caps,
    "clear": clear,
    "df": df,
    "dmesg": dmesg,
    "free": free,
    "help": help,
    "hostname": hostname,
    "kill": kill,
    "log": log,
    "more": more,
    "mount": mount,
    "policy": policy,
    "poweroff": poweroff,
    "ps": ps,
    "reboot": reboot,
    "services": services,
    "top": top,
    "uptime": uptime,
}
NAMES = tuple(UTILITIES)
"""For the image: each is a file that holds this program."""


def _dispatch() -> Callable[[Text, List[Text]], U8 | None]:
    """The function that calls a utility by its name: comparisons, made from the table."""
    names: dict[str, Any] = {"Text": Text, "List": List, "U8": U8, "__name__": __name__}
    lines = ["def dispatch(name: Text, arguments: List[Text]) -> U8 | None:"]
    for number, (name, function) in enumerate(UTILITIES.items()):
        names[f"utility{number}"] = function
        lines += [f"    if name.equals({name!r}):", f"        return utility{number}(arguments)"]
    made: Callable[[Text, List[Text]], U8 | None] = generate(
        "\n".join([*lines, "    return None", ""]), "dispatch", names
    )
    return made


dispatch = _dispatch()
"""Run the utility of a name with its arguments, the name first; None when there is none of that name."""
