"""Runs of plans, each in a copy of this process that has the system booted already."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulation.image import SystemImage
from tests.simulation.kernel import board, machine
from tests.simulation.plans import Plan
from tests.simulation.system import Pool, World

# Seconds of the host that a run may take.
TIME_LIMIT = 600
BOOT_SEED = 1
# How the log tells that init ended because an allocation failed.
NO_MEMORY = ("kind=out-of-memory", "@exit status=70")


@dataclass(frozen=True)
class Result:
    """What came of a plan: `problem` is "" when all was well, else a line; `detail` is where it was found."""

    plan: Plan
    problem: str
    detail: str
    history: tuple[str, ...]
    steps: int
    seconds: float


def run_here(world: World, plan: Plan, before: World | None = None) -> Result:
    """Run a plan on a booted world, which is of no use afterwards; or on a new one, with one that was booted before."""
    start = time.perf_counter()
    problem, detail = "", ""
    try:
        if before is None:
            world.work(plan)
        else:
            world.boot_with(plan, before)
        world.end()
    except board.Stuck:
        problem, detail = "the machine waits for ever", traceback.format_exc()
    except board.PoweredOff:
        log = world.board.log.decode(errors="replace")
        if world.short and any(text in log for text in NO_MEMORY):
            world.note("init had no memory: the machine ended with it")
        else:
            problem, detail = "the machine was switched off", log[-2000:]
    except BaseException as error:
        problem, detail = f"{type(error).__name__}: {error}".split("\n")[0], traceback.format_exc()
    if problem:
        for driver in world.drivers.values():
            if driver.current is not None:
                world.note(f"{driver.current} has not ended")
        world.note(f"{world.current_name() or 'the machine'} was running")
    return Result(plan, problem, detail, tuple(world.history), world.steps, time.perf_counter() - start)


class Booted:
    """A system that has been booted, for as many runs as are wanted. `before`: done to the kernel in each run."""

    def __init__(self) -> None:
        gc.disable()
        machine.PATIENCE = 1 << 62
        image = SystemImage()
        self.world = World(image, Pool(image))
        self.world._seed = BOOT_SEED
        self._power = self.world.switched_on()
        self._power.__enter__()
        self.world.boot_system()
        gc.collect()
        gc.freeze()

    def run_new(self, plan: Plan) -> Result:
        """Switch the machine off, and run a plan on another one from its first step on. For a copy of this process."""
        world = World(self.world.image, self.world.pool)
        self._power.__exit__(None, None, None)
        with world.switched_on():
            return run_here(world, plan, self.world)

    def run(self, plan: Plan, before: Callable[[], None] | None = None) -> Result:
        """Run a plan in a copy of this process."""
        return self.collect(*self.start(plan, before))

    def start(self, plan: Plan, before: Callable[[], None] | None = None) -> tuple[Plan, int, int]:
        """Begin a run; what `collect` needs."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(reader)
                signal.alarm(TIME_LIMIT)
                if before is not None:
                    before()
                result = self.run_new(plan) if plan.boots else run_here(self.world, plan)
                with os.fdopen(writer, "wb") as file:
                    pickle.dump(result, file)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(0)
        os.close(writer)
        return plan, child, reader

    def collect(self, plan: Plan, child: int, reader: int) -> Result:
        """Wait for a run."""
        with os.fdopen(reader, "rb") as file:
            content = file.read()
        os.waitpid(child, 0)
        if not content:
            return Result(plan, "the run ended without a result", "", (), 0, 0.0)
        result: Result = pickle.loads(content)
        return result
