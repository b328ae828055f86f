"""What of the hardware layers of x86_64 and AArch64 needs no such machine: models of chips, decisions on numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from cloudos.abi import faults
from cloudos.kernel.hal.aarch64 import console as arm_console
from cloudos.kernel.hal.aarch64 import cpu as arm_cpu
from cloudos.kernel.hal.aarch64 import device_tree
from cloudos.kernel.hal.aarch64 import interrupts as arm_interrupts
from cloudos.kernel.hal.aarch64 import mmu as arm_mmu
from cloudos.kernel.hal.aarch64 import power as arm_power
from cloudos.kernel.hal.aarch64 import processor as arm_processor
from cloudos.kernel.hal.aarch64 import trap as arm_trap
from cloudos.kernel.hal.aarch64 import vectors as arm_vectors
from cloudos.kernel.hal.aarch64.privileged import is_privileged
from cloudos.kernel.hal.interface import TrapKind
from cloudos.kernel.hal.shared import virtio
from cloudos.kernel.hal.x86_64 import (
    boot,
    console,
    cpu,
    interrupts,
    mmu,
    power,
    processor,
    processors,
    timer,
    trap,
    vector_registers,
)
from cloudos.kernel.hal.x86_64.processor import MODEL, State
from cloudos.lang import U8, U16, U32, U64, Array, Ptr, VirtAddr, data
from tests.unit.kernel.simulated_machine import erase

REGISTERS = 0xFFFF_C100_0000_0000
LOG = b"hello"


class Halted(BaseException):
    """The processor does nothing any more."""


def halt(*_: object) -> None:
    raise Halted


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0xD400_0002, True),  # hvc #0
        (0xD400_0003, True),  # smc #0
        (0xD440_0000, True),  # hlt #0
        (0xD69F_03E0, True),  # eret
        (0xD518_1000, True),  # msr sctlr_el1, x0
        (0xD538_1000, True),  # mrs x0, sctlr_el1
        (0xD400_0001, False),  # svc #0
        (0xD420_0000, False),  # brk #0
        (0xD65F_03C0, False),  # ret
        (0x0000_0000, False),  # udf #0
    ],
)
def test_privileged_instructions_of_arm(word: int, expected: bool) -> None:
    assert is_privileged(data(word.to_bytes(4, "little"))) == expected
    assert not is_privileged(data(word.to_bytes(4, "little")[:3]))


@pytest.mark.parametrize(
    ("kind", "status", "code", "expected"),
    [
        (arm_trap.CLASS_MISALIGNED, 0, 0, faults.ALIGNMENT),
        (arm_trap.CLASS_MISALIGNED | arm_trap.STACK_KIND, 0, 0, faults.ALIGNMENT),
        (arm_trap.CLASS_FLOATING_POINT, 0, 0, faults.FLOATING_POINT),
        (arm_trap.CLASS_BREAKPOINTS, 0, 0, faults.BREAKPOINT),
        (0x3C, 0, 0, faults.BREAKPOINT),
        (0x24, arm_trap.STATUS_ALIGNMENT, 0, faults.ALIGNMENT),
        (0x24, 0x10, 0, faults.BAD_ADDRESS),
        (arm_trap.CLASS_SYSTEM_REGISTER, 0, 0, faults.PRIVILEGED_INSTRUCTION),
        (arm_trap.CLASS_WAIT, 0, 0, faults.PRIVILEGED_INSTRUCTION),
        (0, 0, 0xD400_0002, faults.PRIVILEGED_INSTRUCTION),
        (0, 0, 0, faults.ILLEGAL_INSTRUCTION),
    ],
)
def test_faults_of_programs_on_arm(kind: int, status: int, code: int, expected: faults.Fault) -> None:
    frame = arm_trap.UserFrame()
    frame.error = U64(kind << arm_trap.CLASS_SHIFT | status)
    assert arm_trap.user_fault(frame, data(code.to_bytes(4, "little"))).number == expected.number


def test_a_frame_of_arm_takes_what_a_debugger_wants() -> None:
    frame, other = arm_trap.UserFrame(), arm_trap.UserFrame()
    other.x0, other.ip, other.sp = U64(7), U64(0x40_1000), U64(0x7000)
    frame.set_registers(other)
    assert [int(word) for word in (frame.x0, frame.ip, frame.sp)] == [7, 0x40_1000, 0x7000]


@pytest.mark.parametrize(("vector", "kind"), [(2, "NON_MASKABLE"), (8, "MACHINE_CHECK"), (18, "MACHINE_CHECK"),
                                              (13, "FAULT"), (255, "SPURIOUS")])  # fmt: skip
def test_kinds_of_traps(vector: int, kind: str) -> None:
    frame = trap.UserFrame()
    frame.vector = U64(vector)
    assert frame.kind() == TrapKind[kind]


def test_interrupts_of_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = arm_interrupts.CONTROLLER
    before = controller.channel, controller.console
    controller.channel, controller.console = U64(48), U64(33)
    kinds = {
        arm_interrupts.TIMER: "TIMER",
        arm_interrupts.PROCESSOR: "PROCESSOR",
        48: "CHANNEL",
        33: "CONSOLE",
        40: "DEVICE",
        arm_interrupts.NOBODY - 3: "SPURIOUS",
        arm_interrupts.NOBODY: "SPURIOUS",
    }
    frame = arm_trap.UserFrame()
    try:
        for vector, kind in kinds.items():
            frame.vector = U64(vector)
            assert frame.kind() == TrapKind[kind], vector
    finally:
        controller.channel, controller.console = before


def test_a_message_of_the_kernel_on_arm() -> None:
    frame = arm_trap.UserFrame()
    frame.x0 = U64(9)
    frame.set_message(U64(1), U64(2), U64(3), U64(4), U64(5), U64(6))
    words = (frame.x0, frame.x12, frame.x1, frame.x2, frame.x3, frame.x4, frame.x5)
    assert [int(word) for word in words] == list(range(7))


class Pl011:
    """The UART that AArch64's log goes to: says that it is full and busy now and then."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.came: deque[int] = deque()
        self.waits = 2
        self.pauses = 0

    def read(self, address: VirtAddr) -> U32:
        if address.value == REGISTERS:
            return U32(self.came.popleft())
        self.waits = (self.waits + 2) % 3
        busy = 1 << arm_console.FLAG_FULL | 1 << arm_console.FLAG_BUSY if self.waits else 0
        return U32(busy | (0 if self.came else 1 << arm_console.FLAG_NO_INPUT))

    def write(self, address: VirtAddr, value: U32) -> None:
        if address.value == REGISTERS:
            self.sent.append(int(value))

    def pause(self) -> None:
        self.pauses += 1


@pytest.fixture
def pl011(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pl011]:
    made = Pl011()
    monkeypatch.setattr(arm_cpu, "device_read_u32", made.read)
    monkeypatch.setattr(arm_cpu, "device_write_u32", made.write)
    monkeypatch.setattr(arm_cpu, "pause", made.pause)
    arm_console.LOG_PORT.registers = VirtAddr(REGISTERS)
    yield made
    erase(arm_console.LOG_PORT)


def test_the_log_of_arm_waits_for_its_uart(pl011: Pl011) -> None:
    arm_console.LOG_PORT.write(data(LOG))
    arm_console.drain()
    assert pl011.sent == LOG and pl011.pauses > len(LOG)


def test_commands_of_the_host_on_arm(pl011: Pl011) -> None:
    assert arm_console.read_command() == 0
    pl011.came.extend(range(1, 21))
    assert [int(arm_console.read_command()) for _ in range(21)] == [*range(1, 21), 0]


def test_where_arm_has_no_uart_for_it_the_log_goes_into_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[bytes] = []
    idle = iter([False, True, True])
    monkeypatch.setattr(arm_console, "channel_is_idle", lambda: next(idle))
    monkeypatch.setattr(arm_console, "channel_write", lambda content: frames.append(bytes(content)))
    monkeypatch.setattr(arm_mmu, "image_address", lambda address: address)
    monkeypatch.setattr(arm_mmu, "direct", lambda address: address)
    arm_console.LOG_PORT.write(data(LOG))
    arm_console.LOG_PORT.drain()
    assert frames == [bytes([arm_console.STREAM_LOG, len(LOG), 0]) + LOG, bytes([arm_console.STREAM_LOG, 0, 0])]
    assert arm_console.LOG_PORT.peek().length == 0
    erase(arm_console.FRAME)


class Uart:
    """A 16550 at the ports of x86."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.came: deque[int] = deque()
        self.waits = 2

    def read(self, port: U16) -> U8:
        if port & 7 == 0:
            return U8(self.came.popleft())
        self.waits = (self.waits + 2) % 3
        return U8((0 if self.waits else 0x60) | (1 if self.came else 0))

    def write(self, port: U16, value: U8) -> None:
        if port & 7 == 0:
            self.sent.append(int(value))


@pytest.fixture
def uart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Uart]:
    made = Uart()
    monkeypatch.setattr(cpu, "port_read_u8", made.read)
    monkeypatch.setattr(cpu, "port_write_u8", made.write)
    for port, base in ((console.LOG_PORT, console.COM1), (console.CHANNEL_PORT, console.COM2)):
        port.base, port.present = U16(base), True
    yield made
    erase(console.LOG_PORT)
    erase(console.CHANNEL_PORT)


def test_the_log_waits_for_its_uart(uart: Uart) -> None:
    console.LOG_PORT.write(data(LOG))
    console.drain()
    assert uart.sent == LOG


def test_commands_of_the_host(uart: Uart) -> None:
    assert console.read_command() == 0
    uart.came.extend(range(1, 21))
    assert [int(console.read_command()) for _ in range(21)] == [*range(1, 21), 0]


def test_a_channel_without_virtio(uart: Uart) -> None:
    assert not virtio.CONSOLE.present and console.channel_is_idle()
    uart.came.extend(b"abc")
    console.channel_interrupt()
    assert bytes(console.channel_peek()) == b"abc"
    console.channel_consume(U64(2))
    assert bytes(console.channel_peek()) == b"c"
    console.channel_write(data(LOG))
    assert uart.sent == LOG


@pytest.mark.parametrize(("slot", "second", "lines"), [(0, False, [16, 5]), (7, False, [23, 12]), (8, False, []),
                                                       (3, True, [27])])  # fmt: skip
def test_lines_of_the_virtio_channel(
    slot: int, second: bool, lines: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(interrupts, "_take", lambda line, vector: taken.append(int(line)))
    monkeypatch.setattr(interrupts.CONTROLLERS, "has_second", second, raising=False)
    try:
        interrupts.route_virtio_channel(U64(slot))
    finally:
        interrupts.CONTROLLERS.has_second = False
    assert taken == lines


def test_resets(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, int]] = []
    monkeypatch.setattr(cpu, "port_write_u8", lambda port, value: written.append((int(port), int(value))))
    monkeypatch.setattr(cpu, "shut_down", halt)
    with pytest.raises(Halted):
        power.off()
    assert written == [(power.DEBUG_EXIT, 0), (power.KEYBOARD_COMMAND, power.RESET_PULSE)]
    asked: list[int] = []
    monkeypatch.setattr(arm_power, "_ask_hypervisor", lambda function, *_: asked.append(int(function)))
    monkeypatch.setattr(arm_power, "_ask_firmware", lambda function, *_: asked.append(-int(function)))
    monkeypatch.setattr(arm_cpu, "halt", halt)
    for by_firmware in (False, True):
        device_tree.MACHINE.asks_firmware = by_firmware
        with pytest.raises(Halted):
            arm_power.reset()
    device_tree.MACHINE.asks_firmware = False
    assert asked == [arm_power.SYSTEM_RESET, -arm_power.SYSTEM_RESET]


@pytest.fixture
def own() -> Iterator[State]:
    before = MODEL[:]
    made = State()
    processors.model_data(made)
    yield made
    MODEL[:] = before


def test_a_processor_that_does_not_start_is_stopped(own: State, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[int] = []
    pending = deque([True, False])

    def read(register: U32) -> U32:
        pending.rotate()
        return U32(processors.PENDING if pending[0] else 0)

    def write(register: U32, value: U32) -> None:
        if register == processors.REGISTER_COMMAND:
            commands.append(int(value))

    time = iter(range(0, 1 << 40, processors.START_NS))
    monkeypatch.setattr(interrupts, "apic_read", read)
    monkeypatch.setattr(interrupts, "apic_write", write)
    monkeypatch.setattr(timer, "now", lambda: U64(next(time)))
    monkeypatch.setattr(processors, "START_ATTEMPTS", 3)
    place = Array[U64, Literal[1]]()
    monkeypatch.setattr(boot.START_STACK, "model", Ptr.to(place).address)
    assert not processors.start(U64(1), State())
    start = processors.COMMAND_START | processors.START_PAGE
    assert commands == [processors.COMMAND_INIT, start, start, start, processors.COMMAND_INIT]


def test_vector_registers_follow_their_thread(own: State, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    for name in ("_store", "_load"):
        monkeypatch.setattr(vector_registers, name, lambda state, name=name: done.append(name))
    monkeypatch.setattr(vector_registers, "_set_control", lambda value: done.append("closed"))
    state = vector_registers.VectorState()
    vector_registers.save_vectors(state)
    vector_registers.load_vectors(state)
    state.used = U32(1)
    vector_registers.load_vectors(state)
    vector_registers.save_vectors(state)
    assert done == ["_load", "closed", "_load", "_store"]


def test_vector_registers_of_arm(own: State, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(arm_processor, "MODEL", [arm_processor.State()])
    for name in ("_store", "_load"):
        monkeypatch.setattr(arm_vectors, name, lambda state, name=name: done.append(name))
    monkeypatch.setattr(arm_cpu, "set_vector_access", lambda value: done.append(int(value)))
    state = arm_vectors.VectorState()
    arm_vectors.save_vectors(state)
    arm_vectors.load_vectors(state)
    state.used = U64(1)
    arm_vectors.load_vectors(state)
    arm_vectors.save_vectors(state)
    kernel, user = arm_cpu.VECTORS_KERNEL, 1 << arm_cpu.VECTORS_USER_BIT
    assert done == ["_load", kernel, "_load", kernel + user, "_store"]


def test_the_direct_map_skips_what_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    mapped: list[tuple[int, int]] = []
    known = {0, 1, 5}

    class Tables:
        def walk(self, address: VirtAddr, level: U64) -> Any:
            class Walk:
                present = int(address.value - mmu.DIRECT_BASE) // mmu.LARGE_PAGE in known

            return Walk()

        def map_range(self, address: VirtAddr, frame: Any, length: U64, *_: object) -> None:
            mapped.append((int(frame.value) // mmu.LARGE_PAGE, int(length) // mmu.LARGE_PAGE))

    class Kernel:
        pages, largest = Tables(), U64(1)

    monkeypatch.setattr(mmu, "KERNEL", Kernel())
    sources: Any = None
    mmu.map_direct(U64(0), U64(6 * mmu.LARGE_PAGE), sources)
    mmu.map_direct(U64(0), U64(2 * mmu.LARGE_PAGE), sources)
    assert mapped == [(2, 3)]


def test_words_on_a_kernel_stack(own: State) -> None:
    stack = Array[U64, Literal[8]]()
    stack[2] = U64(0x1234)
    start = int(Ptr.to(stack).address.value)
    own.kernel_stack = U64(start + 64)
    assert processor.on_kernel_stack(U64(start)) and not processor.on_kernel_stack(U64(start + 4))
    assert not processor.on_kernel_stack(U64(start + 64))
    assert processor.stack_word(U64(start + 16)) == 0x1234
    # The page below the stack is not there.
    own.kernel_stack = U64(start + processor.STACK_BYTES + 4096)
    assert processor.stack_word(U64(start)) == 0


def test_words_on_a_kernel_stack_of_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Array[U64, Literal[8]]()
    stack[2] = U64(0x1234)
    start = int(Ptr.to(stack).address.value)
    monkeypatch.setattr(arm_processor, "this", lambda: VirtAddr(start + 64))
    assert arm_processor.on_kernel_stack(U64(start)) and not arm_processor.on_kernel_stack(U64(start + 4))
    assert not arm_processor.on_kernel_stack(U64(start + 64))
    assert arm_processor.stack_word(U64(start + 16)) == 0x1234
    # The page below the stack is not there.
    monkeypatch.setattr(arm_processor, "this", lambda: VirtAddr(start + arm_processor.STACK_BYTES + 4096))
    assert arm_processor.stack_word(U64(start)) == 0


def test_the_channel_waits_for_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests/fuzz/targets/channel.py` does the rest."""
    from tests.fuzz.targets import channel

    monkeypatch.setattr(channel.Device, "pause", halt)
    with pytest.raises(Halted):
        # The first byte: the device does not answer.
        channel.fuzz(b"\1" * 8)
