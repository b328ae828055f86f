"""Split virtqueues of eight entries: OASIS virtio 1.2, section 2.7."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U16, U32, U64, Array, Order, Ptr, fence, struct, zeroed

ENTRIES = 8
DEVICE_WRITES = 2
NO_INTERRUPT = 1


@struct
class Descriptor:
    """A buffer offered to the device; `address` is physical."""

    address: U64
    length: U32
    flags: U16
    next: U16


@struct
class AvailableRing:
    """Descriptors given to the device; `index` counts without bound, modulo 2**16."""

    flags: U16
    index: U16
    ring: Array[U16, Literal[8]]


@struct
class UsedElement:
    """A descriptor that the device gave back, with how much it wrote."""

    id: U32
    length: U32


@struct
class UsedRing:
    """Descriptors given back."""

    flags: U16
    index: U16
    ring: Array[UsedElement, Literal[8]]


@struct
class QueueMemory:
    """The three parts of a queue, each aligned as it must be, and room for a control message."""

    descriptors: Array[Descriptor, Literal[8]]
    available: AvailableRing
    padding: U32
    used: UsedRing
    message: Array[U16, Literal[4]]


@struct
class Queue:
    """The driver's view of one queue. `seen`: the next element of the used ring to look at."""

    memory: Ptr[QueueMemory] = zeroed()
    seen: U16 = U16(0)

    def offer(self, slot: U16) -> None:
        """Give a descriptor to the device; visible when it is next notified."""
        available = self.memory.value.available
        available.ring[available.index % ENTRIES] = slot
        fence(Order.RELEASE)
        available.index = available.index.wrapping_add(1)
        fence(Order.SEQ_CST)

    def has_used(self) -> bool:
        """Whether the device gave back a descriptor that was not taken yet."""
        fence(Order.SEQ_CST)
        return self.memory.value.used.index != self.seen

    def take(self) -> tuple[U32, U32]:
        """The oldest of those, which is taken: descriptor and length. The device may have put any numbers there.

        They are read once, as the device may put others there at any time.
        """
        fence(Order.ACQUIRE)
        element = self.memory.value.used.ring[self.seen % ENTRIES]
        descriptor, length = element.id, element.length
        fence(Order.ACQUIRE)
        self.seen = self.seen.wrapping_add(1)
        return descriptor, length

    def is_idle(self) -> bool:
        """Whether the device has given back everything."""
        fence(Order.SEQ_CST)
        return self.memory.value.available.index == self.memory.value.used.index

    def interrupt(self, wanted: bool) -> None:
        """Interrupt, or not, when the device gives something back."""
        self.memory.value.available.flags = U16(0) if wanted else U16(NO_INTERRUPT)
        fence(Order.SEQ_CST)
