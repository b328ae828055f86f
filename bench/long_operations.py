"""How long the kernel keeps interrupts off where the length of the work is a program's choice, in instructions.

As `longest_interrupts_off` of latency.py: the first thread waits again and again for a deadline, a less urgent one
makes the kernel work, and what is printed is how late a deadline was noticed at worst.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout, tags
from cloudos.abi.errors import TimedOut, WouldBlock
from cloudos.abi.objects import ALL_RIGHTS_BITS
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U64, Array, Ptr, Template, UserPtr, VirtAddr, code_address, machine, place, struct, zeroed
from cloudos.sdk import ipc, print, system
from cloudos.sdk.ipc import Message
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import entry

MILLISECOND = 1_000_000
MANY = 500
PAGE = 4096
CALL = next(call.number for call in SYSTEM_CALLS if call.name == "message_call")
RECEIVE = next(call.number for call in SYSTEM_CALLS if call.name == "message_receive")
BUFFERS = 0x3000_0000_0000


@machine(x86_64=Template("rdtsc; shlq $32, %%rdx; orq %%rdx, %%rax", result="=a", clobbers=("rdx",)))
def cycles() -> U64:
    """The time stamp counter: under -icount it counts instructions."""
    return U64(0)


@struct
class Shared:
    """Between the threads. `offset`: what the clock is ahead of the counter, at most; may wrap."""

    offset: U64 = U64(0)
    done: U64 = U64(0)
    seed: U64 = U64(1)
    schedule: U64 = U64(0)
    first_stack: U64 = U64(0)
    stacks: U64 = U64(0)
    endpoints: Array[U64, Literal[501]] = zeroed()
    threads: Array[U64, Literal[500]] = zeroed()
    records: Array[U8, Literal[9600]] = zeroed()


SHARED = place(Shared())


def lateness(never: U64) -> U64:
    """Wait for a deadline some thousand instructions ahead; how late it was noticed."""
    SHARED.seed = SHARED.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
    deadline = system.clock_read() + 2_000 + (SHARED.seed >> 33) % 10_000
    try:
        system.notification_wait(never, deadline)
    except (TimedOut, WouldBlock):
        pass
    return cycles().wrapping_add(SHARED.offset) - deadline


def longest(name: str, work: VirtAddr, argument: U64) -> None:
    """Print the longest lateness until the work is done."""
    never = system.notification_create(U64(initial.QUOTA))
    SHARED.done = U64(0)
    before = cycles()
    SHARED.offset = system.clock_read().wrapping_sub(before)
    thread_of(work, argument, SHARED.schedule)
    worst = U64(0)
    while SHARED.done == 0:
        worst = max(worst, lateness(never))
    print(f"{name} {worst}")


def thread_of(function: VirtAddr, argument: U64, schedule: U64) -> U64:
    """A thread of this process with a small stack."""
    SHARED.stacks = SHARED.stacks + 2 * PAGE
    top = SHARED.stacks - 16
    Ptr.at(U64, VirtAddr(top)).value = function.value
    thread = system.thread_create(U64(initial.PROCESS), schedule, code_address(entry).value, top, argument)
    system.thread_start(thread)
    return thread


def crowd(function: VirtAddr, argument: U64) -> None:
    """Many threads that run the function with the argument; those that wait do so when this returns."""
    SHARED.stacks = SHARED.first_stack
    for index in U64.range(MANY):
        SHARED.threads[index] = thread_of(function, argument, SHARED.schedule)
    system.thread_sleep(U64(30 * MILLISECOND))


def forget(count: U64) -> None:
    """Close the handles to the threads of a crowd."""
    for index in U64.range(count):
        system.handle_close(SHARED.threads[index])


def sleep(argument: U64) -> None:
    system.thread_sleep(U64(1 << 60))


def spin(argument: U64) -> None:
    while True:
        pass


def call(handle: U64) -> None:
    """Call until the handle is gone."""
    ipc.enter(Ptr.to(Message()).address, U64(CALL), handle)


def call_with_bytes(handle: U64) -> None:
    """Call with what needs a message buffer at the other side."""
    message = Message()
    system.thread_set_buffer(U64(BUFFERS) + (Ptr.to(message).address.value & ~U64(PAGE - 1)))
    message.tag = U64(1 << tags.BYTES_SHIFT)
    ipc.enter(Ptr.to(message).address, U64(CALL), handle)


def pass_on(number: U64) -> None:
    """Receive a call from one endpoint, and call the next."""
    message = Message()
    ipc.receive(SHARED.endpoints[number], message)
    call(SHARED.endpoints[number + 1])


# What the kernel is made to do. Each says when it is done.


def kill(process: U64) -> None:
    system.process_kill(process)
    system.handle_close(process)
    system.thread_sleep(U64(5 * MILLISECOND))
    SHARED.done = U64(1)


def close(handle: U64) -> None:
    system.handle_close(handle)
    SHARED.done = U64(1)


def revoke(handle: U64) -> None:
    system.handle_revoke(handle)
    SHARED.done = U64(1)


def kill_thread(thread: U64) -> None:
    system.thread_kill(thread)
    SHARED.done = U64(1)


def wait(argument: U64) -> None:
    system.thread_sleep(U64(30 * MILLISECOND))
    SHARED.done = U64(1)


def drain(argument: U64) -> None:
    for _ in U64.range(200):
        system.handle_close(system.process_create(U64(initial.QUOTA), U64(0)))
    address = Ptr.to(SHARED.records).address.value
    system.audit_read(U64(initial.AUDIT), UserPtr.at(U8, address), U64(9600))
    SHARED.done = U64(1)


def receive(handle: U64) -> None:
    """A thread without message buffer refuses all."""
    message = Message()
    while ipc.enter(Ptr.to(message).address, U64(RECEIVE), handle) == 0:
        pass


def refuse(handle: U64) -> None:
    receiver = thread_of(code_address(receive), handle, SHARED.schedule)
    system.thread_sleep(U64(20 * MILLISECOND))
    system.thread_kill(receiver)
    SHARED.done = U64(1)


# A scene for each


def main() -> None:
    period = U64(10 * MILLISECOND)
    SHARED.schedule = system.schedule_create(U64(initial.QUOTA), U64(initial.PRIORITY - 1), period, period)
    system.thread_sleep(U64(50 * MILLISECOND))
    ends_of_processes(period)
    waiters()
    chain()


def many_threads(child: Child, schedule: U64) -> None:
    """Further threads of a process that do the same as its first, on its stack: they do not return."""
    for _ in U64.range(MANY):
        begin = code_address(entry).value
        thread = system.thread_create(child.process, schedule, begin, U64(layout.STACK_TOP - PAGE), U64(0))
        system.thread_start(thread)
        system.handle_close(thread)


def ends_of_processes(period: U64) -> None:
    child = Child()
    child.make(U64(initial.QUOTA))
    child.start_on(code_address(sleep), U64(0), SHARED.schedule)
    many_threads(child, SHARED.schedule)
    for _ in U64.range(2 * MANY):
        system.process_install(child.process, U64(initial.PROCESS), U64(ALL_RIGHTS_BITS), U64(0))
    system.thread_sleep(U64(20 * MILLISECOND))
    system.handle_close(child.thread)
    SHARED.first_stack = system.memory_map(U64((MANY + 20) * 2 * PAGE))
    SHARED.stacks = SHARED.first_stack
    longest("kill_threads", code_address(kill), child.process)
    poor = system.schedule_create(U64(initial.QUOTA), U64(initial.PRIORITY - 1), U64(10_000), period)
    child.make(U64(initial.QUOTA))
    child.start_on(code_address(spin), U64(0), poor)
    many_threads(child, poor)
    longest("exhausted_threads", code_address(wait), U64(0))
    system.handle_close(child.thread)
    longest("kill_exhausted", code_address(kill), child.process)


def waiters() -> None:
    handle = system.endpoint_create(U64(initial.QUOTA))
    crowd(code_address(call), handle)
    longest("close_waiters", code_address(close), handle)
    forget(U64(MANY))
    parent = system.endpoint_create(U64(initial.QUOTA))
    crowd(code_address(call), system.handle_derive(parent, U64(ALL_RIGHTS_BITS), U64(0)))
    longest("revoke_waiters", code_address(revoke), parent)
    forget(U64(MANY))
    crowd(code_address(call_with_bytes), parent)
    longest("refused_messages", code_address(refuse), parent)
    forget(U64(MANY))
    longest("audit_read", code_address(drain), U64(0))


def chain() -> None:
    """Each thread serves the one before, the last one nobody."""
    SHARED.stacks = SHARED.first_stack
    for index in U64.range(MANY + 1):
        SHARED.endpoints[index] = system.endpoint_create(U64(initial.QUOTA))
    for index in U64.range(MANY):
        SHARED.threads[index] = thread_of(code_address(pass_on), index, SHARED.schedule)
    system.thread_sleep(U64(20 * MILLISECOND))
    head = thread_of(code_address(call), SHARED.endpoints[0], SHARED.schedule)
    system.thread_sleep(U64(20 * MILLISECOND))
    longest("end_of_a_chain", code_address(kill_thread), head)
