"""A client of all services: does what the plan says, and tells the simulation what came of it.

This code runs in a process of the simulated machine, on the SDK and the contracts of any program, but only under
CPython, so it may use all of Python. `driver` is the simulation's side of it.
"""

from __future__ import annotations

from typing import Any

from cloudos.lang import U64
from cloudos.sdk import system
from tests.simulation.client.operations import OPERATIONS, Failed, Session

PAUSE = 20_000_000
LONG_PAUSE = 100_000_000

# Set before each start.
driver: Any = None


def main() -> None:
    """Do what the plan says, and ask again when there is nothing."""
    session = Session()
    pause = PAUSE
    while True:
        operation = driver.next()
        if operation is None:
            system.thread_sleep(U64(pause))
            continue
        if operation.name == "stop":
            driver.stopped()
            pause = LONG_PAUSE
            continue
        driver.begin(operation)
        failed, result = None, None
        try:
            result = OPERATIONS[operation.name](session, *operation.arguments)
        except Failed as failure:
            failed = failure
        driver.finish(operation, failed.stage if failed else "", failed.error if failed else "", result)
