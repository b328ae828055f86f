"""The utilities by name. A new one is imported and added to `UTILITIES`."""

from __future__ import annotations

from collections.abc import Callable

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
from cloudos.apps.multicall import dispatcher
from cloudos.lang import U8
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

dispatch = dispatcher(UTILITIES, __name__)
"""Run the utility of a name with its arguments, the name first; None when there is none of that name."""
