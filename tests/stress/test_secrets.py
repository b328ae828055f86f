"""No register, page, buffer or message shows what another process, or the kernel, had there."""

from __future__ import annotations

from tests.stress.harness import run


def test_nothing_of_others_is_seen() -> None:
    lines = run("secrets.py").lines
    assert lines["looks"] == 9
    # All but what the kernel and the program themselves need.
    assert lines["mapped"] > 60 << 20
