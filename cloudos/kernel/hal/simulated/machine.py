"""Boots the kernel on the simulated machine and runs its user code to the end. Nothing of the kernel imports this.

    kernel = Kernel(cloudos.kernel.image.IMAGE, modules)
    run = Simulation(kernel, [main, thread], bundle, seed=3).run()

The loop: look at the frame of the current thread; take an interrupt that is due; else execute one instruction of the
thread's generator. Everything that enters the kernel is a call of one of its exported functions.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

from cloudos.abi import layout
from cloudos.kernel.hal.shared.lock import OUTSIDE
from cloudos.kernel.hal.simulated import board, user_access
from cloudos.kernel.hal.simulated.board import Access, Board, Denied
from cloudos.kernel.hal.simulated.processor import OWN
from cloudos.kernel.hal.simulated.report import Run
from cloudos.kernel.hal.simulated.trap import INSTRUCTION, KERNEL_MODE, Cause, UserFrame
from cloudos.kernel.hal.simulated.turns import Turns
from cloudos.kernel.hal.simulated.user import (
    MARK,
    SLOT,
    Call,
    Instruction,
    Interrupt,
    Jump,
    Raise,
    Read,
    Reply,
    SetRegisters,
    UserCode,
    UserFunction,
    Vector,
    Work,
    Write,
    call,
)
from cloudos.lang import U64, ProgramImage, Ptr, Region, VirtAddr, current_address_space, offset_of

MEGABYTE = 1 << 20
DEFAULT_MEMORY = 8 * MEGABYTE
PATIENCE = 200_000
"""Instructions and kernel entries after which a run counts as hung."""

# By the first word of what is pending; the second is a line's number.
INTERRUPTS = {
    "console": Cause.CONSOLE,
    "channel": Cause.CHANNEL,
    "timer": Cause.TIMER,
    "line": Cause.DEVICE,
    "processor": Cause.PROCESSOR,
}
# Nanoseconds: the shortest and the longest instruction of user code; how often a long computation comes between two.
Pace = tuple[int, int, float]
USUAL_PACE: Pace = (20, 2_000, 0.01)
LONG = 12_000_000
ENTRY_COST = 100


class Hung(BaseException):
    """The run did not end."""


class Kernel:
    """The linked kernel: its exported functions, and its static data as it was before the first boot."""

    _next_address = board.KERNEL_BASE

    def __init__(self, image: ProgramImage, modules: Iterable[ModuleType]) -> None:
        self.symbols: dict[str, Callable[..., Any]] = {}
        for entry in image.entries:
            self.symbols[entry.__exported__] = entry  # type: ignore[attr-defined]
        regions: dict[int, Region] = {}
        for module in modules:
            for value in vars(module).values():
                region = getattr(value, "_region", None)
                if isinstance(region, Region) and region.owner is value:
                    regions[id(region)] = region
        self._statics = [(region, bytes(region.data), dict(region.shadows or {})) for region in regions.values()]

    def static_regions(self) -> list[Region]:
        """The memory of the kernel's static data."""
        return [region for region, _, _ in self._statics]

    def reset(self) -> None:
        """Static data as after loading."""
        for region, data, shadows in self._statics:
            region.data[:] = data
            region.shadows = dict(shadows)


@dataclass
class Control:
    """A thread of control: a generator, and the instruction it is at."""

    code: UserCode
    frame: int
    slot: int
    ip: int
    instruction: Instruction | None = None
    result: Any = None
    started: bool = False


class Simulation:
    """One machine, from switching on to switching off.

    `functions`: the user code, in the order of its entry points. `after_entry` is called whenever the kernel returns
    to user mode, `at_end` when the machine has been switched off, before its memory is gone.
    """

    def __init__(
        self,
        kernel: Kernel,
        functions: Sequence[UserFunction],
        bundle: bytes,
        *,
        seed: int = 0,
        memory: int = DEFAULT_MEMORY,
        processors: int = 1,
        levels: int = board.LEVELS,
        pace: Pace = USUAL_PACE,
        after_entry: Callable[[Simulation], None] | None = None,
        at_end: Callable[[Simulation], None] | None = None,
    ) -> None:
        self.kernel = kernel
        self.functions = functions
        self.after_entry = after_entry
        self.at_end = at_end
        self.entries = 0
        self.instructions = 0
        self._bundle = bundle
        self._size = memory
        self._controls: dict[int, Control] = {}
        self._before: list[Callable[[Board], None]] = []
        self._seed = seed
        self._pace = pace
        self._processors = processors
        self._levels = levels
        self._frame: UserFrame
        self._frame_at = -1
        self.board: Board

    def prepare(self, action: Callable[[Board], None]) -> Simulation:
        """Do something with the board before it is switched on: send input, arrange events."""
        self._before.append(action)
        return self

    def run(self) -> Run:
        """Boot, run until the machine is off, report. Panics of the kernel and failures of user code pass through."""
        with self.switched_on():
            try:
                self.boot()
                self._go_on()
            except board.PoweredOff:
                # Whoever did it, the first processor's view is reported.
                self.board.processor = self.board.processors[0]
                return self.report()

    def _go_on(self) -> NoReturn:
        while True:
            self.step()
            self.board.interleave()

    def _begin_processor(self, processor: board.Processor) -> None:
        """What a processor but the first does from its start on."""
        try:
            self._enter("kernel_processor", VirtAddr(processor.data))
            raise AssertionError("the start of a processor came to its end")
        except board.UserMode:
            self._leave()
        self._go_on()

    @contextmanager
    def switched_on(self) -> Iterator[None]:
        """A machine with power, for who lets it `boot`, makes each `step` himself, and wants a `report` at the end."""
        space = current_address_space()
        elsewhere = space.place_from(Kernel._next_address)
        memory = space.allocate(self._size, board.PAGE, address=board.DIRECT_BASE)
        self.board = Board(memory, self._seed, self._processors, self._levels)
        turns = Turns(self.board, self._begin_processor)
        board.switch_on(self.board)
        try:
            self._load_bundle(memory)
            self.kernel.reset()
            self.board.deliver = self._interrupt_in_kernel
            self.board.fault_in_kernel = self._fault_in_kernel
            for action in self._before:
                action(self.board)
            yield
        finally:
            turns.end()
            board.switch_off(self.board)
            space.release(memory)
            Kernel._next_address = space.place_from(elsewhere)
            for control in self._controls.values():
                control.code.close()

    def _load_bundle(self, memory: Region) -> None:
        start = (self._size - len(self._bundle)) // board.PAGE * board.PAGE
        assert start > board.MEMORY_START, "the bundle does not fit into the machine's memory"
        staged = Region(len(self._bundle))
        staged.data[:] = self._bundle
        memory.copy_from(start, staged, 0, len(self._bundle))
        self.board.module = (start, len(self._bundle))

    def boot(self) -> None:
        """Run the kernel until it enters user mode. Raises PoweredOff when it refuses to."""
        try:
            self._enter("kernel_main", U64(0))
            raise AssertionError("the kernel's boot came to its end")
        except board.UserMode:
            self._leave()

    def report(self) -> Run:
        """What happened, once the machine is off."""
        if self.at_end is not None:
            self.at_end(self)
        return Run(self.board.log.decode(), bytes(self.board.output), self.board.clock, self.entries)

    # Into the kernel

    def _enter(self, symbol: str, *arguments: Any) -> Any:
        """Call an exported function of the kernel."""
        self.entries += 1
        self._check_patience()
        self.board.advance(ENTRY_COST)
        if symbol == "kernel_trap" or not isinstance(arguments[0], UserFrame):
            return self.kernel.symbols[symbol](*arguments)
        # As the entry code does.
        inside = OWN.inside
        if self.board.are_several and not inside.try_enter() and self.kernel.symbols["kernel_enter"](*arguments):
            result = True
        else:
            result = self.kernel.symbols[symbol](*arguments)
        self._leave()
        return result

    def _leave(self) -> None:
        """Leave the kernel: all is in order, unless others are there too."""
        here = self.board.processor
        if all(one.mode == OUTSIDE for one in self.board.processors if one is not here):
            self.check_translations()
            if self.after_entry is not None:
                self.after_entry(self)
        # As the entry code does; the kernel itself has left before it enters a program for the first time.
        if OWN.inside.is_home:
            OWN.inside.leave()
        elif self.board.are_several and here.mode != OUTSIDE:
            self.kernel.symbols["kernel_leave"]()

    def _check_patience(self) -> None:
        if self.entries + self.instructions > PATIENCE:
            raise Hung(f"{self.entries} entries and {self.instructions} instructions, and no end")

    def _trap(self, frame: UserFrame, cause: Cause, why: Denied | None = None) -> None:
        frame.cause = cause
        if why is not None:
            self.board.fault_address = why.address
            frame.is_protection_violation = why.present
            frame.is_write = why.access.write
            frame.is_execute = why.access.execute
        self._enter("kernel_user_trap" if frame.from_user else "kernel_trap", frame)

    def _interrupt(self, frame: UserFrame, kind: str) -> None:
        self.board.in_service.append(kind)
        cause, _, number = kind.partition(" ")
        frame.interrupt = U64(int(number or 0))
        self._trap(frame, INTERRUPTS[cause])
        assert not self.board.in_service, f"the {kind} interrupt was not acknowledged"

    def _interrupt_in_kernel(self, kind: str) -> None:
        self._interrupt(UserFrame(mode=U64(KERNEL_MODE)), kind)

    def _fault_in_kernel(self, ip: int, why: Denied) -> bool:
        frame = UserFrame(ip=U64(ip), mode=U64(KERNEL_MODE))
        self._trap(frame, Cause.PAGE_FAULT, why)
        assert int(frame.ip) in (ip, user_access.FAILED), "the kernel goes on at an unknown place after a fault"
        return int(frame.ip) == ip

    def check_translations(self) -> None:
        """The translation buffer may lack what the tables allow, but must not allow what they do not."""
        for processor in self.board.processors:
            self._check_translations_of(processor)

    def _check_translations_of(self, processor: board.Processor) -> None:
        for page, (entry, base, _) in processor.translations.items():
            found = self.board.walk(page * board.PAGE, processor.root)
            assert found is not None, f"page {page * board.PAGE:#x} was unmapped, but its translation was kept"
            now, level = found
            offset = page * board.PAGE & ((board.PAGE << 9 * level) - 1)
            assert (now & board.FRAME) + offset == base, f"page {page * board.PAGE:#x} has a stale translation"
            rights = board.WRITE | board.EXECUTE | board.USER
            assert not entry & rights & ~now, f"page {page * board.PAGE:#x} lost rights that its translation has"

    # User mode

    def frame(self) -> UserFrame:
        """The registers of the current thread."""
        address = int(OWN.frame)
        if address != self._frame_at:
            self._frame, self._frame_at = Ptr.at(UserFrame, VirtAddr(address)).value, address
        return self._frame

    def step(self) -> None:
        """One instruction of the current thread, or an interrupt. Raises PoweredOff."""
        frame = self.frame()
        assert frame.from_user, "left the kernel for the kernel"
        if self.board.pending:
            self._interrupt(frame, self.board.pending.popleft())
            return
        self.instructions += 1
        self._check_patience()
        self._pass_time()
        control = self._control_of(frame)
        if control is not None:
            self._execute(frame, control)

    def _pass_time(self) -> None:
        draw = self.board.random
        shortest, longest, long_share = self._pace
        duration = draw.randint(shortest, longest)
        if draw.random() < long_share:
            duration += draw.randint(0, LONG)
        self.board.advance(duration)

    def _control_of(self, frame: UserFrame) -> Control | None:
        """The generator at this frame's instruction pointer, at an instruction; None: fetching one trapped."""
        address = int(OWN.frame)
        ip = int(frame.ip)
        control = self._controls.get(int(frame.run))
        if control is None or control.frame != address or ip not in (control.ip, control.ip + INSTRUCTION):
            control = self._fetch(frame, address, ip)
            if control is None:
                return None
        if control.instruction is None or ip != control.ip:
            self._advance(frame, control)
        return control

    def _fetch(self, frame: UserFrame, address: int, ip: int) -> Control | None:
        """Begin the function at an entry point."""
        mark = self._load(frame, ip, 8, Access(execute=True))
        if mark is None:
            return None
        number = int.from_bytes(mark[4:], "little")
        if mark[:4] != MARK or number >= len(self.functions):
            self._trap(frame, Cause.ILLEGAL)
            return None
        run = max(self._controls, default=0) + 1
        frame.run = U64(run)
        code = self.functions[number](int(frame.argument0), int(frame.argument1))
        self._controls[run] = Control(code, address, ip, ip)
        return self._controls[run]

    def _advance(self, frame: UserFrame, control: Control) -> None:
        """Let the generator go on to its next instruction."""
        result = control.result
        if isinstance(control.instruction, Call):
            result = _reply(frame)
        if control.instruction is not None:
            control.ip = int(frame.ip)
            if control.ip + INSTRUCTION >= control.slot + SLOT:
                control.ip = control.slot + INSTRUCTION
                frame.ip = U64(control.ip)
        control.result = None
        control.started = False
        try:
            control.instruction = next(control.code) if control.instruction is None else control.code.send(result)
        except StopIteration as stop:
            control.instruction = call("thread_exit") if stop.value is None else call("process_exit", stop.value & 0xFF)

    def _execute(self, frame: UserFrame, control: Control) -> None:
        instruction = control.instruction
        after = U64(control.ip + INSTRUCTION)
        if isinstance(instruction, Call):
            # A call that is made again finds its registers as the kernel left them.
            if not control.started:
                _set_arguments(frame, instruction)
            control.started = True
            frame.ip = after
            frame.cause = Cause.SYSTEM_CALL
            before = int(OWN.frame)
            everything = self._enter("kernel_system_call", frame)
            # Otherwise only the results are loaded.
            assert everything or int(OWN.frame) == before, "another thread continues with the caller's registers"
        elif isinstance(instruction, Raise):
            # A breakpoint is reported behind its instruction, all else at it.
            if instruction.cause == Cause.BREAKPOINT:
                frame.ip = after
            self._trap(frame, instruction.cause)
        elif isinstance(instruction, Interrupt):
            frame.ip = after
            self._trap(frame, instruction.cause)
        elif isinstance(instruction, Jump):
            frame.ip = U64(instruction.address)
        elif isinstance(instruction, Read):
            data = self._load(frame, instruction.address, instruction.length, Access())
            if data is not None:
                control.result = data
                frame.ip = after
        elif isinstance(instruction, Write):
            if self._store(frame, instruction.address, instruction.data):
                frame.ip = after
        else:
            control.result = self._compute(frame, instruction)
            frame.ip = after

    def _compute(self, frame: UserFrame, instruction: Instruction | None) -> int | None:
        """An instruction that needs no memory."""
        if isinstance(instruction, Work):
            self.board.advance(instruction.duration)
        elif isinstance(instruction, SetRegisters):
            frame.sp = frame.sp if instruction.sp is None else U64(instruction.sp)
            frame.fp = frame.fp if instruction.fp is None else U64(instruction.fp)
        elif isinstance(instruction, Vector):
            processor = self.board.processor
            processor.vectors, result = instruction.value, processor.vectors
            return result
        else:
            raise TypeError(f"user code yielded {instruction!r}, which is no instruction")
        return None

    def _places(self, frame: UserFrame, address: int, length: int, access: Access) -> list[tuple[int, int]] | None:
        """Physical address and length of the pieces of a range; None when an access to it trapped."""
        pieces = []
        while length > 0:
            if self.board.half <= address < (1 << 64) - self.board.half or address >= 1 << 64:
                self._trap(frame, Cause.BAD_ADDRESS)
                return None
            found = self.board.translate(address, access)
            if isinstance(found, Denied):
                self._trap(frame, Cause.PAGE_FAULT, found)
                return None
            count = min(length, layout.PAGE_SIZE - address % layout.PAGE_SIZE)
            pieces.append((found, count))
            address, length = address + count, length - count
        return pieces

    def _load(self, frame: UserFrame, address: int, length: int, access: Access) -> bytes | None:
        """Bytes of user memory; memory that nobody wrote since the machine was switched on panics UNINITIALISED."""
        pieces = self._places(frame, address, length, access)
        if pieces is None:
            return None
        return b"".join(self.board.memory.content(place, count) for place, count in pieces)

    def _store(self, frame: UserFrame, address: int, data: bytes) -> bool:
        pieces = self._places(frame, address, len(data), Access(write=True))
        if pieces is None:
            return False
        staged = Region(len(data))
        staged.data[:] = data
        done = 0
        for place, count in pieces:
            self.board.memory.copy_from(place, staged, done, count)
            done += count
        return True


# The registers of a system call, as they lie in a frame: number, six arguments, four more words, the handle to reply.
CALL = struct.Struct("<12Q")
CALL_FIELDS = (
    "number", "argument0", "argument1", "argument2", "argument3", "argument4", "argument5",
    "word4", "word5", "word6", "word7", "reply_handle",
)  # fmt: skip
assert [offset_of(UserFrame, name) for name in CALL_FIELDS] == list(range(0, CALL.size, 8))
NONE = (0,) * 6
WRITTEN = b"\1" * CALL.size


def _set_arguments(frame: UserFrame, instruction: Call) -> None:
    region, offset = frame._region, frame._offset  # type: ignore[attr-defined]
    arguments = (*instruction.arguments, *NONE[len(instruction.arguments) :])
    words = (*instruction.words, *NONE[len(instruction.words) + 2 :])
    CALL.pack_into(region.data, offset, instruction.number, *arguments, *words, instruction.reply)
    if region.mask is not None:
        region.mask[offset : offset + CALL.size] = WRITTEN


def _reply(frame: UserFrame) -> Reply:
    region, offset = frame._region, frame._offset  # type: ignore[attr-defined]
    number, badge, tag, *words, reply = CALL.unpack(region.content(offset, CALL.size))
    return Reply(number, words[0], badge, tag, tuple(words), reply)
