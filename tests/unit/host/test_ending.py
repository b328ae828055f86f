"""What is said about a machine that stopped without a word of the kernel's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cloudos.host.ending import silent_failure
from cloudos.host.records import Log


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("cannot set up guest memory 'microvm.ram': Cannot allocate memory", "a smaller --memory"),
        ("something else", "a larger --memory"),
        ("", "a larger --memory"),
    ],
)
def test_the_hint_fits_what_qemu_says(message: str, hint: str) -> None:
    session: Any = SimpleNamespace(machine=SimpleNamespace(messages=lambda: message), log=Log())
    error = silent_failure(session)
    assert message in error.message
    assert hint in error.hint
