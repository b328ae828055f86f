"""The simulation's side of a client: hands out what the plan has for it, and compares what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.simulation.models import TERMINAL, Models, Outcome
from tests.simulation.plans import Operation

if TYPE_CHECKING:
    from tests.simulation.system import World

# Nanoseconds of the machine's clock that an operation may take, apart from what faults added.
PATIENCE = 60_000_000_000
TYPE_AGAIN = 5_000_000_000


class Driver:
    """One client, across its own restarts. `phase`: "boot", "work", "end" or "stopped"."""

    def __init__(self, world: World, client: int) -> None:
        self.world = world
        self.client = client
        self.name = f"client{client}"
        self.models = Models(client)
        self.work: deque[Operation] = deque()
        self.phase = "boot"
        self.ready = False
        self.done = 0
        self.current: Operation | None = None
        self.since = 0
        self.typed = 0
        # What was written to the terminal.
        self.shown: list[bytes] = []
        # Whether a program may run on that was to be killed: those go on when nobody is interested in them any more.
        self.left_program = False
        self._before: dict[str, int] = {}

    def plan(self, operations: Iterable[Operation]) -> None:
        """What to do from now on."""
        self.work = deque(operations)
        self.phase = "work"

    def end(self) -> None:
        """No more of the plan: look once more, clean up, and stop."""
        if self.phase in ("boot", "work"):
            self.work = deque(self.models.last_operations())
            self.phase = "end"

    def started(self) -> None:
        """The client's process begins; an operation of an earlier one was cut short."""
        if self.current is not None:
            self.world.note(f"{self.current} was cut short")
            self.left_program |= self.current.name == "kill_program"
            self.models.cut_short(self.current, self._before, dict(self.world.lives))
            self.current = None

    # For the client

    def next(self) -> Operation | None:
        """The next operation; None: nothing for now."""
        self.ready = True
        return self.work.popleft() if self.work else None

    def begin(self, operation: Operation) -> None:
        """It starts."""
        self.current = operation
        self.since = self.world.board.clock - self.world.added
        self._before = dict(self.world.lives)
        if operation.name == "read_terminal":
            self.typed = 1
            self.world.serial.type(operation.arguments[0] + b"\r")

    def finish(self, operation: Operation, stage: str, error: str, result: Any) -> None:
        """It ended. Raises Broken when that is not what was promised."""
        world = self.world
        self.current = None
        self.done += 1
        self.left_program |= operation.name == "kill_program" and bool(error)
        if operation.name == "write_terminal" and not error:
            self.shown.append(operation.arguments[0])
        world.note(f"{operation} -> {f'{error} ({stage})' if error else _short(result)}")
        after = dict(world.lives)
        self.models.check(
            Outcome(operation, stage, error, result, self._before, after, world.late, world.short, world.board.clock)
        )

    def stopped(self) -> None:
        """Nothing more will be done."""
        self.phase = "stopped"

    def _may_be_lost(self) -> bool:
        """Whether what was typed may have gone with the driver or the console."""
        return self.world.short or any(self.world.lives[name] != 1 for name in TERMINAL)

    def check_progress(self) -> None:
        """No operation waits for ever."""
        if self.current is not None:
            waited = self.world.board.clock - self.world.added - self.since
            if self.current.name == "read_terminal" and waited > TYPE_AGAIN * self.typed and self._may_be_lost():
                # What was typed may be lost with the driver: somebody presses the key again.
                self.typed += 1
                self.world.serial.type(b"\r")
            assert waited < PATIENCE, f"{self.current} has waited for {waited / 1e9:.0f} s"


def _short(result: Any) -> str:
    text = repr(result)
    return text if len(text) < 50 else f"{text[:40]}… {len(text)} characters"
