"""Every system call: number, parameters, result, errors. The only place where they are written down.

A declaration is an ordinary function without a body. The kernel's dispatch (`cloudos.kernel.dispatch`), the user
stubs (`cloudos.sdk.system`) and the reference page (`cloudos.abi.reference`) are made from `SYSTEM_CALLS`.

Registers, x86_64: number in rax, arguments in rdi rsi rdx r10 r8 r9; the error comes back in rax (0: none), the
value in rdx; rcx and r11 are lost, and the registers of the arguments, in which a long call keeps what is left to do.
AArch64: number in x8, arguments in x0 to x5; error in x0, value in x1; x0 to x8 are lost.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

from cloudos.abi.declaration import SYSTEM_CALLS, Needs, SystemCall, system_call
from cloudos.abi.errors import (
    BadAddress,
    BadArgument,
    BadHandle,
    BadState,
    Cancelled,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    Sealed,
    TimedOut,
    TooManyHandles,
    WouldBlock,
    WrongKind,
)
from cloudos.abi.objects import Kind, Rights
from cloudos.lang import U8, U32, U64, UserPtr

__all__ = ["SYSTEM_CALLS", "Needs", "SystemCall", "system_call"]

# What making an object, and a handle to it, raises.
CREATION_ERRORS = (QuotaExceeded, OutOfMemory, TooManyHandles, PeerGone)
MESSAGE_ERRORS = (BadArgument, BadState, WouldBlock, TimedOut, Cancelled, *CREATION_ERRORS)

ProcessToControl = Annotated[U64, Needs(Kind.PROCESS, Rights.CONTROL)]
ProcessToInspect = Annotated[U64, Needs(Kind.PROCESS, Rights.INSPECT)]
ProcessToWait = Annotated[U64, Needs(Kind.PROCESS, Rights.WAIT)]
ThreadToControl = Annotated[U64, Needs(Kind.THREAD, Rights.CONTROL)]
ThreadToRead = Annotated[U64, Needs(Kind.THREAD, Rights.READ)]
ThreadToWrite = Annotated[U64, Needs(Kind.THREAD, Rights.WRITE)]
EndpointToSend = Annotated[U64, Needs(Kind.ENDPOINT, Rights.SEND)]
EndpointToReceive = Annotated[U64, Needs(Kind.ENDPOINT, Rights.RECEIVE)]
ReplyToSend = Annotated[U64, Needs(Kind.REPLY, Rights.SEND)]
NotificationToSignal = Annotated[U64, Needs(Kind.NOTIFICATION, Rights.SIGNAL)]
NotificationToWait = Annotated[U64, Needs(Kind.NOTIFICATION, Rights.WAIT)]
QuotaToSpend = Annotated[U64, Needs(Kind.QUOTA, Rights.ALLOCATE)]
QuotaToInspect = Annotated[U64, Needs(Kind.QUOTA, Rights.INSPECT)]
PolicyToWrite = Annotated[U64, Needs(Kind.POLICY, Rights.WRITE)]
AuditToRead = Annotated[U64, Needs(Kind.AUDIT, Rights.READ)]
MemoryToMap = Annotated[U64, Needs(Kind.MEMORY, Rights.MAP)]
MemoryToRead = Annotated[U64, Needs(Kind.MEMORY, Rights.READ)]
MemoryToWrite = Annotated[U64, Needs(Kind.MEMORY, Rights.WRITE)]
MemoryToInspect = Annotated[U64, Needs(Kind.MEMORY, Rights.INSPECT)]
MemoryToSupply = Annotated[U64, Needs(Kind.MEMORY, Rights.CONTROL)]
SpaceToMap = Annotated[U64, Needs(Kind.SPACE, Rights.MAP)]
DeviceToDivide = Annotated[U64, Needs(Kind.DEVICE, Rights.ALLOCATE)]
DeviceToRead = Annotated[U64, Needs(Kind.DEVICE, Rights.READ)]
DeviceToWrite = Annotated[U64, Needs(Kind.DEVICE, Rights.WRITE)]
InterruptToControl = Annotated[U64, Needs(Kind.INTERRUPT, Rights.CONTROL)]
DeviceToMap = Annotated[U64, Needs(Kind.DEVICE, Rights.MAP)]
ScheduleToUse = Annotated[U64, Needs(Kind.SCHEDULE, Rights.ALLOCATE)]
ScheduleToControl = Annotated[U64, Needs(Kind.SCHEDULE, Rights.CONTROL)]


@system_call(number=0)
def system_null() -> U64:
    """Do nothing, and return 0: what crossing the border costs."""
    raise NotImplementedError


@system_call(number=1)
def process_exit(status: U8) -> NoReturn:
    """End the process. `status` becomes the exit status of the run."""
    raise NotImplementedError


@system_call(number=2)
def process_panic(site: U32, message: UserPtr[U8], length: U64) -> NoReturn:
    """End the process because of a bug that it found in itself.

    `site` is the compiled place (kind, file, line); `message` is text of `length` bytes, of which the kernel
    reports at most 256 and drops what is not printable ASCII. A bad `message` only loses the text.
    """
    raise NotImplementedError


@system_call(number=3, raises=(BadAddress, BadArgument, Denied))
def console_write(stream: U64, data: UserPtr[U8], length: U64) -> U64:
    """Write `length` bytes to standard output (`stream` 1), standard error (2), or the boot log (3).

    Returns how many bytes were taken, at least 1 when `length` is not 0. Blocks while the host does not listen.
    BadAddress: the bytes up to the unreadable one may have been written. Denied: this is neither the first
    process nor the one that handed this place over.
    """
    raise NotImplementedError


@system_call(number=4, raises=(BadAddress, Denied))
def console_read(data: UserPtr[U8], length: U64) -> U64:
    """Read up to `length` bytes of standard input into `data`; block until there is at least one.

    Returns how many bytes were read; 0 means end of file (or that `length` is 0). Denied: as for console_write.
    """
    raise NotImplementedError


@system_call(number=5, raises=(OutOfMemory, BadArgument))
def memory_map(length: U64) -> U64:
    """Get `length` bytes of zeroed memory, readable and writable, rounded up to whole pages of 4096 bytes.

    It is paid for at once. Returns its address, a multiple of 4096. BadArgument: `length` is 0. OutOfMemory: the
    process's quota or the machine has not so much; nothing was mapped.
    """
    raise NotImplementedError


@system_call(number=6, raises=(BadArgument, OutOfMemory))
def memory_unmap(address: U64, length: U64) -> None:
    """Give back whole pages obtained by `memory_map`; part of a mapping may be given back.

    BadArgument: not multiples of 4096, or a page in the range that is not the process's own to give. OutOfMemory:
    splitting a mapping needed room that was not there. Then nothing was unmapped.
    """
    raise NotImplementedError


@system_call(number=7)
def clock_read() -> U64:
    """Nanoseconds since the machine started; never goes back."""
    raise NotImplementedError


@system_call(number=8)
def thread_sleep(duration_ns: U64) -> None:
    """Do nothing for at least `duration_ns` nanoseconds."""
    raise NotImplementedError


@system_call(number=9)
def thread_yield() -> None:
    """Let the other ready threads of the same priority run first."""
    raise NotImplementedError


@system_call(number=10)
def thread_exit() -> NoReturn:
    """End the calling thread. With its last thread a process ends; the first process then ends with status 0."""
    raise NotImplementedError


@system_call(number=11, raises=(BadArgument, *CREATION_ERRORS))
def thread_create(process: ProcessToControl, schedule: ScheduleToUse, entry: U64, stack: U64, argument: U64) -> U64:
    """Make a thread that will begin at `entry` with the stack pointer `stack`, a multiple of 16, and one argument.

    Returns a handle with all rights. The thread is stopped; the quota of `process` pays for it (1 KB).
    """
    raise NotImplementedError


@system_call(number=12, raises=(BadState,))
def thread_start(thread: ThreadToControl) -> None:
    """Let a stopped or suspended thread run. BadState: it is neither."""
    raise NotImplementedError


@system_call(number=13, raises=(BadState,))
def thread_suspend(thread: ThreadToControl) -> None:
    """Stop a thread; one that waits stops when it would go on. BadState: it has ended."""
    raise NotImplementedError


@system_call(number=14)
def thread_kill(thread: ThreadToControl) -> None:
    """End a thread, whatever it does. Who waits for its reply gets PeerGone once the reply handle is closed."""
    raise NotImplementedError


@system_call(number=15, raises=(BadAddress, BadState))
def thread_read_registers(thread: ThreadToRead, buffer: UserPtr[U8]) -> None:
    """Copy the general registers (`cloudos.sdk.registers.size()` bytes) of a stopped or faulting thread."""
    raise NotImplementedError


@system_call(number=16, raises=(BadAddress, BadState))
def thread_write_registers(thread: ThreadToWrite, buffer: UserPtr[U8]) -> None:
    """Replace the general registers of a stopped or faulting thread; what would need privilege is left out."""
    raise NotImplementedError


@system_call(number=17, raises=(BadArgument, BadState, *CREATION_ERRORS))
def thread_set_buffer(address: U64) -> None:
    """Map a message buffer for the calling thread at `address`, a free page. BadState: it has one.

    Layout: `MessageBuffer` of `cloudos.abi.messages`. It goes with the thread.
    """
    raise NotImplementedError


@system_call(number=18, raises=(BadState,))
def thread_bind(notification: NotificationToWait) -> None:
    """Let message_receive of the calling thread end with signals of `notification` too. BadState: one is bound."""
    raise NotImplementedError


@system_call(number=19, raises=(BadArgument, *CREATION_ERRORS))
def process_create(quota: QuotaToSpend, label: U64) -> U64:
    """Make a process without memory, threads or handles. `quota` pays for all that it makes the kernel allocate.

    It ends when the caller's process ends, as if it was killed. Bits 8 to 16 of `label` say how many frames of 63
    handles it may hold at most, then TooManyHandles; 0: as many as `quota` pays for. Denied also: a process that is
    not of label 0 may choose its own label, and those that the policy lets it control.
    """
    raise NotImplementedError


@system_call(number=20, raises=CREATION_ERRORS)
def process_space(process: ProcessToControl) -> U64:
    """A handle to the address space of a process. PeerGone: it has ended."""
    raise NotImplementedError


@system_call(number=21, raises=(BadArgument, *CREATION_ERRORS))
def process_install(process: ProcessToControl, handle: U64, rights: U64, badge: U64) -> U64:
    """Derive a handle of the caller's into a process; 0 for `rights` keeps all. Returns its number there."""
    raise NotImplementedError


@system_call(number=22)
def process_kill(process: ProcessToControl) -> None:
    """End a process; none of its threads runs any more when this returns. One that has ended stays as it is."""
    raise NotImplementedError


@system_call(number=23)
def process_inspect(process: ProcessToInspect) -> U64:
    """0 while the process lives; then 256 plus its exit status.

    Of one that a fault, a panic or process_kill ended, the status is 128 plus the number of the fault
    (`cloudos.abi.faults`; 6: a panic, 9: killed), which stands in bits 16 to 23 as well.
    """
    raise NotImplementedError


@system_call(number=24, raises=(BadState,))
def process_set_fault_endpoint(process: ProcessToControl, handler: EndpointToSend) -> None:
    """Report faults of the process as calls to `handler`, with the badge of this handle. See `cloudos.abi.tags`."""
    raise NotImplementedError


@system_call(number=25, raises=CREATION_ERRORS)
def endpoint_create(quota: QuotaToSpend) -> U64:
    """Make an endpoint; returns a handle with all rights."""
    raise NotImplementedError


@system_call(number=26, raises=MESSAGE_ERRORS, message=True)
def message_call(endpoint: EndpointToSend, tag: U64) -> None:
    """Send a message, and wait for the reply."""
    raise NotImplementedError


@system_call(number=27, raises=MESSAGE_ERRORS, message=True)
def message_send(endpoint: EndpointToSend, tag: U64) -> None:
    """Send a message, and wait until it is received."""
    raise NotImplementedError


@system_call(number=28, raises=MESSAGE_ERRORS, message=True)
def message_receive(endpoint: EndpointToReceive, tag: U64) -> None:
    """Wait for a message, or for signals of the bound notification."""
    raise NotImplementedError


@system_call(number=29, raises=MESSAGE_ERRORS, message=True)
def message_reply(reply: ReplyToSend, tag: U64) -> None:
    """Answer a call. The handle is used up. BadHandle also: the caller does not wait any more."""
    raise NotImplementedError


@system_call(number=30, raises=(*MESSAGE_ERRORS, WrongKind), message=True)
def message_reply_receive(endpoint: EndpointToReceive, tag: U64) -> None:
    """Answer a call, whose reply handle stands in its own register, and wait for the next message in one step."""
    raise NotImplementedError


@system_call(number=31, raises=CREATION_ERRORS)
def notification_create(quota: QuotaToSpend) -> U64:
    """Make a notification without signals; returns a handle with all rights."""
    raise NotImplementedError


@system_call(number=32)
def notification_signal(notification: NotificationToSignal, bits: U64) -> None:
    """Set signals, or hand them to a thread that waits."""
    raise NotImplementedError


@system_call(number=33, raises=(WouldBlock, TimedOut, Cancelled))
def notification_wait(notification: NotificationToWait, deadline: U64) -> U64:
    """Take all signals that are set, or wait for some until `deadline` (absolute, nanoseconds; 0 does not wait)."""
    raise NotImplementedError


@system_call(number=34, raises=(BadArgument, *CREATION_ERRORS))
def schedule_create(quota: QuotaToSpend, priority: U64, budget_ns: U64, period_ns: U64) -> U64:
    """Make a schedule: `budget_ns` of each `period_ns` at `priority`, 255 being the most urgent.

    It is time of the processors that the caller's is time of, see schedule_place. Denied also: a priority above that
    of the caller's schedule.
    """
    raise NotImplementedError


@system_call(number=35, raises=(BadArgument,))
def schedule_change(schedule: ScheduleToControl, priority: U64, budget_ns: U64, period_ns: U64) -> None:
    """Change a schedule, and fill its budget; its threads go by it at once (of more than a few, the others soon).

    Denied also: a priority above that of the caller's schedule.
    """
    raise NotImplementedError


@system_call(number=36, raises=(BadArgument, BadHandle, Denied, *CREATION_ERRORS))
def handle_derive(handle: U64, rights: U64, badge: U64) -> U64:
    """Make a weaker copy of a handle, with a badge where the handle has none; returns it.

    Denied: the handle lacks DERIVE or one of `rights`, or has another badge.
    """
    raise NotImplementedError


@system_call(number=37, raises=(BadHandle,))
def handle_close(handle: U64) -> None:
    """Give up a handle. Threads that wait through it get Cancelled. What was derived from it stays."""
    raise NotImplementedError


@system_call(number=38, raises=(BadHandle, Denied))
def handle_revoke(handle: U64) -> None:
    """Take away every handle that was derived from this one, in all processes. Denied: it lacks REVOKE."""
    raise NotImplementedError


@system_call(number=39, raises=(BadHandle,))
def handle_inspect(handle: U64) -> U64:
    """The kind of the object (bits 0 to 7), the rights (8 to 39), and whether a handle derived from it exists (40).

    The last counts handles of all processes, and those derived from derived ones: while it is 0 nobody else can use the
    object by what this handle gave.
    """
    raise NotImplementedError


@system_call(number=40, raises=CREATION_ERRORS)
def quota_create(quota: QuotaToSpend, limit: U64) -> U64:
    """Split `limit` bytes off a quota; returns a handle to the new one with all rights."""
    raise NotImplementedError


@system_call(number=41, raises=(BadAddress,))
def quota_inspect(quota: QuotaToInspect, buffer: UserPtr[U8]) -> None:
    """Store the bytes used and the limit, eight bytes each, in `buffer`."""
    raise NotImplementedError


@system_call(number=42, raises=(BadAddress, BadArgument, BadState, Sealed))
def policy_load(policy: PolicyToWrite, data: UserPtr[U8], length: U64) -> None:
    """Put a matrix of labels in force, as `cloudos.abi.policy` makes it. BadState: one was loaded before."""
    raise NotImplementedError


@system_call(number=43, raises=(Sealed,))
def policy_seal(policy: PolicyToWrite) -> None:
    """Keep the policy as it is until the machine ends."""
    raise NotImplementedError


@system_call(number=44, raises=(BadAddress,))
def audit_read(audit: AuditToRead, buffer: UserPtr[U8], length: U64) -> U64:
    """Move records (`cloudos.abi.audit`) into `buffer`, of `length` bytes; at most 32 at once.

    Returns how many, and from bit 32 how many were lost since the last call.
    """
    raise NotImplementedError


@system_call(number=45, raises=(BadArgument, *CREATION_ERRORS))
def memory_create(quota: QuotaToSpend, length: U64, kind: U64) -> U64:
    """A memory object of `length` bytes, whole pages, zeroed. `kind`: `cloudos.abi.objects.MEMORY_…`.

    BadArgument: not whole pages, contiguous and more than 16 MB, or there is no such node.
    """
    raise NotImplementedError


@system_call(number=46, raises=(BadArgument, *CREATION_ERRORS))
def memory_create_paged(quota: QuotaToSpend, pager: EndpointToSend, length: U64) -> U64:
    """A memory object whose pages are supplied by who receives from `pager`.

    A thread that touches an absent page waits: the pager receives a call with the badge of `pager`, the label
    LABEL_PAGE, and the offset in word 0. It supplies the page and replies FAULT_RESUME, or denies it with FAULT_KILL.
    A system call that touches an absent page gives BadAddress.
    """
    raise NotImplementedError


@system_call(number=47, raises=(BadState, *CREATION_ERRORS))
def memory_clone(memory: MemoryToRead, quota: QuotaToSpend, made: U64) -> U64:
    """A memory object with the same contents; pages are shared until one side writes. The quota pays for all of them.

    `made` is 0, and another number only when the kernel goes on with an interrupted call. BadState: contiguous, of a
    device, or with a pager.
    """
    raise NotImplementedError


@system_call(number=48, raises=(BadArgument, BadState, QuotaExceeded, OutOfMemory))
def memory_supply(memory: MemoryToSupply, source: MemoryToWrite, offset: U64, source_offset: U64, length: U64) -> U64:
    """Move pages of `source` into an object that has a pager; zeroes where `source` has none. Present pages stay.

    Returns how many bytes are done: at most the first 32 KB, and less when memory runs out. BadState: `memory` has no
    pager; `source` has one, has been cloned, or is contiguous or of a device.
    """
    raise NotImplementedError


@system_call(number=49, raises=(BadArgument, BadState, OutOfMemory))
def memory_discard(memory: MemoryToWrite, offset: U64, length: U64) -> None:
    """Forget pages, everywhere they are mapped: they read as zero, or are asked of the pager again.

    BadState: contiguous, or of a device.
    """
    raise NotImplementedError


@system_call(number=50, raises=(BadAddress,))
def memory_inspect(memory: MemoryToInspect, buffer: UserPtr[U8]) -> None:
    """Write three words: length, memory paid for pages that are present and for their tables, both in bytes, and for
    holders of CONTROL the physical address of contiguous memory, else 0."""
    raise NotImplementedError


@system_call(number=51, raises=(BadArgument, Denied, QuotaExceeded, OutOfMemory))
def space_map(space: SpaceToMap, memory: MemoryToMap, address: U64, offset: U64, length: U64, access: U64) -> None:
    """Show `length` bytes of a memory object, from `offset` on, at `address`. `access`: 1 read, 2 write, 4 execute.

    The mapping does not end with the handle. BadArgument: not whole pages, outside user space or the object, in use,
    not readable, or both writable and executable. Denied: more access than the rights to `memory` allow.
    QuotaExceeded: also when the space has 512 regions. User space ends at 2^47 - 4096, or at 2^56 - 4096 where the
    processor has addresses of 57 bits.
    """
    raise NotImplementedError


@system_call(number=52, raises=(BadArgument, QuotaExceeded, OutOfMemory))
def space_unmap(space: SpaceToMap, address: U64, length: U64) -> None:
    """Take away whatever is mapped in a range of whole pages."""
    raise NotImplementedError


@system_call(number=53, raises=(BadArgument, Denied, QuotaExceeded, OutOfMemory))
def space_protect(space: SpaceToMap, address: U64, length: U64, access: U64) -> None:
    """Change what may be done with a range of whole pages, as in `space_map`.

    BadArgument: also when something in the range is not mapped. Denied: more than what it was mapped with allows.
    """
    raise NotImplementedError


@system_call(number=54, raises=(BadArgument, BadState))
def process_bind(process: ProcessToWait, notification: NotificationToSignal, bits: U64) -> None:
    """Signal `bits` once when the process has ended and all that it had is given back; at once if that was before.

    process_inspect then tells why. BadState: another notification waits for that already. BadArgument: no bits.
    """
    raise NotImplementedError


@system_call(number=55, raises=(BadArgument, *CREATION_ERRORS))
def device_create(device: DeviceToDivide, quota: QuotaToSpend, resource: U64, first: U64, length: U64) -> U64:
    """Make a device that is a part of another; returns a handle with all rights.

    `resource` as in `cloudos.abi.devices`: that of `device`, or any of a machine's. BadArgument: not in `device`, or
    memory that is not whole pages of 4096 bytes. Denied also: the kernel keeps a part of it for itself.
    """
    raise NotImplementedError


@system_call(number=56, raises=(BadArgument,))
def device_read(device: DeviceToRead, offset: U64, width: U64) -> U64:
    """Read `width` bytes (1, 2 or 4) from the port `offset` of a device of ports.

    BadArgument: not in it, or the port's own number is not a multiple of `width`.
    """
    raise NotImplementedError


@system_call(number=57, raises=(BadArgument,))
def device_write(device: DeviceToWrite, offset: U64, width: U64, value: U64) -> None:
    """Write `width` bytes to a port, as device_read reads them. BadArgument also: `value` does not fit."""
    raise NotImplementedError


@system_call(number=58, raises=(BadArgument, BadState, *CREATION_ERRORS))
def interrupt_create(device: DeviceToDivide, quota: QuotaToSpend, line: U64, flags: U64) -> U64:
    """Make the interrupt object of a line in `device`; returns a handle with all rights. The line is masked.

    `flags`: 1 level-triggered, 2 active low. BadState: the line has one. Denied also: the kernel itself uses the line.
    """
    raise NotImplementedError


@system_call(number=59)
def interrupt_bind(interrupt: InterruptToControl, notification: NotificationToSignal, bits: U64) -> None:
    """Open the line, and set `bits` of the notification whenever it interrupts; in place of an earlier binding.

    A level-triggered line is masked then, until interrupt_acknowledge. With 0 for `bits` the line is masked and bound
    to nothing. The same happens when the notification ends, and when any handle with CONTROL to the interrupt goes.
    """
    raise NotImplementedError


@system_call(number=60, raises=(BadState,))
def interrupt_acknowledge(interrupt: InterruptToControl) -> None:
    """Open the line again; it interrupts at once when the device still wants attention. BadState: it is not bound."""
    raise NotImplementedError


@system_call(number=61, raises=(BadArgument, *CREATION_ERRORS))
def device_memory(device: DeviceToMap, quota: QuotaToSpend) -> U64:
    """A memory object that is the addresses of a device of memory, uncached; returns a handle with all rights.

    It stays when the device goes: who takes a device back revokes the memory too. BadArgument: not of memory.
    """
    raise NotImplementedError


@system_call(number=62, raises=(PeerGone,))
def process_hand_over(process: ProcessToControl) -> None:
    """Let a process take the caller's place as the first one: the console is its own, its end is that of the machine.

    The caller may go on using the console, for the boot log above all. Denied: the caller is not the first process.
    PeerGone: the other has ended.
    """
    raise NotImplementedError


@system_call(number=63, raises=(BadArgument,))
def device_reset(device: DeviceToDivide) -> NoReturn:
    """Reset the machine, when the host has taken what the console's streams hold: everything begins anew.

    BadArgument: the device is not all of the machine.
    """
    raise NotImplementedError


@system_call(number=64, raises=(BadArgument,))
def schedule_place(schedule: ScheduleToControl, first: U64, count: U64) -> None:
    """Say of which processors a schedule is time: of `count` from number `first` on.

    Its threads go by it as in schedule_change. Who serves one of them, on its time, does that there too. BadArgument:
    the machine runs none of these. Denied also: the caller's schedule is not time of all of them.
    """
    raise NotImplementedError
