"""Every test has a machine of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudos.sdk import local_calls, models
from tests.unit.apps.administration.machine import Machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    yield Machine()
    local_calls.reset()
    models.install(models.SystemModel())
