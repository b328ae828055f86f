"""A machine whose threads do what a test tells them, one instruction at a time.

Actors are threads on the simulated machine. One that has nothing to do yields its turn again and again; a test gives it
a command, an instruction or user code, and gets the result, or None while the thread waits in the kernel. Which thread
runs, when turns end and what interrupts is the kernel's and the seed's affair, so that commands given to several actors
at once interleave as they may on a real machine.

    with Stage(seed=3) as stage:
        child = stage.process()
        actor = stage.actor(child)
        assert stage.do(actor, call("system_null")).error == 0
        stage.finish()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from contextlib import ExitStack
from typing import Any

from cloudos.abi import initial, layout
from tests.sim import programs
from tests.sim.harness import MB, simulation
from tests.sim.inventory import PENDING, PROCESSOR, STATES, THREAD
from tests.sim.records import Memory, Shape, Values
from tests.sim.world import board, machine, report, user

Command = user.Instruction | Generator[user.Instruction, Any, Any]
PACE = (20, 2_000, 0.0)
# Nanoseconds of a turn: a dozen instructions.
TURN = 10_000
PATIENCE = 30_000
BUFFERS = programs.BUFFERS
RUNNABLE = (int(STATES.READY), int(STATES.RUNNING))
THREADS = Shape(THREAD)


class Actor:
    """A thread. `handle` names it, `home` its process, in the first process's table."""

    def __init__(self, number: int, home: int) -> None:
        self.number = number
        self.home = home
        self.handle = initial.THREAD
        self.commands: deque[Command] = deque()
        self.results: list[Any] = []
        self.busy = False
        # The thread object and its process; 0 before it ran.
        self.address = 0
        self.run = 0

    @property
    def buffer(self) -> int:
        """Where its message buffer is mapped, if it was told to have one."""
        return BUFFERS + self.number * layout.PAGE_SIZE


class Stage:
    """One machine and its actors; actor 0 is the first process's."""

    def __init__(
        self, seed: int = 0, *, memory: int = 4 * MB, after_entry: Callable[[Stage], None] | None = None, **options: Any
    ) -> None:
        observe = None if after_entry is None else (lambda _: after_entry(self))
        options.setdefault("pace", PACE)
        self.simulation: machine.Simulation = simulation(
            self._main, self._act, seed=seed, memory=memory, after_entry=observe, **options
        )
        self.actors = [Actor(0, initial.PROCESS)]
        self.log = ""
        self._power = ExitStack()
        self._power.enter_context(self.simulation.switched_on())
        try:
            self.simulation.boot()
            self.memory = Memory(self.simulation.board)
            self._await(self.actors[0])
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the power away."""
        self._power.close()

    def finish(self) -> report.Run:
        """End the first process, and check that the machine ends in order and nothing leaked."""
        self.actors[0].commands.append(user.call("process_exit", 0))
        try:
            while True:
                self.simulation.step()
        except board.PoweredOff:
            run = self.simulation.report()
        assert run.log.splitlines()[-1:] == ["@off"] and run.record("exit") == "status=0", run.log
        assert "@kernel-panic" not in run.log, run.log
        return run

    # Code of the threads

    def _main(self, bundle: int, length: int) -> user.UserCode:
        yield from self._obey(self.actors[0])
        return 0

    def _act(self, number: int, _: int) -> user.UserCode:
        yield from self._obey(self.actors[number])
        return None

    def _obey(self, actor: Actor) -> user.UserCode:
        actor.address = int(PROCESSOR.current.address.value)
        actor.run = self.thread(actor)["frame.run"]
        while True:
            if not actor.commands:
                yield user.call("thread_yield")
                continue
            actor.busy = True
            command = actor.commands.popleft()
            result = (yield from command) if isinstance(command, Generator) else (yield command)
            actor.results.append(result)
            actor.busy = False

    def _make(self, actor: Actor, schedule: int) -> programs.Steps:
        if not schedule:
            schedule = yield from programs.new_schedule(initial.PRIORITY, TURN, TURN)
        actor.handle = yield from programs.new_thread(1, actor.number, actor.home, schedule)
        return (yield from user.succeed("thread_start", actor.handle))

    def _await(self, actor: Actor) -> None:
        """Let a new thread run until it wants a command."""
        for _ in range(PATIENCE):
            if actor.address:
                return
            self.simulation.step()
        raise AssertionError("a thread that was started does not run")

    # What actors are about

    def thread(self, actor: Actor) -> Values:
        """What the kernel keeps of its thread."""
        return THREADS.read(self.memory, actor.address)

    def state(self, actor: Actor) -> int:
        """What the kernel says that the thread does; DEAD when it is gone."""
        thread = self.thread(actor)
        return thread["state"] if thread["frame.run"] == actor.run else int(STATES.DEAD)

    def is_active(self, actor: Actor) -> bool:
        """Whether it has something to do and can."""
        if not actor.address or not (actor.busy or actor.commands):
            return False
        return self.state(actor) in RUNNABLE

    # What tests do

    def step(self, count: int = 1) -> None:
        """Let so many instructions pass."""
        for _ in range(count):
            self.simulation.step()

    def settle(self) -> None:
        """Let all go on until nobody can do anything more, and ended objects are taken apart."""
        for _ in range(PATIENCE):
            if not any(map(self.is_active, self.actors)):
                if PENDING.first.is_null():
                    return
                # Most of the time until an interrupt would be spent with yielding.
                self.simulation.board.pending.append("timer")
            self.simulation.step()
        raise AssertionError("the actors come to no end")

    def post(self, actor: Actor, command: Command) -> None:
        """Give a command, without letting time pass."""
        assert not actor.busy and not actor.commands, "the actor has not done what it was told before"
        actor.results.clear()
        actor.commands.append(command)

    def result(self, actor: Actor) -> Any:
        """What came of the last command; None while there is no result."""
        return actor.results[-1] if actor.results else None

    def do(self, actor: Actor, command: Command) -> Any:
        """Give a command, and let all go on until nobody can; its result or None."""
        self.post(actor, command)
        self.settle()
        return self.result(actor)

    def main(self, command: Command) -> Any:
        """Have the first process do something that does not block."""
        result = self.do(self.actors[0], command)
        assert result is not None, "the first process is blocked"
        return result

    def succeed(self, name: str, *arguments: int) -> int:
        """Have the first process make a system call that must not fail; its value."""
        reply: user.Reply = self.main(user.call(name, *arguments))
        assert reply.error == 0, f"{name}{arguments} failed with error {reply.error}"
        return reply.value

    def process(self, quota: int = initial.QUOTA) -> int:
        """Make a process with code and scratch memory; a handle of the first process's."""
        made: int = self.main(programs.new_process(2, quota))
        return made

    def actor(self, process: int = initial.PROCESS, schedule: int = 0, *, buffer: bool = False) -> Actor:
        """Make a thread in a process, by default with a schedule of short turns, and let it run until it is ready."""
        actor = Actor(len(self.actors), process)
        self.actors.append(actor)
        self.main(self._make(actor, schedule))
        self._await(actor)
        if buffer:
            assert self.do(actor, user.call("thread_set_buffer", actor.buffer)).error == 0
        return actor
