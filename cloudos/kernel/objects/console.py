"""The program's standard streams, carried to and from the host in frames on the program channel.

To the host: stream (1 output, 2 error, 3 boot log), two bytes of length, the bytes. From the host: two bytes of length,
the bytes; length 0 is the end of the input. Lengths are little endian.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, OutOfMemory
from cloudos.kernel.hal import console, mmu
from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory import user_memory
from cloudos.kernel.memory.frames import FRAMES
from cloudos.kernel.objects.process import FIRST
from cloudos.kernel.objects.thread import ThreadState, WaitQueue
from cloudos.kernel.restart import Restart
from cloudos.kernel.sched import scheduler
from cloudos.kernel.sched.processor import PROCESSOR
from cloudos.lang import U8, U64, Ptr, Slice, UserPtr, never_inlined, null, place, struct, zeroed

__all__ = ["OutOfMemory"]

BUFFER_ORDER = 2
HEADER_SIZE = 3
WOKEN_AT_ONCE = 64
STREAM_COUNT = 3


@struct
class Streams:
    """`buffer` holds the output frame being sent. Input: bytes left of the current frame, and its header so far."""

    buffer: Slice[U8] = zeroed()
    left: U64 = U64(0)
    length_low: U64 = U64(0)
    has_low: bool = False
    ended: bool = False
    # Threads that wait for input.
    readers: WaitQueue = zeroed()

    def start(self) -> None:
        """Get a buffer. Raises OutOfMemory."""
        frame = FRAMES.allocate(U64(BUFFER_ORDER))
        self.buffer = Slice.of(Ptr.at(U8, mmu.direct(frame)), U64(PAGE_SIZE << BUFFER_ORDER))

    def take_header(self, byte: U8) -> None:
        """One byte of a frame's length."""
        if self.has_low:
            self.left = self.length_low + U64(byte) * 256
            self.ended = self.left == 0
            self.has_low = False
        else:
            self.length_low = U64(byte)
            self.has_low = True


STREAMS = place(Streams())


@never_inlined
def input_arrived() -> None:
    """Let threads that wait for input look for themselves; of very many, the others when those have looked."""
    for _ in U64.range(WOKEN_AT_ONCE):
        thread = STREAMS.readers.first
        if thread.is_null():
            break
        STREAMS.readers.remove(thread)
        scheduler.wake(thread)


def _check_caller() -> None:
    """Only the first process has the machine's console, and who handed that place over. Raises Denied for others."""
    process = PROCESSOR.current.value.process
    if process != FIRST.process and process != FIRST.supervisor:
        raise Denied


def console_write(stream: U64, data: UserPtr[U8], length: U64) -> U64:
    """System call. Raises BadAddress, BadArgument, Denied, Restart."""
    if stream == 0 or stream > STREAM_COUNT:
        raise BadArgument
    _check_caller()
    if length == 0:
        return U64(0)
    user_memory.check_range(data.address, length)
    if not console.channel_is_idle():
        # The host takes what is in the buffer when it likes: meanwhile others run.
        scheduler.request_yield()
        raise Restart
    buffer = STREAMS.buffer
    count = min(length, buffer.length - HEADER_SIZE)
    user_memory.copy_in(buffer[HEADER_SIZE : HEADER_SIZE + count], data.address)
    buffer[0] = U8(stream)
    buffer[1] = U8(count & 0xFF)
    buffer[2] = U8(count >> 8)
    console.channel_write(buffer[0 : HEADER_SIZE + count])
    return count


def console_read(data: UserPtr[U8], length: U64) -> U64:
    """System call. Raises BadAddress, Denied, Restart."""
    _check_caller()
    user_memory.check_range(data.address, length)
    if length == 0:
        return U64(0)
    streams = STREAMS
    while not streams.ended:
        input = console.channel_peek()
        if input.length == 0:
            thread = PROCESSOR.current
            thread.value.waiting_on = null()
            scheduler.block(ThreadState.WAITING)
            streams.readers.insert(thread)
            raise Restart
        if streams.left == 0:
            streams.take_header(input[0])
            console.channel_consume(U64(1))
        else:
            count = min(min(input.length, streams.left), length)
            user_memory.copy_out(data.address, input[0:count])
            streams.left = streams.left - count
            console.channel_consume(count)
            input_arrived()
            return count
    input_arrived()
    return U64(0)
