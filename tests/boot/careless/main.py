"""A component that publishes the line that it was given, and gives its own process to who asks."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument, BadHandle, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles
from cloudos.contracts.names import Names
from cloudos.lang import U64, data, place, struct
from cloudos.sdk import system
from cloudos.sdk.component import held
from cloudos.sdk.service import server
from tests.boot.careless.interface import NUMBER, Careless

SERIAL = 8  # the number of the contract
ALL_RIGHTS = 32767


@struct
class CarelessServer:
    """Implements `Careless`."""

    asked: U64 = U64(0)

    def process(self) -> U64:
        """See `Careless`."""
        self.asked += 1
        try:
            return system.handle_derive(U64(initial.PROCESS), U64(ALL_RIGHTS), U64(0))
        except (BadArgument, BadHandle, OutOfMemory, PeerGone, TooManyHandles):
            raise QuotaExceeded from None


SERVER = place(CarelessServer())
serve = server((Careless, SERVER))


def main() -> None:
    """Serve for ever. Raises what publishing raises."""
    names = Names(held("names"))
    names.publish(data(b"careless"), U64(NUMBER), held("offer"))
    names.publish(data(b"line"), U64(SERIAL), held("serial"))
    serve(held("offer"))
