"""A search without the engine, and so without a guide: kept inputs, damaged at random.

With CLOUDOS_LONG_TESTS it lasts minutes for each target.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target, mutate_bytes, mutate_words, replay

LONG = bool(os.environ.get("CLOUDOS_LONG_TESTS"))
SECONDS = 120 if LONG else 0
LEAST = 3
"""Inputs of each target, however long they take."""


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_damaged_inputs_do_not_crash(target: Target) -> None:
    seed = random.randrange(1 << 32) if LONG else 7
    draw = random.Random(seed)
    contents = [path.read_bytes() for path in target.inputs]
    end, count = time.monotonic() + SECONDS, 0
    while count < LEAST or time.monotonic() < end:
        count += 1
        data = draw.choice(contents)
        change = mutate_words if target.is_text and count % 2 else mutate_bytes
        data = change(data, target.longest, draw)
        try:
            replay(target, data)
        except BaseException as error:
            error.add_note(f"seed {seed}, input {count} of {target.name}: bytes.fromhex({data.hex()!r})")
            raise
