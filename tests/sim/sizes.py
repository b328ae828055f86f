"""How much the tests of this folder do: enough for every change, or with CLOUDOS_LONG_TESTS=1 twenty times that."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = bool(os.environ.get("CLOUDOS_LONG_TESTS"))
FACTOR = 20 if LONG else 1


def machine_settings(examples: int, steps: int) -> settings:
    """For a stateful machine: so many runs of at most so many steps."""
    return settings(
        max_examples=examples * FACTOR,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
