"""The driver's side of the virtqueues of `cloudos/abi/virtio.py`."""

from __future__ import annotations

from cloudos.abi.virtio import ENTRIES, NO_INTERRUPT, QueueMemory
from cloudos.lang import U16, U32, Order, Ptr, fence, struct, zeroed


@struct
class Queue:
    """The driver's view of one queue. `seen`: the next element of the used ring to look at."""

    memory: Ptr[QueueMemory] = zeroed()
    seen: U16 = U16(0)

    def offer(self, slot: U16) -> None:
        """Give a descriptor to the device; visible when it is next notified."""
        self.memory.value.available.offer(slot)

    def has_used(self) -> bool:
        """Whether the device gave back a descriptor that was not taken yet."""
        return self.memory.value.used.has_beyond(self.seen)

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
