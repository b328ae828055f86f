"""System calls on devices and interrupts, and what an interrupt does."""

from __future__ import annotations

from cloudos.abi import devices
from cloudos.abi.errors import BadArgument, BadState, Denied, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles
from cloudos.abi.objects import Kind
from cloudos.kernel.hal import cpu, interrupts
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.objects import cleanup, memory, termination, waiting
from cloudos.kernel.objects.device import Device
from cloudos.kernel.objects.header import Header, Quota
from cloudos.kernel.objects.interrupt import LINES, Interrupt
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.notifications import hold
from cloudos.kernel.objects.waiting import signal
from cloudos.lang import U8, U32, U64, PhysAddr, Ptr, size_of

__all__ = ["Denied", "OutOfMemory", "PeerGone", "QuotaExceeded", "TooManyHandles"]


def device_create(source: Ptr[Device], quota: Ptr[Quota], resource: U64, first: U64, length: U64) -> U64:
    """System call."""
    source.value.check(resource, first, length)
    made = cleanup.create(quota.value, Kind.DEVICE, U64(size_of(Device)))
    device = made.cast(Device).value
    device.resource = resource
    device.first = first
    device.end = first + length
    return hold(made)


def device_memory(device: Ptr[Device], quota: Ptr[Quota]) -> U64:
    """System call."""
    if device.value.resource != devices.MEMORY:
        raise BadArgument
    first = device.value.first
    pages = (device.value.end - first) // PAGE_SIZE
    return hold(memory.create_foreign(quota.value, PhysAddr(first), pages, True).cast(Header))


def device_read(device: Ptr[Device], offset: U64, width: U64) -> U64:
    """System call."""
    return U64(cpu.port_read(device.value.port(offset, width), U8.truncate(width)))


def device_write(device: Ptr[Device], offset: U64, width: U64, value: U64) -> None:
    """System call."""
    port = device.value.port(offset, width)
    if value >> (width.wrapping_mul(8) & 63) != 0:
        raise BadArgument
    cpu.port_write(port, U8.truncate(width), U32.truncate(value))


def device_reset(device: Ptr[Device]) -> None:
    """System call."""
    if device.value.resource != devices.MACHINE:
        raise BadArgument
    termination.finish(True)


def interrupt_create(device: Ptr[Device], quota: Ptr[Quota], line: U64, flags: U64) -> U64:
    """System call."""
    device.value.check(U64(devices.LINES), line, U64(1))
    if flags > devices.LEVEL | devices.LOW:
        raise BadArgument
    # One that is about to go has masked the line already.
    if not LINES.of[line].is_null() and not LINES.of[line].value.header.dying:
        raise BadState
    made = cleanup.create(quota.value, Kind.INTERRUPT, U64(size_of(Interrupt)))
    interrupt = made.cast(Interrupt)
    interrupt.value.line = line
    interrupt.value.flags = flags
    interrupt.value.configure(False)
    LINES.of[line] = interrupt
    return hold(made)


def interrupt_bind(interrupt: Ptr[Interrupt], notification: Ptr[Notification], bits: U64) -> None:
    """System call."""
    interrupt.value.unbind()
    if bits != 0:
        notification.value.has_interrupts = True
        interrupt.value.notification = notification
        interrupt.value.bits = bits
        interrupt.value.configure(True)


def interrupt_acknowledge(interrupt: Ptr[Interrupt]) -> None:
    """System call."""
    if interrupt.value.notification.is_null():
        raise BadState
    interrupt.value.configure(True)


def is_within_reach(line: U64) -> bool:
    """Whether this processor, which need not be alone in the kernel, may deliver what a line says."""
    interrupt = LINES.of[line]
    if interrupt.is_null() or interrupt.value.notification.is_null():
        return True
    return waiting.is_within_reach(interrupt.value.notification)


def deliver(line: U64) -> None:
    """A line has interrupted. It may have been masked since."""
    interrupt = LINES.of[line]
    is_bound = not interrupt.is_null() and not interrupt.value.notification.is_null()
    if is_bound and interrupt.value.flags & devices.LEVEL != 0:
        interrupt.value.configure(False)
    interrupts.acknowledge()
    if is_bound:
        signal(interrupt.value.notification, interrupt.value.bits)
