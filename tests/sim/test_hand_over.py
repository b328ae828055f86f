"""The first process hands its place over: console, end of the machine, and records of faults go with it."""

from __future__ import annotations

import pytest

from cloudos.abi import initial
from cloudos.abi.errors import Denied, PeerGone
from tests.sim.stage import Actor, Stage
from tests.sim.world import board, user


def handed_over(stage: Stage) -> tuple[int, Actor]:
    """A process that is the first one now, by its handle, and a thread of it."""
    child = stage.process()
    actor = stage.actor(child)
    stage.succeed("process_hand_over", child)
    return child, actor


def run_out(stage: Stage) -> str:
    """Let the machine go on until it is off; the kernel's log."""
    with pytest.raises(board.PoweredOff):
        while True:
            stage.simulation.step()
    return stage.simulation.report().log


@pytest.mark.parametrize("seed", range(4))
def test_the_machine_ends_with_who_took_over(seed: int) -> None:
    with Stage(seed=seed) as stage:
        _, actor = handed_over(stage)
        stage.post(actor, user.call("process_exit", 7))
        assert "@exit status=7" in run_out(stage).splitlines()


@pytest.mark.parametrize("seed", range(4))
def test_the_machine_ends_when_who_handed_over_does(seed: int) -> None:
    """What it made ends with it; nobody ended in order, so there is no exit status."""
    with Stage(seed=seed) as stage:
        handed_over(stage)
        stage.post(stage.actors[0], user.call("process_exit", 0))
        log = run_out(stage)
        assert "@exit" not in log and "@kernel-panic" not in log


def test_both_have_the_console_and_nobody_else() -> None:
    with Stage() as stage:
        other = stage.actor(stage.process())
        _, actor = handed_over(stage)
        for writer in (actor, stage.actors[0]):
            assert stage.do(writer, user.call("console_write", 1, user.SCRATCH, 4)).error == 0
        assert stage.do(other, user.call("console_write", 1, user.SCRATCH, 4)).error == Denied.code
        assert stage.do(other, user.call("console_write", 3, user.SCRATCH, 4)).error == Denied.code
        stage.post(actor, user.call("process_exit", 0))
        run_out(stage)


def test_only_the_first_process_hands_over_and_only_to_the_living() -> None:
    with Stage() as stage:
        other = stage.process()
        actor = stage.actor(other)
        own = stage.succeed("process_install", other, other, 0, 0)
        assert stage.do(actor, user.call("process_hand_over", own)).error == Denied.code
        dead = stage.process()
        stage.succeed("process_kill", dead)
        stage.settle()
        assert stage.main(user.call("process_hand_over", dead)).error == PeerGone.code
        child, _ = handed_over(stage)
        assert stage.main(user.call("process_hand_over", child)).error == Denied.code
        assert stage.main(user.call("process_hand_over", initial.PROCESS)).error == Denied.code
        stage.post(stage.actors[-1], user.call("process_exit", 0))
        run_out(stage)
