"""Taking pieces out of the memory map."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloudos.kernel.memory import ranges
from cloudos.lang import U64
from tests.unit.kernel.simulated_machine import boot_information

PAGE = 4096
piece = st.tuples(st.integers(0, 60 * PAGE), st.integers(1, 9 * PAGE))


@given(st.lists(piece, max_size=8))
def test_reserved_pages_are_gone_and_all_others_stay(pieces: list[tuple[int, int]]) -> None:
    usable = [(2 * PAGE, 20 * PAGE), (21 * PAGE, 22 * PAGE), (30 * PAGE, 60 * PAGE)]
    boot = boot_information(*usable)
    expected = {page for start, end in usable for page in range(start // PAGE, end // PAGE)}
    for start, length in pieces:
        ranges.reserve(boot, U64(start), U64(start + length))
        expected -= set(range(start // PAGE, (start + length + PAGE - 1) // PAGE))
    result = [(int(boot.ranges[i].start), int(boot.ranges[i].end)) for i in range(int(boot.count))]
    assert result == sorted(result)
    assert {page for start, end in result for page in range(start // PAGE, end // PAGE)} == expected
    assert sum(end - start for start, end in result) == len(expected) * PAGE
