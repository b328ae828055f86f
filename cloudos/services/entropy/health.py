"""Health tests of a noise source: NIST SP 800-90B (January 2018), section 4.4.

A false alarm has the probability 2**-30 in each test. Cutoffs are computed while the program is built.
"""

from __future__ import annotations

import math

from cloudos.lang import U64, struct

ALPHA_BITS = 30
WINDOW = 512  # samples; section 4.4.2, for sources with more than two values
STARTUP = 1024  # samples; section 4.3


def repetition_cutoff(bits: float) -> int:
    """Section 4.4.1: how many equal samples in a row fail, of a source with so many bits of entropy in a sample."""
    return 1 + math.ceil(ALPHA_BITS / bits)


def proportion_cutoff(bits: float) -> int:
    """Section 4.4.2: how many samples of a window equal to its first one fail: 1 + CRITBINOM(W, 2**-H, 1 - alpha)."""
    probability = 2.0**-bits
    tail, count = 0.0, WINDOW
    # The smallest count that more than so many successes exceed with at most the probability alpha.
    while count > 0:
        tail += math.comb(WINDOW, count) * probability**count * (1 - probability) ** (WINDOW - count)
        if tail > 2.0**-ALPHA_BITS:
            break
        count -= 1
    return 1 + count


@struct
class Health:
    """Both tests of one source. `failed` stays."""

    repetition_cutoff: U64
    proportion_cutoff: U64
    failed: bool = False
    seen: U64 = U64(0)
    last: U64 = U64(0)
    repeated: U64 = U64(0)
    first: U64 = U64(0)
    equal: U64 = U64(0)
    position: U64 = U64(0)

    def take(self, sample: U64) -> None:
        """Look at a sample."""
        self._repetition(sample)
        self._proportion(sample)
        self.seen = self.seen.saturating_add(1)

    def _repetition(self, sample: U64) -> None:
        """Section 4.4.1."""
        if self.seen == 0 or sample != self.last:
            self.last = sample
            self.repeated = U64(1)
            return
        self.repeated = self.repeated.saturating_add(1)
        if self.repeated >= self.repetition_cutoff:
            self.failed = True

    def _proportion(self, sample: U64) -> None:
        """Section 4.4.2."""
        if self.position == 0:
            self.first = sample
            self.equal = U64(1)
        elif sample == self.first:
            self.equal += 1
            if self.equal >= self.proportion_cutoff:
                self.failed = True
        self.position = (self.position + 1) % WINDOW
