"""The size of the terminal's window: the cursor is sent to the far corner and asked where it came to stand."""

from __future__ import annotations

from cloudos.lang import U8, U64, data, managed
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.services.console.byte_queue import Queue

# Save the cursor, go far, report the position, go back (ECMA-48 CUP and DSR, VT100 DECSC and DECRC).
QUESTION = b"\x1b7\x1b[999;999H\x1b[6n\x1b8"
PATIENCE = 2_000_000_000  # nanoseconds
LEAST = 2
MOST = 1000
LONGEST = 10


@managed
class Window:
    """`columns` and `rows` as they were last reported. While a question is open, `asked` is when it was asked."""

    columns: U64
    rows: U64
    open: bool
    asked: U64
    held: ByteBuffer

    def ask(self, out: Queue, now: U64) -> None:
        """Ask the terminal. Without an answer in two seconds the size stays what it was."""
        self.open = True
        self.asked = now
        self.held.clear()
        out.put(data(QUESTION))

    def feed(self, byte: U8, through: Queue) -> bool:
        """Look at a byte from the terminal: what is not the answer goes through. Whether the answer is complete."""
        if not self.open:
            through.content.append(byte)
            return False
        if byte == 0x1B and self.held.length > 0:
            self.release(through)
        self.held.append(byte)
        position = self.held.length - 1
        if byte == 0x52 and position > 1 and self.understand():
            self.open = False
            self.held.clear()
            return True
        fits = (position == 0 and byte == 0x1B) or (position == 1 and byte == 0x5B)
        if not fits and (position < 2 or not (0x30 <= byte <= 0x39 or byte == 0x3B) or position > LONGEST):
            self.release(through)
        return False

    def release(self, through: Queue) -> None:
        """What was held was not the answer."""
        through.content.write(self.held.content())
        self.held.clear()

    def expire(self, now: U64, through: Queue) -> None:
        """Wait for the answer no longer than two seconds."""
        if self.open and now.wrapping_sub(self.asked) > PATIENCE:
            self.open = False
            self.release(through)

    def understand(self) -> bool:
        """Take the size from what is held, `ESC [ rows ; columns R`; whether it is one."""
        rows, columns, second = U64(0), U64(0), False
        for index in U64.range(2, self.held.length - 1):
            byte = self.held[index]
            if byte == 0x3B:
                second = True
            elif second:
                columns = columns * 10 + U64(byte - 0x30)
            else:
                rows = rows * 10 + U64(byte - 0x30)
        if not second or rows < LEAST or columns < LEAST or rows > MOST or columns > MOST:
            return False
        self.columns, self.rows = columns, rows
        return True


def new_window() -> Window:
    """A window of the size that terminals had."""
    return Window(U64(80), U64(24), False, U64(0), ByteBuffer())
