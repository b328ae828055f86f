"""Interleavings of processors in order, up to a bound, where a seed would pick some at random.

A processor in the kernel goes on until it waits; programs take turns of some instructions. From that, an interleaving
departs at few places: before an instruction of a program, or a step in the kernel that others could see, another
processor goes on, as long as it likes. All places are tried, one after the other, each in a run of its own. Most races
need one such departure or two: Musuvathi and Qadeer, Iterative Context Bounding for Systematic Testing of Multithreaded
Programs (PLDI 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from tests.sim import ownership
from tests.sim.ownership import Watch, replaced, watched
from tests.sim.world import board, machine, user

OUTSIDE = 2
TURN = 6
"""Instructions of a program until that of another processor goes on."""

Program = Callable[[], Sequence[user.UserFunction]]
Make = Callable[[], machine.Simulation]


class Chooser:
    """Who goes on, in one run. `departures`: numbers of places, counted from 0, at which it is another processor."""

    def __init__(self, departures: Sequence[int] = ()) -> None:
        self.departures = frozenset(departures)
        self.places = 0
        self.turn = 0
        self.board: board.Board

    def begin(self, made: board.Board) -> None:
        """Choose for this machine."""
        self.board = made
        made.choose = self.choose

    def choose(self, able: list[board.Processor], waits: bool) -> board.Processor:
        """See `Board.choose`."""
        current = self.board.processor
        others = [one for one in able if one is not current]
        if not others:
            return able[0]
        following = min(others, key=lambda one: (one.number - current.number) % len(self.board.processors))
        if waits or current not in able:
            return following
        self.places += 1
        if self.places - 1 in self.departures:
            return following
        if current.mode == OUTSIDE:
            self.turn = (self.turn + 1) % TURN
            return current if self.turn else following
        return current


@dataclass(frozen=True)
class Ran:
    """One run: at how many places it could have departed, and what came of it."""

    places: int
    entries: int
    clock: int


def run(make: Make, departures: Sequence[int] = ()) -> Ran:
    """Run a machine to its end, in order, all accesses being looked at."""
    chooser, made = Chooser(departures), make()
    watch: list[Watch] = []

    def begin(started: board.Board) -> None:
        chooser.begin(started)
        watch.append(stack.enter_context(watched(made)))

    with replaced(ownership, "INTERLEAVED", 1.0), ExitStack() as stack:
        made.prepare(begin)
        log = made.run().log
    assert log.splitlines()[-1:] == ["@off"], log
    return Ran(chooser.places, made.entries, made.board.clock)
