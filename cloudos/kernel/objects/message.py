"""Messages: call, send, receive, reply, and the same through the fast path.

A message is a tag, eight words and, through the message buffers of the two threads, up to four handles and up to 4,032
bytes. It goes from sender to receiver in one step, when both are there; until then the first to come waits. A call
gives the receiver a handle to the caller's reply, in a slot that was reserved before the receiver began to wait, so
that nothing can fail between taking a message and handing it over but the transfer of handles, which is checked first.
While a call is served the server runs on the caller's time and at least at its priority.
"""

from __future__ import annotations

from cloudos.abi import tags
from cloudos.abi.errors import (
    BadArgument,
    BadState,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
    WouldBlock,
)
from cloudos.abi.messages import NEVER
from cloudos.abi.objects import Kind, Operation, Rights
from cloudos.kernel.hal import processors, trap
from cloudos.kernel.objects import cleanup, termination, waiting
from cloudos.kernel.objects.endpoint import Endpoint
from cloudos.kernel.objects.header import Capability, CapabilityTable, Header
from cloudos.kernel.objects.notification import Notification
from cloudos.kernel.objects.reply import Reply
from cloudos.kernel.objects.thread import MAXIMUM_DEPTH, Thread, ThreadState
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched import scheduler
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.kernel.sched.requests import bring, is_alone
from cloudos.kernel.security import capabilities, labels
from cloudos.kernel.security.labels import MATRIX
from cloudos.lang import U8, U32, U64, Error, Ptr, error_code, inlined, never_inlined, null

__all__ = ["OutOfMemory", "QuotaExceeded", "TooManyHandles", "WouldBlock"]

# Not TRANSFER: the fast path relies on the slot being in the table of the process that received the call.
REPLY_RIGHTS = Rights.SEND


# The fast path


@inlined
def fast_call(capability: Ptr[Capability], frame: trap.UserFrame) -> bool:
    """A call, with a tag of words alone, to a thread that waits for it at home: hand over the words and the processor.

    False: not such, and nothing has changed.
    """
    endpoint = capability.value.object.cast(Endpoint).value
    if endpoint.header.home != PROCESSOR.line.number:
        return False
    server = endpoint.receivers.first
    if server.is_null() or server.value.timer_rank != 0:
        return False
    if server.value.suspended:
        return False
    caller = PROCESSOR.current
    if caller.value.depth >= MAXIMUM_DEPTH:
        return False
    if MATRIX.loaded and not _may_call(caller, server):
        return False
    endpoint.receivers.remove_first(server)
    waiting.leave_waiters(server)
    _give_reply(caller, server)
    server.value.frame.take_message(frame, capability.value.badge, _fill_slot(caller, server))
    server.value.state = ThreadState.RUNNING
    server.value.processor = processors.this()
    # Nobody is more urgent: the caller was running, and the server is at least as urgent as it.
    scheduler.switch_to(server)
    return True


@inlined
def _may_call(caller: Ptr[Thread], server: Ptr[Thread]) -> bool:
    """Whether policy lets the one talk to the other; what it denies is put on record by the general path."""
    if caller.value.process == server.value.process:
        return True
    return labels.permits(_table(caller).label, _table(server).label, Operation.CALL)


@inlined
def fast_reply_receive(capability: Ptr[Capability], frame: trap.UserFrame) -> bool:
    """An answer, with a tag of words alone, by a thread that then waits for the next message. False: not such."""
    endpoint = capability.value.object.cast(Endpoint).value
    server = PROCESSOR.current
    if endpoint.header.home != PROCESSOR.line.number:
        return False
    if not endpoint.senders.first.is_null() or not server.value.notification.is_null():
        return False
    caller = server.value.client
    if caller.is_null() or caller.value.timer_rank != 0 or caller.value.in_fault:
        return False
    slot = caller.value.reply.header.capabilities
    if caller.value.reply.handle != frame.reply_handle or slot.value.generation == U32.MAX:
        return False
    if PROCESSOR.ready.has_above(U64(caller.value.priority)) or caller.value.suspended:
        return False
    if endpoint.receivers.ends_above(server.value.schedule.value.priority):
        return False
    _empty_slot(caller, slot)
    server.value.reply_slot = slot
    server.value.reply_index = frame.reply_handle & capabilities.INDEX_MASK
    caller.value.frame.take_message(frame, U64(0), U64(0))
    caller.value.state = ThreadState.RUNNING
    caller.value.processor = processors.this()
    _end_service(caller, server)
    server.value.state = ThreadState.RECEIVING
    server.value.waiting_on = capability.value.object
    endpoint.receivers.append(server)
    waiting.join_waiters(server, capability)
    scheduler.switch_to(caller)
    return True


@inlined
def _give_reply(caller: Ptr[Thread], server: Ptr[Thread]) -> None:
    """The caller waits for a reply of the server, which runs on the caller's time from here on."""
    previous = server.value.client
    if not previous.is_null():
        previous.value.server = null()
    caller.value.state = ThreadState.CALLING
    caller.value.server = server
    server.value.client = caller
    server.value.borrowed = caller.value.time()
    server.value.depth = caller.value.depth.wrapping_add(1)
    if caller.value.priority > server.value.priority:
        server.value.priority = caller.value.priority


@inlined
def _fill_slot(caller: Ptr[Thread], server: Ptr[Thread]) -> U64:
    """Put the caller's reply into the server's reserved slot; its handle."""
    slot = server.value.reply_slot
    server.value.reply_slot = null()
    entry = slot.value
    reply = caller.value.reply.header
    entry.object = Ptr.to(reply)
    reply.capabilities = slot
    handle = U64(entry.generation) << 32 | server.value.reply_index
    caller.value.reply.handle = handle
    return handle


@inlined
def _empty_slot(caller: Ptr[Thread], slot: Ptr[Capability]) -> None:
    """Make the handle to a reply stale. The slot is reserved again."""
    reply = caller.value.reply.header
    reply.capabilities = null()
    slot.value.object = null()
    slot.value.generation = slot.value.generation + 1


@inlined
def _end_service(caller: Ptr[Thread], server: Ptr[Thread]) -> None:
    """The server runs on its own time again. It is not in a queue of the scheduler's."""
    caller.value.server = null()
    server.value.client = null()
    server.value.borrowed = null()
    server.value.depth = U8(0)
    server.value.priority = server.value.schedule.value.priority


# What travels besides words


def _check_tag(tag: U64) -> None:
    """BadArgument for a tag that no message can have."""
    handles = (tag >> tags.HANDLES_SHIFT) & tags.HANDLES_MASK
    length = (tag >> tags.BYTES_SHIFT) & tags.BYTES_MASK
    if tag & 15 > tags.WORDS or handles > tags.MAXIMUM_HANDLES or length > tags.MAXIMUM_BYTES:
        raise BadArgument
    if tag & tags.RESERVED != 0:
        raise BadArgument
    if tag & tags.SLOW != 0 and PROCESSOR.current.value.buffer.is_null():
        raise BadArgument


def _deadline(tag: U64) -> U64:
    """Until when the current thread wants to wait."""
    if tag & tags.DEADLINE == 0:
        return U64(NEVER)
    return PROCESSOR.current.value.buffer.value.deadline


@inlined
def _transfer(sender: Ptr[Thread], receiver: Ptr[Thread], tag: U64) -> U64:
    """Hand over handles and bytes: 0, or the number of the error that kept everything from being handed over.

    Raises Restart.
    """
    if tag & tags.SLOW & ~U64(tags.DEADLINE) == 0:
        return U64(0)
    return _transfer_all(sender, receiver, tag)


@never_inlined
def _transfer_all(sender: Ptr[Thread], receiver: Ptr[Thread], tag: U64) -> U64:
    if receiver.value.buffer.is_null():
        return U64(BadState.code)
    try:
        _transfer_handles(sender, receiver, (tag >> tags.HANDLES_SHIFT) & tags.HANDLES_MASK)
    except Restart:
        raise
    except Error:
        return U64(error_code())
    length = (tag >> tags.BYTES_SHIFT) & tags.BYTES_MASK
    source = sender.value.buffer.value.data.slice()[0:length]
    receiver.value.buffer.value.data.slice()[0:length].copy_from(source)
    return U64(0)


def _refusal(sender: Ptr[Thread], receiver: Ptr[Thread], tag: U64) -> U64:
    """0 once what the message carries is handed over, or the number of the error that the sender gets."""
    try:
        if MATRIX.loaded and sender.value.process != receiver.value.process:
            labels.check(_table(sender), _table(receiver), Operation.CALL)
    except Denied:
        return U64(Denied.code)
    return _transfer(sender, receiver, tag)


@never_inlined
def own_table(thread: Ptr[Thread], count: U64) -> None:
    """From here on the table of a thread's process belongs to this processor, and if that is not alone it has room for
    so many more capabilities. Raises Restart."""
    process = thread.value.process.value
    if not bring(process.header) or (process.table.available < count and not is_alone()):
        raise Restart


def _table(thread: Ptr[Thread]) -> CapabilityTable:
    return thread.value.process.value.table


def _transfer_handles(sender: Ptr[Thread], receiver: Ptr[Thread], count: U64) -> None:
    """Copy or move handles. All is checked before the first goes, so that all go or none. Raises Restart."""
    source = sender.value.buffer.value
    if count == 0:
        return
    own_table(sender, U64(0))
    own_table(receiver, count)
    if sender.value.through_rights & U32(Rights.GRANT) == 0:
        raise Denied
    target = _table(receiver)
    for index in U64.range(count):
        capability = capabilities.find(_table(sender), source.handles[index])
        moving = source.moves.bit(U32(index))
        object = capabilities.names_now(capability)
        # Reply slots belong to those who serve the calls, and may be emptied by them.
        if not is_alone() and (object.is_null() or object.value.kind == Kind.REPLY):
            raise Restart
        if not bring(object.value):
            raise Restart
        capabilities.check_sending(capability, target, moving)
        for other in U64.range(count):
            if moving and other != index and source.handles[other] == source.handles[index]:
                raise BadArgument
    capabilities.reserve(target, count)
    for index in U64.range(count):
        capability = capabilities.find(_table(sender), source.handles[index])
        if source.moves.bit(U32(index)):
            receiver.value.buffer.value.handles[index] = capabilities.move(capability, target)
        else:
            receiver.value.buffer.value.handles[index] = capabilities.copy(capability, target)


# Sending and calling


def message_call(capability: Ptr[Capability], frame: trap.UserFrame) -> None:
    """System call: the general case, as of all that follow."""
    _send(capability, frame, True)


def message_send(capability: Ptr[Capability], frame: trap.UserFrame) -> None:
    """System call."""
    _send(capability, frame, False)


def _send(capability: Ptr[Capability], frame: trap.UserFrame, is_call: bool) -> None:
    tag = frame.argument1
    deadline = U64(NEVER)
    if U32.truncate(tag) > tags.WORDS:
        _check_tag(tag)
        deadline = _deadline(tag)
    endpoint = capability.value.object.cast(Endpoint).value
    receiver = endpoint.receivers.first
    waiting.check_ours(receiver)
    sender = PROCESSOR.current
    sender.value.badge = capability.value.badge
    sender.value.through_rights = U32(capability.value.rights)
    sender.value.is_call = is_call
    if receiver.is_null():
        waiting.wait(ThreadState.SENDING, capability, deadline)
        endpoint.senders.insert(sender)
        return
    error = _refusal(sender, receiver, tag)
    if error != 0:
        frame.fail(error)
        return
    waiting.detach(receiver)
    if is_call:
        if deadline != NEVER:
            PROCESSOR.timers.add(sender, deadline)
        # It runs on the caller's time, and best on its processor.
        receiver.value.processor = sender.value.processor
        _hand_over(sender, receiver)
    else:
        _give(sender, receiver)
    scheduler.wake(receiver)


def _hand_over(sender: Ptr[Thread], receiver: Ptr[Thread]) -> None:
    """Put a call into the receiver's registers; the sender waits for its reply."""
    sending = sender.value
    _give_reply(sender, receiver)
    if receiver.value.depth > MAXIMUM_DEPTH:
        waiting.stop_donation(sender)
    handle = _fill_slot(sender, receiver)
    if sending.in_fault:
        termination.tell_fault(sending, receiver.value.frame)
        receiver.value.frame.set_reply(handle)
    else:
        _deliver(receiver, sending.frame, sending.badge, handle)
    if sender == PROCESSOR.current:
        PROCESSOR.reschedule = True


@inlined
def _give(sender: Ptr[Thread], receiver: Ptr[Thread]) -> None:
    """Put a message that wants no reply into the receiver's registers; the sender has done its part."""
    _deliver(receiver, sender.value.frame, sender.value.badge, U64(0))
    sender.value.frame.finish(U64(0))


@never_inlined
def _deliver(receiver: Ptr[Thread], message: trap.UserFrame, badge: U64, reply: U64) -> None:
    """Put a message into the receiver's registers, without what its tag said to the kernel alone."""
    frame = receiver.value.frame
    frame.take_message(message, badge, reply)
    frame.set_tag(message.argument1 & ~U64(tags.DEADLINE))


def call_with_fault(thread: Ptr[Thread], endpoint: Ptr[Header], badge: U64) -> None:
    """Let a running thread tell an endpoint of its fault, and wait for the answer."""
    faulting = thread.value
    faulting.badge = badge
    faulting.is_call = True
    faulting.in_fault = True
    queues = endpoint.cast(Endpoint).value
    scheduler.block(ThreadState.SENDING)
    faulting.waiting_on = endpoint
    receiver = queues.receivers.first
    if receiver.is_null():
        queues.senders.insert(thread)
        return
    faulting.waiting_on = null()
    waiting.detach(receiver)
    _hand_over(thread, receiver)
    scheduler.wake(receiver)


# Receiving


def message_receive(capability: Ptr[Capability], frame: trap.UserFrame) -> None:
    """System call."""
    tag = frame.argument1
    if tag & ~U64(tags.RECEIVE) != 0:
        raise BadArgument
    _check_tag(tag)
    _receive(capability, frame, _deadline(tag))


def _receive(capability: Ptr[Capability], frame: trap.UserFrame, deadline: U64) -> None:
    """Take the next message, or wait for it."""
    receiver = PROCESSOR.current
    if receiver.value.reply_slot.is_null():
        own_table(receiver, U64(1))
        slot = capabilities.take_slot(_table(receiver))
        _prepare_slot(slot.value)
        receiver.value.reply_slot = slot
        receiver.value.reply_index = capabilities.handle_of(slot) & capabilities.INDEX_MASK
    if _take_signals(receiver):
        return
    endpoint = capability.value.object.cast(Endpoint).value
    sender = endpoint.senders.first
    waiting.check_ours(sender)
    if not sender.is_null():
        if not scheduler.counts(receiver):
            raise Restart
        error = U64(0) if sender.value.in_fault else _refusal(sender, receiver, sender.value.frame.argument1)
        if error == 0:
            _take_from(sender, receiver)
            return
        # The receiver asks again, without a second reply: very many messages may be refused.
        waiting.cancel(sender, error)
        frame.set_reply(U64(0))
        frame.restart()
        return
    waiting.wait(ThreadState.RECEIVING, capability, deadline)
    endpoint.receivers.insert(receiver)


def _prepare_slot(slot: Capability) -> None:
    """What every reply handle has. Nothing is derived from one and nobody waits through it, so that it stays true."""
    slot.rights = REPLY_RIGHTS
    slot.badge = U64(0)
    slot.child = null()
    slot.last = null()
    slot.next = null()
    slot.previous = null()
    slot.waiters = null()


def _take_from(sender: Ptr[Thread], receiver: Ptr[Thread]) -> None:
    """The message of a thread that is queued. Its deadline holds for its call as a whole."""
    waiting.leave_waiters(sender)
    sender.value.waiting_on.cast(Endpoint).value.senders.remove(sender)
    sender.value.waiting_on = null()
    if sender.value.is_call:
        scheduler.settle(receiver)
        _hand_over(sender, receiver)
    else:
        _give(sender, receiver)
        scheduler.cancel_timer(sender)
        scheduler.wake(sender)


def _take_signals(receiver: Ptr[Thread]) -> bool:
    """Whether the bound notification has signals; then they are the message."""
    if receiver.value.notification.is_null():
        return False
    notification = receiver.value.notification.cast(Notification).value
    if not bring(notification.header):
        raise Restart
    if notification.bits == 0:
        return False
    waiting.set_signals(receiver, notification.bits)
    notification.bits = U64(0)
    return True


# Replying


def message_reply(capability: Ptr[Capability], frame: trap.UserFrame) -> None:
    """System call."""
    caller = _reply(capability, frame)
    if not caller.is_null():
        frame.finish(U64(0))
        _go_on(caller)


def message_reply_receive(capability: Ptr[Capability], frame: trap.UserFrame) -> None:
    """System call."""
    tag = frame.argument1
    _check_tag(tag)
    deadline = _deadline(tag)
    caller: Ptr[Thread] = null()
    if frame.reply_handle != 0:
        caller = _reply(
            capabilities.lookup(_table(PROCESSOR.current), frame.reply_handle, Kind.REPLY, Rights.SEND), frame
        )
        # The answer to a fault may have ended the caller's own process, and with it the caller.
        if caller.is_null() or PROCESSOR.current.value.state != ThreadState.RUNNING:
            return
        # Should the rest be tried again.
        frame.set_reply(U64(0))
    try:
        _receive(capability, frame, deadline)
    finally:
        # Comes last: when this thread waits, the caller best runs here.
        if not caller.is_null():
            _go_on(caller)


def _go_on(caller: Ptr[Thread]) -> None:
    """After the reply, unless that was to end the caller's process."""
    if not caller.value.in_fault:
        scheduler.wake(caller)


@never_inlined
def _reply(slot: Ptr[Capability], frame: trap.UserFrame) -> Ptr[Thread]:
    """Answer a call: whose it was, who waits for nothing any more; null when handles or bytes could not be transferred,
    which the frame says then.

    What other threads serve belongs to their processors, which fill and empty the slots of replies without having the
    table: for another call than its latest a thread needs them all at hand, and the table, for that call may be coming
    to its end elsewhere. Raises BadArgument, Restart.
    """
    server = PROCESSOR.current
    tag = frame.argument1
    _check_tag(tag)
    server.value.through_rights = U32(Rights.GRANT)
    caller = server.value.client
    nobody: Ptr[Thread] = null()
    if caller.is_null() or caller.value.reply.header.capabilities != slot:
        own_table(server, U64(0))
        if not is_alone() and not waiting.are_at_hand(server.value.process.value.threads.cast(Thread)):
            raise Restart
        caller = slot.value.object.cast(Reply).value.caller.cast(Thread)
    waiting.check_ours(caller)
    if not scheduler.counts(waiting.last_of(caller)):
        raise Restart
    keeps = server.value.reply_slot.is_null() and slot.value.generation != U32.MAX
    if not keeps:
        own_table(server, U64(0))
    if not caller.value.in_fault:
        error = _transfer(server, caller, tag)
        if error != 0:
            frame.fail(error)
            return nobody
    if keeps:
        _empty_slot(caller, slot)
        server.value.reply_slot = slot
        server.value.reply_index = capabilities.handle_of(slot) & capabilities.INDEX_MASK
    else:
        caller.value.reply.header.capabilities = null()
        capabilities.give_slot(_table(server), slot)
    waiting.stop_donation(caller)
    scheduler.cancel_timer(caller)
    if caller.value.in_fault:
        _resume(caller, frame)
    else:
        _deliver(caller, frame, U64(0), U64(0))
    return caller


def _resume(thread: Ptr[Thread], frame: trap.UserFrame) -> None:
    """Do with a faulting thread what the reply says."""
    label = frame.argument1 >> tags.LABEL_SHIFT
    if label == tags.FAULT_RESUME or label == tags.FAULT_REPAIR:
        # Who supplies memory has no say in what the program does with it.
        if label == tags.FAULT_REPAIR and not thread.value.asks_pager:
            thread.value.frame.set_position(frame.argument2, frame.argument3)
        thread.value.in_fault = False
    else:
        termination.die_of_fault(thread)


def reply_removed(reply: Ptr[Reply]) -> None:
    """The only handle was closed, or its holder ended: there will be no answer."""
    # The fast path does not count the handle as a reference; whoever removed it is about to.
    cleanup.retain(reply.cast(Header))
    caller = reply.value.caller.cast(Thread)
    waiting.stop_donation(caller)
    waiting.cancel(caller, U64(PeerGone.code))
