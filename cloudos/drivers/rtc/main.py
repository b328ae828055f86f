"""The time of day: read once from the real-time clock, then counted by the machine's own clock."""

from __future__ import annotations

from cloudos.contracts.devices import Clock
from cloudos.contracts.errors import ServiceError
from cloudos.contracts.logs import WARNING, Log
from cloudos.drivers.rtc.chip import RealTimeClock
from cloudos.lang import U64, data, place, struct
from cloudos.sdk import system
from cloudos.sdk.component import held
from cloudos.sdk.devices import Ports
from cloudos.sdk.service import server

SECOND = 1_000_000_000  # nanoseconds


@struct
class TimeOfDay:
    """Implements `Clock`. `start` is the time of day, in nanoseconds, when the machine's clock showed `since`."""

    start: U64 = U64(0)
    since: U64 = U64(0)

    def set(self, seconds: U64) -> None:
        """Now it is `seconds` after 1970."""
        self.start = seconds * SECOND
        self.since = system.clock_read()

    def now(self) -> U64:
        """See `Clock`."""
        return self.start + (system.clock_read() - self.since)


SERVER = place(TimeOfDay())
serve = server((Clock, SERVER))


def warn(log: U64) -> None:
    """Say in the log, if there is one, that the time is not known."""
    if log == 0:
        return
    try:
        Log(log).note(U64(WARNING), data(b"the real-time clock shows no time: it counts from 1970-01-01"))
    except ServiceError:
        pass


def set_time(clock: RealTimeClock, log: U64) -> None:
    """Take over the clock's time, or count from 1970 and say so."""
    seconds = clock.read()
    if seconds is None:
        warn(log)
        SERVER.set(U64(0))
    else:
        SERVER.set(seconds)


def main() -> None:
    """Serve for ever."""
    set_time(RealTimeClock(Ports(held("ports"))), held("log"))
    serve(held("offer"))
