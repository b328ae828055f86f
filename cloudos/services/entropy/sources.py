"""Where randomness comes from: the processor's generator, and the jitter of the clock around memory accesses."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U64, Array, Slice, place, struct, zeroed
from cloudos.sdk import system
from cloudos.sdk.hardware_random import NONE, random_word, seed_source
from cloudos.sdk.sha256 import Sha256
from cloudos.services.entropy.health import STARTUP, Health, proportion_cutoff, repetition_cutoff

HARDWARE_BITS = 4.0  # of entropy, in a byte
JITTER_BITS = 0.5  # of entropy, in a sample
# A seed is worth 256 bits; twice that many are taken, as the claims may be too high.
HARDWARE_SAMPLES = 128
JITTER_SAMPLES = 1024
CELLS = 32768
STRIDE = 4099  # a prime: accesses go through all cells, and through many lines of the cache


@struct
class Sample:
    """A sample, as bytes for the hash."""

    byte: Array[U8, Literal[1]] = zeroed()

    def put(self, value: U64) -> Slice[U8]:
        """The sample's one byte."""
        self.byte[0] = U8.truncate(value)
        return self.byte.slice()


@struct
class Walk:
    """Memory that the jitter source goes through."""

    cells: Array[U8, Literal[32768]] = zeroed()
    at: U64 = U64(0)

    def step(self) -> None:
        """Read and write some cells."""
        for _ in U64.range(16):
            self.at = (self.at + STRIDE) % CELLS
            self.cells[self.at] = self.cells[self.at].wrapping_add(1)


SAMPLE = place(Sample())
WALK = place(Walk())


@struct
class Sources:
    """Both sources with their health. `kind`: what the processor has."""

    kind: U64 = U64(NONE)
    hardware: Health = Health(U64(repetition_cutoff(HARDWARE_BITS)), U64(proportion_cutoff(HARDWARE_BITS)))
    jitter: Health = Health(U64(repetition_cutoff(JITTER_BITS)), U64(proportion_cutoff(JITTER_BITS)))

    def start(self) -> None:
        """Find out what there is, and test it with as many samples as section 4.3 asks for; they are not used."""
        self.kind = seed_source()
        unused = Sha256()
        self._take_hardware(unused, U64(STARTUP))
        self._take_jitter(unused, U64(STARTUP))

    def has_hardware(self) -> bool:
        """Whether the processor's source is there and healthy."""
        return self.kind != NONE and not self.hardware.failed

    def has_jitter(self) -> bool:
        """Whether the jitter is healthy."""
        return not self.jitter.failed

    def gather(self, into: Sha256) -> bool:
        """Mix fresh samples of all healthy sources into a hash; False when none is healthy any more."""
        self._take_hardware(into, U64(HARDWARE_SAMPLES))
        self._take_jitter(into, U64(JITTER_SAMPLES))
        return self.has_hardware() or self.has_jitter()

    def _take_hardware(self, into: Sha256, count: U64) -> None:
        for _ in U64.range(count // 8):
            if not self.has_hardware():
                return
            word = random_word(self.kind)
            if word is None:
                self.hardware.failed = True
                return
            for byte in U64.range(8):
                sample = word >> byte * 8 & 0xFF
                self.hardware.take(sample)
                into.update(SAMPLE.put(sample))

    def _take_jitter(self, into: Sha256, count: U64) -> None:
        before = system.clock_read()
        for _ in U64.range(count):
            if not self.has_jitter():
                return
            WALK.step()
            now = system.clock_read()
            sample = now.wrapping_sub(before) & 0xFF
            before = now
            self.jitter.take(sample)
            into.update(SAMPLE.put(sample))
