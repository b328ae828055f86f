"""The simulated system: image, processes and faults on the simulated machine.

A `World` is one machine. A step of it is an instruction of user code that enters the kernel (a system call, an access
to memory that needs the kernel) or an interrupt before one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

from greenlet import getcurrent

from cloudos.abi.errors import OutOfMemory
from cloudos.abi.objects import Kind
from cloudos.lang import U64, current_address_space
from tests.simulation.devices import CLOCK_PORTS, SERIAL_PORTS, Clock, Serial
from tests.simulation.driver import Driver
from tests.simulation.image import SystemImage
from tests.simulation.kernel import (
    FRAMES,
    HEAP,
    KERNEL,
    PENDING,
    PROCESSOR,
    Inventory,
    board,
    check,
    check_frames,
    kernel_module,
    machine,
    trap,
    user,
)
from tests.simulation.memory import map_user_half, private_memory
from tests.simulation.modules import Modules
from tests.simulation.plans import CLIENTS, Fault, Operation, Plan, first_operations
from tests.simulation.threads import Process, Thread, UserZone, ignore_ends, program_body

TERMINATION = kernel_module("objects.termination")
MMU = kernel_module("hal.simulated.mmu")
PAGE = 4096
SLEEP, YIELD = user.NUMBERS["thread_sleep"], user.NUMBERS["thread_yield"]
BOOT_LIMIT = 40_000
END_LIMIT = 60_000
CHECK_EVERY = 250
PROGRESS_EVERY = 50
HISTORY = 2_000
SETTLING = 300_000_000
# Nanoseconds: the console looks for a driver that was late once a second.
SHOWING = 5_000_000_000
LATE = ("delay", "clock")


class Pool:
    """Copies of modules, by program. Making one takes long; a process that ends leaves its copy to the next."""

    def __init__(self, image: SystemImage) -> None:
        self.image = image
        self.free: dict[int, list[Process]] = {}

    def take(self, number: int) -> Process:
        """A copy as after the import."""
        free = self.free.setdefault(number, [])
        if free:
            process = free.pop()
            process.modules.reset()
            return Process(process.modules)
        space = current_address_space()
        kernel = space.place_from(UserZone.next)
        try:
            return Process(Modules(self.image.programs[number]))
        finally:
            UserZone.next = space.place_from(kernel)

    def give_back(self, number: int, process: Process) -> None:
        """The process has ended."""
        self.free[number].append(process)


class Allocations:
    """Lets allocations of the kernel fail."""

    left = 0

    @classmethod
    def install(cls) -> None:
        """For good; nothing fails while `left` is 0."""
        for owner, name in ((FRAMES.FrameAllocator, "allocate"), (HEAP.Failures, "check")):
            setattr(owner, name, cls._wrapped(getattr(owner, name)))

    @classmethod
    def _wrapped(cls, function: Callable[..., Any]) -> Callable[..., Any]:
        def allocate(*arguments: Any) -> Any:
            if cls.left:
                cls.left -= 1
                raise OutOfMemory
            return function(*arguments)

        return allocate


def _enter(instruction: user.Instruction) -> Any:
    machine_itself = getcurrent().parent
    assert machine_itself is not None, "memory of a process was used outside of it"
    return machine_itself.switch(instruction)


def check_all_frames(simulation: machine.Simulation) -> None:
    """`check_frames` with the page tables of processes that live: what is being taken apart may lead anywhere."""
    found = Inventory(simulation)
    living = [values for values in found.of_kind(Kind.PROCESS).values() if values["space"] and not values["ended"]]
    check_frames(simulation, {found.objects[values["space"]]["pages.root"] for values in living})


class World(machine.Simulation):
    """One machine with the system's image. `lives` counts starts and ends of each component."""

    current: World | None = None
    is_prepared = False

    def __init__(self, image: SystemImage, pool: Pool) -> None:
        self._prepare_once()
        functions = [self._function(number) for number in range(len(image.programs))]
        super().__init__(KERNEL, functions, image.content, memory=image.memory, at_end=check_all_frames)
        self.image = image
        self.pool = pool
        self.drivers = {f"client{number}": Driver(self, number) for number in range(1, CLIENTS + 1)}
        self.lives: Counter[str] = Counter(dict.fromkeys([*image.names, *self.drivers], 0))
        self.names: dict[int, str] = {}
        self.running: dict[int, machine.Control] = {}
        self.steps = 0
        self.plan: Plan | None = None
        self.faults: deque[Fault] = deque()
        self.doomed: dict[str, int] = {}
        self.delays: dict[str, int] = {}
        self.yields = 0
        self.added = 0
        self.late = self.short = False
        self.history: deque[str] = deque(maxlen=HISTORY)
        self.used: Counter[str] = Counter()
        self._ended: list[int] = []
        self._deferred: dict[int, tuple[user.Instruction, Any]] = {}
        self.serial: Serial
        self.prepare(self._fit)

    @classmethod
    def _prepare_once(cls) -> None:
        if cls.is_prepared:
            return
        cls.is_prepared = True
        map_user_half(_enter)
        ignore_ends()
        Allocations.install()
        # Half of the time would go by while empty page tables are passed, 32 entries at a time: tests/sim does that.
        MMU.PASSED_BYTES = PAGE
        end_process = TERMINATION.end_process

        def end(process: Any, result: Any) -> None:
            if cls.current is not None:
                cls.current.ended(int(process.address.value), not process.value.ended)
            end_process(process, result)

        TERMINATION.end_process = end

    def _fit(self, made: board.Board) -> None:
        """Put devices into the machine."""
        made.private_memory = private_memory
        self.serial = Serial(made)
        made.port_devices[SERIAL_PORTS] = self.serial
        made.port_devices[CLOCK_PORTS] = Clock(made)

    # Processes

    def _function(self, number: int) -> user.UserFunction:
        def code(address: int, length: int) -> user.UserCode:
            name = self.image.names[number]
            process = self.pool.take(number)
            main = process.modules[self.image.programs[number]]
            if name in self.drivers:
                main.driver = self.drivers[name]
                main.driver.started()
            self.names[int(PROCESSOR.current.value.process.address.value)] = name
            self.lives[name] += 1
            self.note(f"{name} starts")
            body = program_body(process.modules, main.main, address, length)
            return Thread(process, body, lambda ended: self.pool.give_back(number, ended)).code()

        return code

    def ended(self, process: int, first: bool) -> None:
        """The kernel ends a process."""
        if first and process in self.names:
            name = self.names.pop(process)
            self.lives[name] += 1
            self.note(f"{name} ends")
            self._ended.append(process)

    def _fetch(self, frame: Any, address: int, ip: int) -> machine.Control | None:
        control = super()._fetch(frame, address, ip)
        if control is not None:
            self.running[int(PROCESSOR.current.value.process.address.value)] = control
        return control

    def _take_apart(self) -> None:
        """Let go of what processes that have ended were."""
        for process in self._ended:
            control = self.running.pop(process, None)
            if control is not None:
                run = next(run for run, one in self._controls.items() if one is control)
                del self._controls[run]
                self._deferred.pop(id(control), None)
                control.code.close()
        self._ended.clear()

    def current_name(self) -> str:
        """Which program the current thread runs; "" where none runs."""
        if PROCESSOR.current.is_null():
            return ""
        return self.names.get(int(PROCESSOR.current.value.process.address.value), "")

    # Steps

    def step(self) -> None:
        self.steps += 1
        if self.faults and self.faults[0].step <= self.steps:
            self._begin(self.faults.popleft())
        if self.plan is not None and self.plan.every and self.steps % 2 and not self.board.pending:
            self.board.pending.append("timer")
        super().step()
        if self._ended:
            self._take_apart()
        if self.steps % PROGRESS_EVERY == 0:
            for driver in self.drivers.values():
                driver.check_progress()
        if self.steps % CHECK_EVERY == 0:
            check(self)

    def _advance(self, frame: Any, control: machine.Control) -> None:
        """The next instruction of a thread, or one that a fault puts before it."""
        deferred = self._deferred.pop(id(control), None)
        if deferred is not None:
            control.ip = int(frame.ip)
            if control.ip + trap.INSTRUCTION >= control.slot + user.SLOT:
                control.ip = control.slot + trap.INSTRUCTION
                frame.ip = U64(control.ip)
            control.instruction, control.result = deferred
            control.started = False
        else:
            super()._advance(frame, control)
        if self.doomed or self.delays or self.yields:
            self._disturb(control)

    def _disturb(self, control: machine.Control) -> None:
        name = self.current_name()
        if name in self.doomed:
            self.doomed[name] -= 1
            if self.doomed[name] < 0:
                del self.doomed[name]
                control.instruction = user.Raise(trap.Cause.ILLEGAL)
                return
        instead: user.Call | None = None
        if name in self.delays and name:
            instead = user.Call(SLEEP, (self.delays.pop(name),))
        elif self.yields:
            self.yields -= 1
            instead = user.Call(YIELD)
        if instead is not None and control.instruction is not None:
            self._deferred[id(control)] = (control.instruction, None)
            control.instruction = instead

    def _begin(self, fault: Fault) -> None:
        """A fault's time has come."""
        self.note(f"fault: {fault}")
        self.late |= fault.kind in LATE
        if fault.kind == "kill":
            self.doomed[fault.target] = fault.amount
        elif fault.kind == "memory":
            self.short = True
            Allocations.left = fault.amount
        elif fault.kind == "delay":
            self.delays[fault.target] = fault.amount
            self.added += fault.amount
        elif fault.kind == "clock":
            self.board.advance(fault.amount)
            self.added += fault.amount
        elif fault.kind == "interrupt":
            self.board.pending.append(fault.target)
        elif fault.kind == "order":
            self.yields += 1

    def note(self, text: str) -> None:
        """A line of the history."""
        self.history.append(f"{self.steps:>7} {self.board.clock / 1e6:>12.3f} ms  {text}")

    # Phases

    def boot_system(self) -> None:
        """From switching on until all components run and clients wait for something to do."""
        World.current = self
        self.boot()
        for _ in range(BOOT_LIMIT):
            self.step()
            if all(driver.ready for driver in self.drivers.values()):
                self.settle()
                self.try_everything()
                self.used = self.count_handles()
                return
        raise AssertionError(f"the system has not started after {BOOT_LIMIT} steps")

    def boot_with(self, plan: Plan, before: World) -> None:
        """Boot while things go wrong, and begin the clients' work. `before`: a world that was booted."""
        World.current = self
        self.used = before.used
        self.boot()
        self.begin(plan)
        for _ in range(plan.steps + BOOT_LIMIT):
            self.step()
            if self.steps == plan.steps:
                # Who is not there yet waits for a time that passes slowly while others are busy.
                for driver in self.drivers.values():
                    driver.work.clear()
            if self.steps >= plan.steps and all(driver.ready for driver in self.drivers.values()):
                return
        raise AssertionError(f"the system has not started after {self.steps} steps")

    def try_everything(self) -> None:
        """Have a client use every service once: some keep a handle from the first use on."""
        driver = next(iter(self.drivers.values()))
        self.finish(*first_operations(driver.client))
        self.settle()

    def finish(self, *operations: Operation) -> None:
        """Have the first client do something, until it is done."""
        driver = next(iter(self.drivers.values()))
        driver.work.extend(operations)
        for _ in range(BOOT_LIMIT):
            self.step()
            if not driver.work and driver.current is None:
                return
        raise AssertionError("the services do not answer")

    def settle(self) -> None:
        """Let the machine run for a while without anything going wrong."""
        until = self.board.clock + SETTLING
        for _ in range(BOOT_LIMIT):
            self.step()
            if self.board.clock >= until and PENDING.first.is_null():
                return
        raise AssertionError("the machine does not come to rest")

    def work(self, plan: Plan) -> None:
        """Do what a plan says."""
        self.begin(plan)
        while self.steps < plan.steps:
            self.step()

    def begin(self, plan: Plan) -> None:
        """From now on do what a plan says."""
        self.steps = 0
        self.history.clear()
        self.plan = plan
        self.entries = self.instructions = 0
        self.board.random = Random(f"machine {plan.seed}")
        self._pace = plan.pace
        self.faults = deque(plan.faults)
        for driver in self.drivers.values():
            driver.plan(one for one in plan.operations if one.client == driver.client)

    def end(self) -> None:
        """No more faults; all clients finish; nothing is left; the machine is switched off."""
        self.note("the faults end")
        self.plan = None
        self.faults.clear()
        self.doomed.clear()
        self.delays.clear()
        self.yields = Allocations.left = 0
        for driver in self.drivers.values():
            driver.end()
        for _ in range(END_LIMIT):
            self.step()
            if all(driver.phase == "stopped" for driver in self.drivers.values()):
                break
        else:
            waiting = [str(driver.current) for driver in self.drivers.values() if driver.current]
            raise AssertionError(f"clients do not come to an end: {waiting}")
        if any(driver.left_program for driver in self.drivers.values()):
            self.finish(Operation(next(iter(self.drivers.values())).client, "end_programs"))
        self.settle()
        check(self)
        self.check_handles()
        self.check_terminal()
        self.switch_off()

    def switch_off(self) -> None:
        """Have the kernel end in order, and look for what was leaked."""
        first = next(iter(self.drivers.values()))
        first.work.append(Operation(first.client, "shut_down"))
        try:
            for _ in range(END_LIMIT):
                self.step()
        except board.PoweredOff:
            log = self.report().log
            assert log.splitlines()[-1:] == ["@off"], f"the machine was switched off in disorder: {log[-500:]}"
            return
        raise AssertionError("the machine cannot be switched off")

    def count_handles(self) -> Counter[str]:
        """How many handles each component has."""
        found = Inventory(self)
        count: Counter[str] = Counter()
        for process, slots in found.slots.items():
            count[self.names.get(process, "?")] += sum(slot["object"] != 0 for slot in slots.values())
        return count

    def check_terminal(self) -> None:
        """What clients wrote to the terminal is shown, in their order, if nobody on the way to it was restarted."""
        until = self.board.clock + SHOWING
        while (missing := self.not_shown()) is not None and self.board.clock < until:
            self.step()
        restarted = any(self.lives[name] != 1 for name in ("console", "serial16550", "client1"))
        assert missing is None or restarted, f"the terminal has not shown {missing!r}"

    def not_shown(self) -> bytes | None:
        """The first text that the terminal has not shown."""
        place = 0
        for text in next(iter(self.drivers.values())).shown:
            place = self.serial.sent.find(text.replace(b"\n", b"\r\n"), place)
            if place < 0:
                return text
        return None

    def check_handles(self) -> None:
        """In the end, no component has more handles than after it was used for the first time."""
        until = self.board.clock + SHOWING
        while (wrong := self.additional_handles()) and self.board.clock < until:
            # Somebody may be in the middle of exchanging one for another.
            for _ in range(50):
                self.step()
        usual = {name: self.used[name] for name in wrong}
        assert not wrong, f"handles were leaked: {wrong} instead of {usual}"

    def additional_handles(self) -> dict[str, int]:
        """How many handles those components have that have more than usual."""
        now = self.count_handles()
        wrong = {name: now[name] for name in now if now[name] > self.used[name]}
        if self.short or any(self.lives[name] != 1 for name in self.drivers):
            # Files of who died are closed when there is no room for others.
            wrong.pop("files", None)
        return wrong
