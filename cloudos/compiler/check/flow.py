"""What is known at a point: which names are set, which optional names are not None, whether it is reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Flow:
    """The state of knowledge while statements are walked in order."""

    assigned: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    """Names of optional type that hold a value here."""
    dead: bool = False

    def copy(self) -> Flow:
        """An independent copy, for one branch."""
        return Flow(set(self.assigned), set(self.present), self.dead)

    def become(self, other: Flow) -> None:
        """Continue with the knowledge of `other`."""
        self.assigned, self.present, self.dead = set(other.assigned), set(other.present), other.dead


def merge(states: Iterable[Flow]) -> Flow:
    """What is known where several branches meet: only what all live ones agree on."""
    live = [state for state in states if not state.dead]
    if not live:
        return Flow(dead=True)
    result = live[0].copy()
    for state in live[1:]:
        result.assigned &= state.assigned
        result.present &= state.present
    return result
