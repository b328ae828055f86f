"""The entropy service: a generator that is seeded from sources which pass their health tests."""

from __future__ import annotations

from cloudos.contracts.devices import Entropy
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Slice, place, struct
from cloudos.sdk import print_error, system
from cloudos.sdk.component import held
from cloudos.sdk.service import server
from cloudos.sdk.sha256 import Sha256
from cloudos.services.entropy.generator import Generator
from cloudos.services.entropy.sources import SAMPLE, Sources

MOST_BYTES = 1 << 20  # between two seeds
MOST_TIME = 300_000_000_000  # nanoseconds between two seeds


@struct
class EntropyServer:
    """`seeded` is False while no source has passed."""

    sources: Sources = Sources()
    generator: Generator = Generator()
    hash: Sha256 = Sha256()
    seeded: bool = False
    given: U64 = U64(0)
    due: U64 = U64(0)

    def start(self) -> None:
        """Test the sources, and take the first seed."""
        self.sources.start()
        self.reseed()
        if not self.seeded:
            print_error("entropy: no source passed its tests")

    def fill(self, into: Slice[U8]) -> U64:
        """See `Entropy`."""
        if self.given + into.length > MOST_BYTES or system.clock_read() >= self.due:
            self.reseed()
        if not self.seeded:
            raise ServiceGone
        self.generator.fill(into)
        self.given += into.length
        return into.length

    def reseed(self) -> None:
        """Mix fresh samples into the key.

        The time is a nonce (NIST SP 800-90A, section 8.6.7): where the samples of two lives are the same, as on a
        machine without jitter, their keys are not.
        """
        self.hash.begin()
        self.hash.update(self.generator.key.slice())
        self.seeded = self.sources.gather(self.hash)
        now = system.clock_read()
        for byte in U64.range(8):
            self.hash.update(SAMPLE.put(now >> byte * 8 & 0xFF))
        self.hash.finish(self.generator.key.slice())
        self.hash.block.slice().fill(U8(0))
        self.given = U64(0)
        self.due = now + MOST_TIME


SERVER = place(EntropyServer())
serve = server((Entropy, SERVER), symbol="entropy_serve")


def main() -> None:
    """Serve for ever."""
    SERVER.start()
    serve(held("offer"))
