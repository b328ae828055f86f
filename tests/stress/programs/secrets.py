"""A process plants secrets wherever it can; another looks wherever it can, and finds none of them, nor the kernel's.

Planted: in all registers, on the stack, in memory, in the message buffer. Their owner ends, faults, is killed, or is
interrupted. Looked at: all registers of a new thread, and after each system call; new pages, as many as there are; a
new message buffer; what a message brings beyond its words and bytes; messages of faults and signals; a stopped
thread's registers.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import tags
from cloudos.abi.errors import OutOfMemory, QuotaExceeded
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, VirtAddr, code_address, place, struct, zeroed
from cloudos.sdk import print, system
from cloudos.sdk.ipc import Message, receive, send
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start
from tests.stress.programs import registers
from tests.stress.programs.registers import R11, RAX, RCX, RDI, RDX, Block
from tests.stress.programs.support import (
    FREE_PAGES,
    MILLISECOND,
    QUOTA,
    SCHEDULE,
    peek,
    poke,
)

NUMBERS = {call.name: call.number for call in SYSTEM_CALLS}
SECRET = 0x5EC2_E75E_C2E7_5EC2
BAD_PLACE = 0x5550_0000
MEMORY = 1 << 20
STACK_WORDS = 6 * 1024
# User addresses end here; the kernel's begin at the other end.
# Nanoseconds: the shortest turn that a schedule can have.
SHORT = 10_000
KERNEL = 0xFFFF_8000_0000_0000
SMALL_NEGATIVE = 0xFFFF_FFFF_FFFF_F000

ENDS_ITSELF = 0
FAULTS = 1
SPINS = 2
WAITS = 3
WAYS = 4


@struct
class Blocks:
    """A page for each process."""

    one: Block = zeroed()
    two: Block = zeroed()


BLOCKS = place(Blocks())


def is_kernel(value: U64) -> bool:
    """Whether a word could be an address of the kernel's."""
    return value >= KERNEL and value < SMALL_NEGATIVE


def plant(argument: U64) -> None:
    """Fill everything with the secret, then do what the argument says."""
    secret = U64(SECRET)
    stack = Array[U64, Literal[6144]]()
    for index in U64.range(STACK_WORDS):
        stack[index] = secret
    address = system.memory_map(U64(MEMORY))
    for offset in U64.range(0, MEMORY, 8):
        poke(address + offset, secret)
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    for offset in U64.range(0, 4096, 8):
        poke(page + offset, secret)
    block = BLOCKS.one
    registers.fill(block, secret)
    block.load[RAX] = U64(0)
    registers.call_with(Ptr.to(block).address)
    if argument == ENDS_ITSELF:
        block.load[RAX] = U64(NUMBERS["process_exit"])
        block.load[RDI] = U64(7)
        registers.call_with(Ptr.to(block).address)
    elif argument == FAULTS:
        poke(U64(BAD_PLACE), secret)
    while argument == SPINS:
        registers.hold(secret, U64(1 << 20), Ptr.to(block).address)
    block.load[RAX] = U64(NUMBERS["thread_sleep"])
    block.load[RDI] = U64(1) << 62
    registers.call_with(Ptr.to(block).address)


def planted(way: U64) -> Child:
    """A process with secrets, as far as it comes."""
    child = Child()
    child.make(QUOTA)
    child.start(code_address(plant), way)
    for _ in U64.range(40):
        system.thread_yield()
    system.thread_sleep(U64(MILLISECOND))
    return child


def end(child: Child) -> None:
    """It goes, with all it had."""
    if system.process_inspect(child.process) == 0:
        system.process_kill(child.process)
    system.handle_close(child.thread)
    system.handle_close(child.process)
    system.thread_sleep(U64(MILLISECOND))


def check_word(value: U64) -> None:
    assert value != SECRET, "a secret is seen"
    assert not is_kernel(value), "an address of the kernel's is seen"


def check_block(block: Block) -> None:
    """Neither secrets nor the kernel's addresses in what was found."""
    for index in U64.range(registers.COUNT):
        check_word(block.found[index])
    for index in U64.range(registers.FLOATING, 52):
        assert block.found_vectors[index] == 0, "a vector register is not empty"


# Registers of new threads


def nothing(argument: U64) -> None:
    """Its first registers are what counts."""


def check_first_registers(argument: U64) -> None:
    """In a process of its own: look at the registers that this thread had at its start, and say so by the status."""
    block = registers.first()
    for index in U64.range(registers.COUNT):
        if index != RDI:
            assert block.found[index] == 0, "a new thread has something in a register"
    assert block.found[RDI] == argument, "the argument"
    assert registers.vectors_hold(block, U64(0)), "a new thread has something in a vector register"
    check_block(block)
    system.process_exit(U8(33))


def start_looking(process: U64) -> None:
    """In a process of its own, which has a handle to itself and next to that one to a schedule."""
    top = system.memory_map(U64(64 << 10)) + (64 << 10) - 16
    poke(top, code_address(check_first_registers).value)
    begin = code_address(registers.at_start).value
    system.thread_start(system.thread_create(process, process + 1, begin, top, U64(4321)))
    system.thread_sleep(U64(1) << 62)


def new_threads() -> None:
    """A new thread of a new process finds nothing in its registers but its argument."""
    child = Child()
    child.make(QUOTA)
    own = system.process_install(child.process, child.process, U64(0), U64(0))
    system.process_install(child.process, SCHEDULE, U64(0), U64(0))
    child.start(code_address(start_looking), own)
    for _ in U64.range(1000):
        if system.process_inspect(child.process) != 0:
            break
        system.thread_sleep(U64(MILLISECOND // 10))
    assert system.process_inspect(child.process) == 256 + 33, "the new thread has found something"
    end(child)


# Registers after system calls


def check_call(number: U64, argument: U64) -> None:
    """After a call that fails nothing but the error, and what SYSCALL takes, is in another register than before."""
    block = BLOCKS.two
    mark = U64(0x1122_3344_5566_7788)
    registers.fill(block, mark)
    block.load[RAX] = number
    block.load[RDI] = argument
    registers.call_with(Ptr.to(block).address)
    for index in U64.range(registers.COUNT):
        if index != RAX and index != RCX and index != RDX and index != R11 and index != RDI:
            assert block.found[index] == mark, "a call has changed a register"
    assert block.found[RDI] == argument, "a call has changed its argument"
    assert block.found[RAX] != 0 and block.found[RAX] < 32 and block.found[RDX] == 0, "no error, or a value with it"
    assert registers.vectors_hold(block, mark), "a call has changed a vector register"
    check_word(block.found[RCX])
    check_word(block.found[R11])


def calls() -> None:
    """Every call that takes a handle, without one; and a number that there is not."""
    for number in U64.range(len(SYSTEM_CALLS)):
        if TAKES_HANDLE[number] == 1:
            check_call(number, U64(0))
    check_call(U64(1000), U64(0))


def _handle_table() -> Array[U8, Literal[128]]:
    table = Array[U8, Literal[128]]()
    for declared in SYSTEM_CALLS:
        first = next(iter(declared.parameters), "")
        table[declared.number] = U8(first in declared.needs and declared.name != "message_reply_receive")
    return table


TAKES_HANDLE = _handle_table()


# Memory


def all_memory() -> None:
    """Map all the memory that there is: every frame that anybody ever had is empty."""
    size = U64(256 << 10)
    mapped = U64(0)
    try:
        while True:
            address = system.memory_map(size)
            mapped = mapped + size
            for offset in U64.range(0, size, 8):
                assert peek(address + offset) == 0, "a new page is not empty"
    except (OutOfMemory, QuotaExceeded):
        pass
    assert mapped > 8 << 20, "there was little memory"
    print(f"mapped {mapped}")


def empty_buffer(argument: U64) -> None:
    """A new message buffer."""
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    for offset in U64.range(0, 4096, 8):
        assert peek(page + offset) == 0, "a new message buffer is not empty"
    RESULTS.done = RESULTS.done + 1


@struct
class Results:
    """What threads of this process tell."""

    done: U64 = U64(0)
    page: U64 = U64(0)


RESULTS = place(Results())


# Messages


def whisper(endpoint: U64) -> None:
    """Send four words and sixteen bytes, of a buffer that is full of the secret."""
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    for offset in U64.range(0, 4096, 8):
        poke(page + offset, U64(SECRET))
    buffer = Ptr.at(MessageBuffer, VirtAddr(page)).value
    for index in U64.range(16):
        buffer.data[index] = U8(index)
    message = Message()
    message.tag = U64(4 | 16 << tags.BYTES_SHIFT)
    send(endpoint, message)
    RESULTS.done = RESULTS.done + 1


def messages() -> None:
    """A message brings its bytes and nothing else of the sender's buffer; the kernel's bring what they declare."""
    endpoint = system.endpoint_create(QUOTA)
    start(code_address(whisper), endpoint)
    page = FREE_PAGES.take()
    system.thread_set_buffer(page)
    message = Message()
    receive(endpoint, message)
    for offset in U64.range(0, 4096, 8):
        if offset != DATA and offset != DATA + 8:
            assert peek(page + offset) == 0, "more comes than was sent"
    for index in U64.range(8):
        assert message.words[index] == 0, "a word that was not sent"
    signals = system.notification_create(QUOTA)
    system.thread_bind(signals)
    system.notification_signal(signals, U64(5))
    for index in U64.range(8):
        message.words[index] = U64(SECRET)
    receive(endpoint, message)
    assert message.words[0] == 5 and message.badge == 0 and message.reply == 0, "signals"
    for index in U64.range(1, 8):
        assert message.words[index] == 0, "signals come with something else"


DATA = 64


def fault_message() -> None:
    """The message of a fault has four words; the handler's other registers are empty. So are a stopped thread's."""
    handler = system.endpoint_create(QUOTA)
    child = Child()
    child.make(QUOTA)
    system.process_set_fault_endpoint(child.process, handler)
    child.start(code_address(plant), U64(FAULTS))
    message = Message()
    receive(handler, message)
    assert message.is_from_kernel and message.words[2] == BAD_PLACE, "another fault"
    check_word(message.words[0])
    check_word(message.words[1])
    for index in U64.range(4, 8):
        assert message.words[index] == 0, "a fault comes with something else"
    numbers = Array[U64, Literal[32]]()
    system.thread_read_registers(child.thread, UserPtr.at(U8, Ptr.to(numbers).address.value))
    for index in U64.range(32):
        assert not is_kernel(numbers[index]), "an address of the kernel's in a thread's registers"
    end(child)


# Two that hold registers at the same time


def hold_for_ever(pattern: U64) -> None:
    """Keep a value in all registers, and end with a status that says whether it stayed."""
    block = BLOCKS.one
    for _ in U64.range(200):
        changed = registers.hold(pattern, U64(2_000), Ptr.to(block).address)
        if changed != 0 or not registers.vectors_hold(block, pattern):
            system.process_exit(U8(1))
    system.process_exit(U8(44))


def concurrent() -> None:
    """Four processes hold values of their own while they interrupt each other every few hundred instructions."""
    children = Array[Child, Literal[4]]()
    for index in U64.range(4):
        children[index].make(QUOTA)
        own = system.schedule_create(QUOTA, U64(100), U64(SHORT) + index * 777, U64(SHORT) + index * 777)
        children[index].start_on(code_address(hold_for_ever), U64(SECRET) + index, own)
        system.handle_close(own)
    ended = U64(0)
    while ended < 4:
        system.thread_sleep(U64(MILLISECOND))
        ended = U64(0)
        for index in U64.range(4):
            status = system.process_inspect(children[index].process)
            assert status == 0 or status == 256 + 44, "a register has changed"
            if status != 0:
                ended = ended + 1
    for index in U64.range(4):
        end(children[index])


def main() -> None:
    calls()
    for way in U64.range(WAYS):
        child = planted(way)
        new_threads()
        # While it is alive, and interrupted, and when it is gone.
        start(code_address(empty_buffer), U64(0))
        end(child)
        new_threads()
        start(code_address(empty_buffer), U64(0))
    fault_message()
    concurrent()
    messages()
    all_memory()
    assert RESULTS.done == 2 * WAYS + 1, "a look is missing"
    print(f"looks {RESULTS.done}")
