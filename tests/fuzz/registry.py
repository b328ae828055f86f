"""The targets, by their names. Importing this imports none of them."""

from __future__ import annotations

from tests.fuzz.target import Target

TARGETS = {
    target.name: target
    for target in (
        Target("system_calls", "sequences of system calls on the simulated machine", ("cloudos.kernel",), 2048),
    )
}
