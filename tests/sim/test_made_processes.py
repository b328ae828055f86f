"""A process ends with the process that made it."""

from __future__ import annotations

import pytest

from cloudos.abi import initial
from cloudos.abi.faults import ENDED
from tests.sim.stage import Stage
from tests.sim.world import user

KILLED = ENDED + (9 << 16) + 128 + 9


@pytest.mark.parametrize("seed", range(4))
def test_a_chain_of_makers_ends_from_the_first_that_ends(seed: int) -> None:
    """What they held is given back; what the first process made itself goes on."""
    with Stage(seed=seed) as stage:
        other = stage.process()
        quota = stage.succeed("quota_create", initial.QUOTA, 256 << 10)
        first = stage.process()
        own = stage.succeed("process_install", first, quota, 0, 0)
        actor = stage.actor(first)
        for _ in range(3):
            assert stage.do(actor, user.call("process_create", own, 0)).error == 0
        assert stage.succeed("process_inspect", first) == 0
        stage.succeed("process_kill", first)
        stage.settle()
        assert stage.succeed("process_inspect", first) == KILLED
        assert stage.succeed("process_inspect", other) == 0
        stage.finish()


@pytest.mark.parametrize("seed", range(4))
def test_a_made_process_that_runs_is_ended(seed: int) -> None:
    """Its thread never runs again, although nobody has a handle to it any more."""
    with Stage(seed=seed) as stage:
        quota = initial.QUOTA
        maker = stage.process()
        given = stage.succeed("process_install", maker, quota, 0, 0)
        actor = stage.actor(maker)
        grandchild = stage.do(actor, user.call("process_create", given, 0)).value
        back = stage.succeed("process_install", maker, stage.actors[0].home, 0, 0)
        reply = stage.do(actor, user.call("process_install", back, grandchild, 0, 0))
        assert reply.error == 0
        here = reply.value
        assert stage.succeed("process_inspect", here) == 0
        stage.succeed("process_kill", maker)
        stage.settle()
        assert stage.succeed("process_inspect", here) == KILLED
        stage.finish()


@pytest.mark.parametrize("seed", range(4))
def test_made_processes_may_end_first_in_any_order(seed: int) -> None:
    """The maker forgets those, and takes the others with it."""
    with Stage(seed=seed) as stage:
        maker = stage.process()
        given = stage.succeed("process_install", maker, initial.QUOTA, 0, 0)
        actor = stage.actor(maker)
        made = [stage.do(actor, user.call("process_create", given, 0)).value for _ in range(4)]
        for process in (made[seed], made[(seed + 2) % 4]):
            assert stage.do(actor, user.call("process_kill", process)).error == 0
            assert stage.do(actor, user.call("handle_close", process)).error == 0
            stage.settle()
        stage.succeed("process_kill", maker)
        stage.settle()
        assert stage.succeed("process_inspect", maker) == KILLED
        stage.finish()
