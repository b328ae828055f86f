"""Memory beyond the addresses of 48 bits, as the argument says. Only for x86_64.

narrow      the processor does not have them: all is refused
wide        threads and processes share such memory, code runs in it, and where nothing is mapped there are faults
fault       touches some where nothing is mapped
end         makes a system call in the last two bytes
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial, layout
from cloudos.abi.errors import BadArgument
from cloudos.abi.faults import FAULT_SHIFT, UNMAPPED_ADDRESS
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U64, Array, Atomic, Ptr, Slice, VirtAddr, code_address, data, place, struct
from cloudos.sdk import List, Text, print, system
from cloudos.sdk.memory import EXECUTE, READ, WRITE, Memory, unmap, view
from cloudos.sdk.processes import Child
from cloudos.sdk.threads import start

PAGE = layout.PAGE_SIZE
LARGE = layout.LARGE_PAGE_SIZE
MIDDLE = 1 << 47
TOP = layout.WIDE_USER_END
ROUNDS = 20
YIELD, EXIT = (
    next(call.number for call in SYSTEM_CALLS if call.name == name) for name in ("thread_yield", "thread_exit")
)
# mov $YIELD, %eax; syscall; movq $7, (%rdi); mov $EXIT, %eax; syscall
CODE = data(
    b"\xb8" + YIELD.to_bytes(4, "little") + b"\x0f\x05"
    b"\x48\xc7\x07\x07\x00\x00\x00" + b"\xb8" + EXIT.to_bytes(4, "little") + b"\x0f\x05"
)
SYSTEM_CALL = data(b"\x0f\x05")


@struct
class Turn:
    """Whose turn it is: 0 the first thread's, else the other's, who does what is asked at an address."""

    address: Atomic[U64] = Atomic(U64(0))


TURN = place(Turn())
DONE = place(Turn())


def word(address: U64) -> Ptr[U64]:
    return Ptr.at(U64, VirtAddr(address))


def new_memory(length: U64) -> Memory:
    memory = Memory()
    memory.create(U64(initial.QUOTA), length, U64(MEMORY_ON_DEMAND))
    return memory


def show(memory: Memory, address: U64, length: U64) -> None:
    """Map the beginning of an object here."""
    memory.map_at(U64(initial.SPACE), address, U64(0), length, U64(READ | WRITE))


def hide(address: U64, length: U64) -> None:
    system.space_unmap(U64(initial.SPACE), address, length)


def is_refused(memory: Memory, address: U64, length: U64) -> bool:
    try:
        show(memory, address, length)
    except BadArgument:
        return True
    return False


def places() -> Array[U64, Literal[6]]:
    """In tables of their own on one level or another; the last is the last page."""
    found = Array[U64, Literal[6]]()
    found[0] = U64(MIDDLE)
    found[1] = U64(MIDDLE + LARGE)
    found[2] = U64(1 << 48)
    found[3] = U64((1 << 48) + (1 << 39))
    found[4] = U64(1 << 55)
    found[5] = U64(TOP - PAGE)
    return found


def check_limit(memory: Memory, end: U64) -> None:
    assert is_refused(memory, end, U64(PAGE)), "a page higher"
    assert is_refused(memory, end - PAGE, U64(2 * PAGE)), "across the limit"
    assert is_refused(memory, end + PAGE, U64(PAGE)), "above it"


# Two threads


def answer(argument: U64) -> None:
    """Double the word at each address that comes, and what is in the next word is the old value."""
    while True:
        system.thread_yield()
        address = TURN.address.load()
        if address == 1:
            return
        if address != 0:
            old = word(address).value
            word(address).value = old * 2
            word(address + 8).value = old
            TURN.address.store(U64(0))


def ask(address: U64, number: U64) -> None:
    """Have the other thread change a word that this one writes, and see what it did."""
    word(address).value = number
    TURN.address.store(address)
    while TURN.address.load() != 0:
        system.thread_yield()
    assert word(address).value == number * 2 and word(address + 8).value == number, "two threads, two memories"


def threads() -> None:
    """What is at a place changes in every round: another object, whose memory is zero, and a read of what stayed."""
    start(code_address(answer), U64(0))
    for number in U64.range(ROUNDS):
        for at in places():
            memory = new_memory(U64(PAGE))
            show(memory, at, U64(PAGE))
            assert word(at).value == 0, "memory of before"
            ask(at, number + 3)
            hide(at, U64(PAGE))
            show(memory, U64(TOP - 2 * PAGE), U64(PAGE))
            ask(U64(TOP - 2 * PAGE) + 64, number + 5)
            assert word(U64(TOP - 2 * PAGE)).value == 2 * (number + 3), "it is elsewhere now"
            hide(U64(TOP - 2 * PAGE), U64(PAGE))
            memory.close()
    TURN.address.store(U64(1))


def large_pages() -> None:
    """2 MB in one piece, of which then a part goes."""
    memory = new_memory(U64(2 * LARGE))
    show(memory, U64(MIDDLE), U64(2 * LARGE))
    for at in U64.range(2 * LARGE // PAGE):
        word(U64(MIDDLE) + at * PAGE).value = at
    hide(U64(MIDDLE + LARGE), U64(PAGE))
    for at in U64.range(2 * LARGE // PAGE):
        if at != LARGE // PAGE:
            assert word(U64(MIDDLE) + at * PAGE).value == at, "the rest"
    hide(U64(MIDDLE), U64(2 * LARGE))
    memory.close()


# Processes


def add_one(address: U64) -> None:
    """In another process."""
    word(address).value += 1


def child_with(memory: Memory, address: U64, access: U64) -> Child:
    """A process that sees the object at an address, and does not run yet."""
    child = Child()
    child.make(U64(initial.QUOTA))
    space = system.process_space(child.process)
    memory.map_at(space, address, U64(0), U64(PAGE), access)
    system.handle_close(space)
    return child


def processes() -> None:
    """Each place in turn is somebody else's, and what was written there is seen here, where it is mapped low."""
    memory = new_memory(U64(PAGE))
    low = memory.map(U64(0), U64(PAGE), U64(READ | WRITE))
    count = U64(0)
    for at in places():
        child = child_with(memory, at, U64(READ | WRITE))
        child.start(code_address(add_one), at)
        assert child.wait() & 0xFFFF == 0x100, "the child did its work"
        count += 1
        assert word(low).value == count, "what it wrote is here"
        child = child_with(memory, at, U64(READ | WRITE))
        child.start(code_address(add_one), at ^ U64(PAGE))
        assert child.wait() >> FAULT_SHIFT == U64(UNMAPPED_ADDRESS.number), "nothing is mapped there"
    memory.close()


# Code


def show_code(content: Slice[U8], offset: U64) -> None:
    """Map a page, the last one, that begins or ends with some code."""
    memory = new_memory(U64(PAGE))
    low = memory.map(U64(0), U64(PAGE), U64(READ | WRITE))
    view(low, U64(PAGE))[offset : offset + content.length].copy_from(content)
    unmap(low, U64(PAGE))
    memory.map_at(U64(initial.SPACE), U64(TOP - PAGE), U64(0), U64(PAGE), U64(READ | EXECUTE))
    memory.close()


def begin(entry: U64, argument: U64) -> None:
    """A thread that needs no stack."""
    thread = system.thread_create(U64(initial.PROCESS), U64(initial.SCHEDULE), entry, U64(TOP), argument)
    system.thread_start(thread)


def code() -> None:
    """A thread's system call returns to where it came from."""
    show_code(CODE, U64(0))
    begin(U64(TOP - PAGE), Ptr.to(DONE).address.value)
    while DONE.address.load() != 7:
        system.thread_yield()
    hide(U64(TOP - PAGE), U64(PAGE))


def wide() -> None:
    memory = new_memory(U64(2 * PAGE))
    check_limit(memory, U64(TOP))
    show(memory, U64(layout.USER_END), U64(2 * PAGE))
    word(U64(MIDDLE - 8)).value = U64(1)
    word(U64(MIDDLE)).value = word(U64(MIDDLE - 8)).value + 1
    hide(U64(layout.USER_END), U64(2 * PAGE))
    memory.close()
    threads()
    large_pages()
    processes()
    code()
    print("wide")


def narrow() -> None:
    memory = new_memory(U64(2 * PAGE))
    check_limit(memory, U64(layout.USER_END))
    for at in places():
        assert is_refused(memory, at, U64(PAGE)), "more than the processor has"
    print("narrow")


def main(args: List[Text]) -> None:
    what = args[U64(1)]
    if what == Text("narrow"):
        narrow()
    elif what == Text("wide"):
        wide()
    elif what == Text("fault"):
        word(U64(MIDDLE + 0x5008)).value = U64(1)
    else:
        show_code(SYSTEM_CALL, U64(PAGE - 2))
        begin(U64(TOP - 2), U64(0))
        while True:
            system.thread_yield()
