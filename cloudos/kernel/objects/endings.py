"""What each kind of object does when it is named no more, and before it goes: see `cleanup.py`."""

from __future__ import annotations

from cloudos.abi.objects import Kind, Rights
from cloudos.kernel.memory.structures import Memory, Space
from cloudos.kernel.objects import cleanup, interrupt, memory, message, processes, quota, space, termination, waiting
from cloudos.kernel.objects.header import Capability, Header, Quota
from cloudos.kernel.objects.interrupt import Interrupt
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.process import Process
from cloudos.kernel.objects.reply import Reply
from cloudos.kernel.objects.schedule import Schedule
from cloudos.kernel.objects.thread import Thread
from cloudos.lang import U64, Ptr, struct


@struct
class Endings:
    """See `cleanup.Objects`. Who waits, and replies, are threads'; a reply ends with its thread."""

    unused: U64 = U64(0)

    def wake_one(self, capability: Ptr[Capability]) -> None:
        """Cancel the system call of a thread that waits through the capability."""
        waiting.wake_one(capability)

    def capability_removed(self, object: Ptr[Header], rights: Rights) -> None:
        """A call gets no answer any more, or whoever bound an interrupt may have lost the right to it."""
        if object.value.kind == Kind.REPLY:
            message.reply_removed(object.cast(Reply))
        elif Rights.CONTROL in rights:
            object.cast(Interrupt).value.unbind()

    def cleanup_step(self, object: Ptr[Header]) -> bool:
        """Do what the kind has to do, and then free the object if nothing refers to it."""
        match object.value.kind:
            case Kind.PROCESS:
                if not termination.process_step(object.cast(Process).value):
                    return False
            case Kind.THREAD:
                termination.leave_all(object.cast(Thread))
            case Kind.NOTIFICATION:
                interrupt.unbind_all(object.cast(Notification))
            case Kind.INTERRUPT:
                interrupt.leave_line(object.cast(Interrupt))
            case Kind.SCHEDULE:
                if not processes.tell_step(object.cast(Schedule).value):
                    return False
            case Kind.QUOTA:
                quota.give_back(object.cast(Quota).value)
            case Kind.MEMORY:
                if not memory.end_step(object.cast(Memory).value):
                    return False
            case Kind.SPACE:
                if not space.end_step(object.cast(Space).value):
                    return False
            case _:
                pass
        if object.value.references == 0:
            cleanup.destroy(object)
        return True
