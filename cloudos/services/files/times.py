"""The time of day for the times of files."""

from __future__ import annotations

from cloudos.contracts.devices import Clock
from cloudos.contracts.errors import BadMessage, BadOperation, ServiceGone
from cloudos.lang import U64, place, struct
from cloudos.sdk import system

# Nanoseconds for which the difference to the machine's own clock is taken to stay the same.
FRESH = 60_000_000_000


@struct
class Time:
    """The time of day, from the clock service once a minute and from the machine's clock in between."""

    # A `Clock`, or 0: then times count from the machine's start.
    clock: U64 = U64(0)
    # Nanoseconds: the time of day less the machine's clock, and when that was found.
    ahead: U64 = U64(0)
    asked: U64 = U64(0)
    known: bool = False

    def now(self) -> U64:
        """Nanoseconds since 1970 in UTC, as far as it is known."""
        machine = system.clock_read()
        if self.clock != 0 and (not self.known or machine.wrapping_sub(self.asked) > FRESH):
            self.ask(machine)
        return machine.wrapping_add(self.ahead)

    def ask(self, machine: U64) -> None:
        """Ask the clock service; without an answer what was known stays."""
        self.asked = machine
        self.known = True
        try:
            self.ahead = Clock(self.clock).now().wrapping_sub(machine)
        except (ServiceGone, BadMessage, BadOperation):
            pass


TIME = place(Time())
