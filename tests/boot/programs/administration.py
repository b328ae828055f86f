"""A component that runs administration utilities, one after another, with the capabilities that it has."""

from __future__ import annotations

from cloudos.apps.administration.__main__ import ADMINISTRATION
from cloudos.lang import U8
from cloudos.sdk import List, Text, print, stdout
from cloudos.sdk.console import connections

LINES = (
    "services|services restart pipes|services|caps pipes tryout|free|top -b -n 1|ps|df /tmp|mount|log -w notice hello"
    "|log|audit -v|uptime|kill 3|hostname|help|poweroff"
)
UNREACHED = 9


def main(arguments: List[Text]) -> U8:
    """Run all lines; the last one ends the machine."""
    connections.errors = connections.output
    for line in Text(LINES).split("|"):
        words = line.words()
        print(f"$ {line}")
        status = ADMINISTRATION.call(words[0], words)
        stdout.flush()
        if status is not None and status != 0:
            print(f"status {status}")
    return U8(UNREACHED)
