"""What driver and device of virtio share: registers of the mmio transport, split virtqueues of eight entries, and the
control messages of serial devices. OASIS virtio 1.2: sections 4.2 (mmio), 2.7 (split virtqueues), 5.3 (console device).
"""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U16, U32, U64, Array, Order, fence, struct

MAGIC = 0x7472_6976
MODERN = 2
DEVICE_CONSOLE = 3
REGISTER_MAGIC = 0x00
REGISTER_VERSION = 0x04
REGISTER_DEVICE = 0x08
REGISTER_FEATURES = 0x20
REGISTER_FEATURES_SELECT = 0x24
REGISTER_QUEUE_SELECT = 0x30
REGISTER_QUEUE_SIZE = 0x38
REGISTER_QUEUE_READY = 0x44
REGISTER_QUEUE_NOTIFY = 0x50
REGISTER_INTERRUPT_STATUS = 0x60
REGISTER_INTERRUPT_ACKNOWLEDGE = 0x64
REGISTER_STATUS = 0x70
REGISTER_QUEUE_DESCRIPTORS = 0x80
REGISTER_QUEUE_AVAILABLE = 0x90
REGISTER_QUEUE_USED = 0xA0
STATUS_ACKNOWLEDGE_DRIVER = 3
STATUS_FEATURES_OK = 11
STATUS_DRIVER_OK = 15
FEATURE_MULTIPORT = 1 << 1
FEATURE_VERSION_1_HIGH = 1

# Port 1 of a serial device, and its queues by number.
PORT = 1
QUEUE_CONTROL_OUT = 3
QUEUE_IN = 4
QUEUE_OUT = 5
EVENT_DEVICE_READY = 0
EVENT_PORT_READY = 3
EVENT_PORT_OPEN = 6
ALL_PORTS = 0xFFFF_FFFF

ENTRIES = 8
DEVICE_WRITES = 2
NO_INTERRUPT = 1
QUEUE_SPACING = 512
"""Bytes from one queue's memory to the next one's."""


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

    def offer(self, slot: U16) -> None:
        """Give descriptor `slot` to the device; visible when it is next notified."""
        self.ring[self.index % ENTRIES] = slot
        fence(Order.RELEASE)
        self.index = self.index.wrapping_add(1)
        fence(Order.SEQ_CST)


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

    def has_beyond(self, seen: U16) -> bool:
        """Whether the device gave back more than the descriptors up to `seen`."""
        fence(Order.SEQ_CST)
        return self.index != seen


@struct
class ControlMessage:
    """struct virtio_console_control."""

    port: U32
    event: U16
    value: U16


@struct
class QueueMemory:
    """The three parts of a queue, each aligned as section 2.7 asks, and room for a control message."""

    descriptors: Array[Descriptor, Literal[8]]
    available: AvailableRing
    padding: U32
    used: UsedRing
    message: ControlMessage
