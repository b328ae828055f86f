"""The entropy service: its cipher, its health tests, and what it does with good, bad and no sources."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloudos.contracts.devices import Entropy
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U32, U64, Array, data
from cloudos.sdk import hardware_random, local_calls, models
from cloudos.sdk.hardware_random import NONE, RDRAND, RDSEED, Processor, random_word, seed_source
from cloudos.sdk.local_system import LocalModel
from cloudos.sdk.service import server
from cloudos.services.entropy import main as service
from cloudos.services.entropy.generator import ChaCha20, Generator
from cloudos.services.entropy.health import Health, proportion_cutoff, repetition_cutoff

HANDLE = 1
INTO = Array[U8, Literal[4032]]()


class Clock(LocalModel):
    """A clock with jitter, until it is made to stand still."""

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(1)
        self.jitter: Callable[[], int] = lambda: self.random.randrange(200, 20_000)

    def clock_read(self) -> U64:
        self.now += self.jitter()
        return U64(self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    local_calls.reset()
    made = Clock()
    models.install(made)
    monkeypatch.setattr(hardware_random, "MODEL", Processor())
    yield made
    local_calls.reset()
    models.install(models.SystemModel())


def start() -> service.EntropyServer:
    made = service.EntropyServer()
    local_calls.install(HANDLE, server((Entropy, made)).__dispatch__)  # type: ignore[attr-defined]
    made.start()
    return made


def fill(length: int) -> bytes:
    count = Entropy(U64(HANDLE)).fill(INTO.slice()[0:length])
    assert count == length
    return bytes(int(byte) for byte in INTO.slice()[0:length])


def test_chacha20_of_rfc_8439() -> None:
    cipher = ChaCha20()
    cipher.begin(data(bytes(range(32))), U32(1), data(bytes.fromhex("000000090000004a00000000")))
    block = Array[U8, Literal[64]]()
    cipher.next_block(block.slice())
    assert bytes(int(byte) for byte in block).hex() == (
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )


def test_the_key_goes_with_what_it_made() -> None:
    one, other = Generator(), Generator()
    into = Array[U8, Literal[100]]()
    one.fill(into.slice())
    assert one.key[0] != 0
    assert not one.key.slice().equals(other.key.slice())
    assert not one.key.slice().equals(into.slice()[0:32])
    assert all(int(word) == 0 for word in one.cipher.state)


def test_cutoffs_are_those_of_the_standard() -> None:
    # Section 4.4.1 with alpha 2**-30: 1 + ceil(30 / H).
    assert [repetition_cutoff(bits) for bits in (1.0, 4.0, 8.0, 0.5)] == [31, 9, 5, 61]
    for bits in (0.5, 1.0, 4.0):
        cutoff, probability = proportion_cutoff(bits), 2.0**-bits
        tail = binomial_tail(cutoff, probability)
        assert tail <= 2.0**-30 < binomial_tail(cutoff - 1, probability)


def binomial_tail(least: int, probability: float) -> float:
    """The probability of at least so many successes among 512, term by term from the ratio of neighbours."""
    term, total = (1 - probability) ** 512, 0.0
    for count in range(513):
        if count >= least:
            total += term
        term *= (512 - count) / (count + 1) * probability / (1 - probability)
    return total


@given(st.integers(0, 300), st.integers(2, 40))
@example(0, 8)
@example(0, 9)
@example(3, 8)
@example(3, 9)
def test_repetition_fails_at_its_cutoff_and_not_before(position: int, run: int) -> None:
    health = Health(U64(9), U64(513))
    for sample in range(position):
        health.take(U64(sample + 1000))
    for _ in range(run):
        health.take(U64(5))
    assert health.failed == (run >= 9)


@given(st.integers(1, 100), st.randoms(use_true_random=False))
@example(59, random.Random(1))
@example(60, random.Random(1))
def test_proportion_counts_within_its_window(equal: int, shuffle: random.Random) -> None:
    window = [5] * (equal - 1) + list(range(1000, 1000 + 512 - equal))
    shuffle.shuffle(window)
    health = Health(U64(1000), U64(60))
    for sample in [5, *window]:
        health.take(U64(sample))
    assert health.failed == (equal >= 60)


def test_output_is_never_the_same(clock: Clock) -> None:
    start()
    seen = {fill(32) for _ in range(20)} | {fill(4032)[:32]}
    assert len(seen) == 21
    assert fill(0) == b""


@pytest.mark.parametrize(("source", "expected"), [(NONE, False), (RDRAND, True), (RDSEED, True)])
def test_with_and_without_the_processors_source(clock: Clock, source: int, expected: bool) -> None:
    hardware_random.MODEL.source = source
    assert seed_source() == source
    assert (random_word(seed_source()) is not None) == expected
    made = start()
    assert made.sources.has_hardware() == expected
    assert made.sources.has_jitter()
    assert len(fill(64)) == 64


def test_one_healthy_source_is_enough(clock: Clock) -> None:
    clock.jitter = lambda: 256
    made = start()
    assert not made.sources.has_jitter()
    assert len(fill(64)) == 64


def test_a_processor_that_always_says_the_same_is_not_used(clock: Clock) -> None:
    hardware_random.MODEL.word = lambda: 2**64 - 1
    made = start()
    assert not made.sources.has_hardware()
    assert made.sources.has_jitter()


def test_without_a_healthy_source_there_are_no_bytes(clock: Clock) -> None:
    hardware_random.MODEL.source = NONE
    clock.jitter = lambda: 256
    start()
    with pytest.raises(ServiceGone):
        fill(1)
    assert b"no source passed" in clock.console.getvalue()


def test_sources_that_fail_later_end_the_service(clock: Clock) -> None:
    hardware_random.MODEL.source = NONE
    start()
    fill(16)
    clock.jitter = lambda: 256
    clock.now += service.MOST_TIME
    with pytest.raises(ServiceGone):
        fill(16)


def test_a_new_seed_after_a_megabyte_and_after_five_minutes(clock: Clock) -> None:
    made = start()
    fill(4000)
    assert made.given == 4000
    made.given = U64(service.MOST_BYTES - 10)
    fill(16)
    assert made.given == 16
    clock.now += service.MOST_TIME
    fill(20)
    assert made.given == 20


def test_samples_reach_the_key(clock: Clock) -> None:
    made = start()
    taken: list[bytes] = []
    before = bytes(int(byte) for byte in made.generator.key)

    class Spy:
        def update(self, content: object) -> None:
            taken.append(bytes(int(byte) for byte in content))  # type: ignore[attr-defined]

    # The same samples twice: once to see them, once for the key.
    hardware_random.MODEL.word = counting()
    clock.random = random.Random(7)
    made.sources.gather(Spy())  # type: ignore[arg-type]
    assert len(taken) == 128 + 1024
    hardware_random.MODEL.word = counting()
    clock.random = random.Random(7)
    made.reseed()
    after = bytes(int(byte) for byte in made.generator.key)
    assert after == hashlib.sha256(before + b"".join(taken) + clock.now.to_bytes(8, "little")).digest()


def test_lives_with_the_same_samples_give_other_bytes(clock: Clock) -> None:
    hardware_random.MODEL.source = NONE
    lives = []
    for _ in range(2):
        clock.random = random.Random(7)
        start()
        lives.append(fill(32))
    assert lives[0] != lives[1]


def counting() -> Callable[[], int]:
    """Words from a generator that begins anew each time."""
    words = random.Random(3)
    return lambda: words.getrandbits(64)
