"""The time of day: read once from the real-time clock, then counted by the machine's own clock."""

from __future__ import annotations

from cloudos.contracts.devices import Clock
from cloudos.contracts.errors import ServiceError
from cloudos.contracts.logs import WARNING, Log
from cloudos.drivers.rtc.chip import RealTimeClock
from cloudos.drivers.rtc.kept import continued_in
from cloudos.lang import U64, data, place, struct
from cloudos.sdk import system
from cloudos.sdk.component import held
from cloudos.sdk.devices import Ports
from cloudos.sdk.service import server

SECOND = 1_000_000_000  # nanoseconds


@struct
class TimeOfDay:
    """Implements `Clock`. The time of day is `ahead` nanoseconds, modulo 2**64, later than the machine's clock."""

    ahead: U64 = U64(0)

    def now(self) -> U64:
        """See `Clock`."""
        return system.clock_read().wrapping_add(self.ahead)


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


def set_time(clock: RealTimeClock, log: U64, state: U64) -> None:
    """Take over the clock's time, or what an earlier life made of it and left in the memory `state` (0: there is none).

    A clock that shows no time: it was 1970 when the machine started, and the log says so.
    """
    seconds = clock.read()
    if seconds is None:
        warn(log)
        SERVER.ahead = continued_in(state, U64(0))
    else:
        SERVER.ahead = continued_in(state, (seconds * SECOND).wrapping_sub(system.clock_read()))


def main() -> None:
    """Serve for ever."""
    set_time(RealTimeClock(Ports(held("ports"))), held("log"), held("state"))
    serve(held("offer"))
