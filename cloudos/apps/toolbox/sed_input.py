"""The input of sed: lines of several files in a row, with a look at whether more follow."""

from __future__ import annotations

from cloudos.apps.inputs import CHUNK, open_input, reason
from cloudos.lang import U8, U32, U64, Error, Slice, error_code, free_slice, managed, new_slice
from cloudos.sdk import ByteBuffer, List, Reader, Text, print_error
from cloudos.sdk.collections.slices import find_byte

NEWLINE = ord("\n")
CANNOT_READ = 2


@managed
class Input:
    """Files one after the other."""

    paths: List[Text]
    next_path: U64
    reader: Reader | None
    room: Slice[U8]
    start: U64
    stop: U64
    # Whether the line that was read last ended with a newline.
    complete: bool
    status: U8

    def drop(self) -> None:
        free_slice(self.room)

    def fill(self) -> bool:
        """Have at least one byte; False at the end of all files."""
        while self.start == self.stop:
            reader = self.reader
            if reader is None:
                if self.next_path == self.paths.length:
                    return False
                self.open()
                continue
            try:
                self.start = U64(0)
                self.stop = U64(0)
                self.stop = reader.read(self.room)
            except Error:
                self.complain(self.paths[self.next_path - 1], error_code())
            if self.stop == 0:
                self.reader = None
        return True

    def open(self) -> None:
        """Open the next file, if that is possible."""
        path = self.paths[self.next_path]
        self.next_path += 1
        try:
            self.reader = open_input(path)
        except Error:
            self.complain(path, error_code())

    def complain(self, path: Text, code: U32) -> None:
        """Say that a file cannot be read."""
        print_error(f"sed: can't read {path}: {reason(code)}")
        self.status = U8(CANNOT_READ)

    def next(self, into: ByteBuffer) -> bool:
        """Append the next line without its newline; False when there is none."""
        if not self.fill():
            return False
        file = self.next_path
        while True:
            end = find_byte(self.room[self.start : self.stop], U8(NEWLINE))
            if end is not None:
                into.write(self.room[self.start : self.start + end])
                self.start += end + 1
                self.complete = True
                return True
            into.write(self.room[self.start : self.stop])
            self.start = self.stop
            if not self.fill() or self.next_path != file:
                # A last line without a newline gets one when others follow.
                self.complete = self.start < self.stop
                return True

    def is_last(self) -> bool:
        """Whether no line follows."""
        return not self.fill()


def input_of(paths: List[Text]) -> Input:
    """The lines of files; `-` is standard input."""
    return Input(paths, U64(0), None, new_slice(U8, U64(CHUNK)), U64(0), U64(0), True, U8(0))
