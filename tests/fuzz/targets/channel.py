"""The kernel's virtio console, whose device is malicious: the rings that it writes change at every look.

The kernel may stop by a panic that says where, as for all that the machine itself says; but it looks at nothing outside
of the queues and of the buffers that it gave to the device, and shows no more of one than it has.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from unittest import mock

from cloudos.abi.virtio import (
    ENTRIES,
    QUEUE_CONTROL_OUT,
    QUEUE_OUT,
    QUEUE_SPACING,
    REGISTER_QUEUE_NOTIFY,
    QueueMemory,
    UsedElement,
)
from cloudos.kernel.hal.shared import virtio
from cloudos.kernel.hal.shared.direct import DIRECT_BASE
from cloudos.lang import U8, U32, U64, Panic, PanicKind, PhysAddr, Ptr, Slice, VirtAddr, current_address_space
from tests.fuzz.target import Feed
from tests.fuzz.targets.drivers import Over, Shared
from tests.unit.kernel.simulated_machine import erase

REGISTERS = 0xFFFF_C000_0000_0000
PLACE = 0x4800_0000
PAGE = 4096
# The queues, a buffer for each descriptor of the input, and the kernel's output.
BUFFERS = range(PAGE, (1 + ENTRIES) * PAGE)
OUTPUT = BUFFERS.stop
SIZE = OUTPUT + PAGE
REFUSALS = (PanicKind.INDEX, PanicKind.LOSSY_CONVERSION)
STEPS = 40
PATIENCE = 100


class Frames:
    """Gives the frames of the memory, one after the other."""

    def __init__(self) -> None:
        self.next = PLACE

    def allocate_zeroed(self) -> PhysAddr:
        """The next one."""
        self.next += PAGE
        return PhysAddr(self.next - PAGE)

    def allocate_zeroed_block(self, order: U64) -> PhysAddr:
        """Never asked."""
        raise AssertionError("a block of frames was asked for")


class Device:
    """The registers, and what a device in order does with the rings; most of it happens only if the input says so."""

    def __init__(self, feed: Feed, memory: Shared) -> None:
        self.feed = feed
        self.memory = memory
        self.pauses = 0

    def queue(self, number: int) -> QueueMemory:
        """One of the three: control, input, output."""
        return Ptr.at(QueueMemory, VirtAddr(DIRECT_BASE + PLACE + number * QUEUE_SPACING)).value

    def read(self, address: VirtAddr) -> U32:
        """What a register says."""
        return U32(self.feed.number())

    def write(self, address: VirtAddr, value: U32) -> None:
        """Tell the device."""
        if int(address.value) - REGISTERS == REGISTER_QUEUE_NOTIFY and not self.feed.odds(16):
            number = {QUEUE_CONTROL_OUT: 0, QUEUE_OUT: 2}.get(int(value))
            if number is not None:
                used = self.queue(number).used
                used.index = used.index.wrapping_add(1)

    def pause(self) -> None:
        """The kernel waits for the device: that it does so for ever is the device's doing."""
        self.pauses += 1
        if self.pauses > PATIENCE:
            raise Over

    def give(self) -> None:
        """Input comes into the next buffer."""
        used = self.queue(1).used
        used.ring[used.index % ENTRIES] = UsedElement(U32(used.index % ENTRIES), U32(self.feed.number(2)))
        used.index = used.index.wrapping_add(1)


def fuzz(data: bytes) -> None:
    """Start the channel, and use it."""
    feed = Feed(data)
    space = current_address_space()
    memory = Shared(SIZE, PAGE)
    # Starting goes well, but for what registers say.
    memory.feed = Feed(b"")
    space.map(memory, DIRECT_BASE + PLACE)
    device = Device(feed, memory)
    try:
        with ExitStack() as stack, suppress(Over):
            stack.enter_context(
                mock.patch.multiple(
                    virtio, device_read_u32=device.read, device_write_u32=device.write, pause=device.pause
                )
            )
            virtio.CONSOLE.registers = VirtAddr(REGISTERS)
            virtio.CONSOLE.start(Frames())
            memory.feed = feed
            work(device, feed)
    except Panic as panic:
        if panic.kind not in REFUSALS:
            raise
    finally:
        erase(virtio.CONSOLE)
        space.release(memory)


def work(device: Device, feed: Feed) -> None:
    """Input, output and interrupts."""
    console = virtio.CONSOLE
    for _ in range(STEPS):
        if not feed.left:
            return
        form = feed.number()
        if form < 64:
            console.write(Slice.of(Ptr.at(U8, VirtAddr(DIRECT_BASE + PLACE + OUTPUT)), U64(form)))
        elif form < 96:
            console.is_idle()
        elif form < 112:
            console.acknowledge()
        elif form < 176:
            device.give()
        else:
            check(console.peek())
            shown = console.peek()
            check(shown)
            if shown.length > 0:
                console.consume(U64(feed.number(2)) % (shown.length + 1))


def check(shown: Slice[U8]) -> None:
    """What the kernel takes for input lies in one buffer."""
    if shown.length == 0:
        return
    start = int(shown.pointer.address.value) - DIRECT_BASE - PLACE
    assert start in BUFFERS, "the kernel looks outside of its buffers"
    assert (start % PAGE) + int(shown.length) <= PAGE, "the kernel looks behind a buffer"
