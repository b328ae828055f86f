"""SHA-256 of the SDK with Python's own integers: chained records would take a third of the time otherwise.

`tests/unit/sdk/test_sha256.py` tests the SDK's own.
"""

from __future__ import annotations

import struct
from typing import Any

MASK = 0xFFFF_FFFF
BLOCK = struct.Struct(">16I")
STATE = struct.Struct("<8I")


def install(module: Any) -> None:
    """Let a copy of `cloudos.sdk.sha256` compress so."""
    constants = [int(word) for word in module.ROUND_CONSTANTS]

    def compress(self: Any, block: Any) -> None:
        state, offset = self.state._region, self.state._offset
        before = STATE.unpack_from(state.data, offset)
        after = mixed(constants, BLOCK.unpack(bytes(block)), before)
        STATE.pack_into(state.data, offset, *((one + other) & MASK for one, other in zip(before, after, strict=True)))

    module.Sha256._compress = compress


def mixed(constants: list[int], block: tuple[int, ...], state: tuple[int, ...]) -> tuple[int, ...]:
    """The 64 rounds (FIPS 180-4, section 6.2.2)."""
    words = list(block)
    for i in range(16, 64):
        early, late = words[i - 15], words[i - 2]
        early = (early >> 7 | early << 25) ^ (early >> 18 | early << 14) ^ early >> 3
        late = (late >> 17 | late << 15) ^ (late >> 19 | late << 13) ^ late >> 10
        words.append((words[i - 16] + (early & MASK) + words[i - 7] + (late & MASK)) & MASK)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(words, constants, strict=True):
        sum1 = ((e >> 6 | e << 26) ^ (e >> 11 | e << 21) ^ (e >> 25 | e << 7)) & MASK
        first = h + sum1 + (g ^ (e & (f ^ g))) + constant + word
        sum0 = ((a >> 2 | a << 30) ^ (a >> 13 | a << 19) ^ (a >> 22 | a << 10)) & MASK
        a, b, c, d, e, f, g, h = (first + sum0 + ((a & b) | (c & (a | b)))) & MASK, a, b, c, (d + first) & MASK, e, f, g
    return a, b, c, d, e, f, g, h
