"""How tests say which panic they expect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloudos.lang import Panic, PanicKind


@contextmanager
def panics(kind: PanicKind) -> Iterator[None]:
    """Require a panic of this kind."""
    with pytest.raises(Panic) as caught:
        yield
    assert caught.value.kind == kind, caught.value
