"""What the rows share: raw system calls that give the error's number, threads, a board to write results on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from cloudos.abi import errors, initial, layout
from cloudos.abi.messages import MessageBuffer
from cloudos.abi.objects import MEMORY_ON_DEMAND, Rights
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U8, U32, U64, Array, Ptr, UserPtr, VirtAddr, generate, place, struct, zeroed
from cloudos.sdk import ipc, system, threads
from cloudos.sdk.ipc import Message

PROCESS = U64(initial.PROCESS)
THREAD = U64(initial.THREAD)
QUOTA = U64(initial.QUOTA)
SCHEDULE = U64(initial.SCHEDULE)
SPACE = U64(initial.SPACE)
NEVER = U64(0xFFFF_FFFF_FFFF_FFFF)
MILLISECOND = 1_000_000
PAGE = 4096
CALLS = {call.name: call for call in SYSTEM_CALLS}

BAD_ADDRESS = errors.BadAddress.code
BAD_ARGUMENT = errors.BadArgument.code
OUT_OF_MEMORY = errors.OutOfMemory.code
DENIED = errors.Denied.code
BAD_SYSTEM_CALL = errors.BadSystemCall.code
BAD_HANDLE = errors.BadHandle.code
WRONG_KIND = errors.WrongKind.code
QUOTA_EXCEEDED = errors.QuotaExceeded.code
TIMED_OUT = errors.TimedOut.code
CANCELLED = errors.Cancelled.code
PEER_GONE = errors.PeerGone.code
WOULD_BLOCK = errors.WouldBlock.code
BAD_STATE = errors.BadState.code
TOO_MANY_HANDLES = errors.TooManyHandles.code


def available(*names: str) -> bool:
    """While building: whether the kernel has all these system calls."""
    return all(name in CALLS for name in names)


def attempt(name: str) -> Callable[..., U64]:
    """While building: a function that makes a system call with plain numbers and gives the number of the error."""
    if not available(name):
        return absent
    call = CALLS[name]
    names = [f"a{index}" for index in range(len(call.parameters))]
    parameters = ", ".join(f"{name}: U64" for name in names)
    arguments = ", ".join([*names, *["U64(0)"] * (6 - len(names))])
    text = f"def {name}({parameters}) -> U64:\n    error, value = enter(U64({call.number}), {arguments})\n"
    text += "    assert error == 0 or value == 0, 'an error comes without a value'\n    return error\n"
    made: Callable[..., U64] = generate(text, name, {"enter": system.enter, "U64": U64, "__name__": __name__})
    return made


def absent(*arguments: Any) -> U64:
    """Stands for a system call that the kernel does not have: rows that need it are left out."""
    raise NotImplementedError


@struct
class Board:
    """Where the threads of a row write what the row looks at."""

    cells: Array[U64, Literal[16]] = zeroed()
    count: U64 = U64(0)
    # How many milliseconds `settle` takes: more where time passes for other reasons than instructions.
    patience: U64 = U64(1)

    def clear(self) -> None:
        """As at the start of a row."""
        self.count = U64(0)
        for index in U64.range(16):
            self.cells[index] = U64(0)

    def note(self, value: U64) -> None:
        """Add to what happened, in order."""
        self.cells[self.count] = value
        self.count = self.count + 1


BOARD = place(Board())


def run(function: VirtAddr, argument: U64) -> U64:
    """Start a thread of this process, and let it go on until it waits or ends; its handle."""
    thread = threads.start(function, argument)
    settle()
    return thread


def settle() -> None:
    """Let all other threads go on until they wait."""
    system.thread_sleep(settled(U64(1)))


def settled(times: U64) -> U64:
    """How long `settle` takes, so many times, in nanoseconds."""
    return times * BOARD.patience * MILLISECOND


def at_once() -> U64:
    """How long something may take that waits for nothing, in nanoseconds."""
    return settled(U64(1)) // 10


def soon() -> U64:
    """A deadline after as much time as `settle` gives."""
    return system.clock_read() + settled(U64(1))


def weaker(handle: U64, rights: Rights) -> U64:
    """A handle of this process to the same object, with these rights alone."""
    return system.process_install(PROCESS, handle, U64(U32(rights)), U64(0))


def badged(handle: U64, badge: U64) -> U64:
    """A handle of this process to the same object, with a badge."""
    return system.process_install(PROCESS, handle, U64(0), badge)


def endpoint() -> U64:
    return system.endpoint_create(QUOTA)


def notification() -> U64:
    return system.notification_create(QUOTA)


@struct
class FreePages:
    """Pages for message buffers, far from where memory is mapped."""

    next: U64 = U64(0x2000_0000_0000)


FREE_PAGES = place(FreePages())


def buffer_page() -> U64:
    """The address of a page that nobody has used."""
    FREE_PAGES.next = FREE_PAGES.next + PAGE
    return FREE_PAGES.next


@struct
class Windows:
    """Addresses for memory objects, 2 MB and more apart."""

    # The SDK has its own from the beginning on.
    next: U64 = U64(layout.SHARED_START + (1 << 40))


WINDOWS = place(Windows())


def window(length: U64) -> U64:
    """A multiple of 2 MB where nobody has mapped so many bytes."""
    found = WINDOWS.next
    WINDOWS.next = found + (length // layout.LARGE_PAGE_SIZE + 2) * layout.LARGE_PAGE_SIZE
    return found


def new_memory(count: U64) -> U64:
    """A memory object of so many pages, paid for when touched."""
    return system.memory_create(QUOTA, count * PAGE, U64(MEMORY_ON_DEMAND))


def user_end() -> U64:
    """Where user addresses end: beyond those of 48 bits where the processor has them."""
    memory = new_memory(U64(1))
    middle, size = U64(1 << 47), U64(PAGE)
    try:
        system.space_map(SPACE, memory, middle, U64(0), size, U64(1))
    except errors.BadArgument:
        return U64(layout.USER_END)
    finally:
        system.handle_close(memory)
    system.space_unmap(SPACE, middle, size)
    return U64(layout.WIDE_USER_END)


def shown(memory: U64, count: U64) -> U64:
    """Where the first pages of a memory object now are in this process, to be read and written."""
    address = window(count * PAGE)
    system.space_map(SPACE, memory, address, U64(0), count * PAGE, U64(3))
    return address


def peek(address: U64) -> U64:
    return Ptr.at(U64, VirtAddr(address)).value


def poke(address: U64, value: U64) -> None:
    Ptr.at(U64, VirtAddr(address)).value = value


def message_error(number: U64, handle: U64, message: Message) -> U64:
    """Make a message's system call; the number of the error."""
    return ipc.enter(Ptr.to(message).address, number, handle)


MESSAGE_CALL = U64(CALLS["message_call"].number)
MESSAGE_SEND = U64(CALLS["message_send"].number)
MESSAGE_RECEIVE = U64(CALLS["message_receive"].number)
MESSAGE_REPLY = U64(CALLS["message_reply"].number)
MESSAGE_REPLY_RECEIVE = U64(CALLS["message_reply_receive"].number)


def quota_used() -> U64:
    """How many bytes of the first process's quota are used."""
    return used_of(QUOTA)


def used_of(quota: U64) -> U64:
    """How many bytes of a quota are used."""
    numbers = Array[U64, Literal[2]]()
    system.quota_inspect(quota, UserPtr.at(U8, Ptr.to(numbers).address.value))
    return numbers[0]


@struct
class OwnBuffer:
    """The message buffer of the thread that runs the rows: it gets one when the first row asks for it."""

    address: U64 = U64(0)

    def own(self) -> MessageBuffer:
        """The buffer, without deadline or moves."""
        if self.address == 0:
            self.address = buffer_page()
            system.thread_set_buffer(self.address)
        buffer = Ptr.at(MessageBuffer, VirtAddr(self.address)).value
        buffer.moves = U32(0)
        buffer.deadline = U64(0)
        return buffer


BUFFER = place(OwnBuffer())
