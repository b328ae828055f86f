"""cat: files one after another."""

from __future__ import annotations

from cloudos.apps.inputs import CHUNK, open_input, operands_or_input, reason
from cloudos.apps.options import Usage, parse
from cloudos.lang import U8, U64, Error, error_code, free_slice, managed, new_slice, write_text
from cloudos.sdk import List, Reader, Text, print_error, stdout

NEWLINE = ord("\n")


@managed
class Numbering:
    """Numbers of lines, which go on from file to file."""

    line: U64
    begun: bool  # a line whose number is written, and whose end did not come yet

    def copy(self, reader: Reader) -> None:
        """Write what is read, a number before each line."""
        room = new_slice(U8, CHUNK)
        try:
            while True:
                count = reader.read(room)
                if count == 0:
                    return
                start = U64(0)
                for i in U64.range(count):
                    if not self.begun:
                        self.line += 1
                        write_text(stdout, f"{self.line:>6}\t")
                        self.begun = True
                    if room[i] == NEWLINE:
                        stdout.write(room[start : i + 1])
                        start = i + 1
                        self.begun = False
                stdout.write(room[start:count])
        finally:
            free_slice(room)


def copy_all(reader: Reader) -> None:
    """Write all that is read."""
    room = new_slice(U8, CHUNK)
    try:
        while True:
            count = reader.read(room)
            if count == 0:
                return
            stdout.write(room[0:count])
    finally:
        free_slice(room)


def cat(arguments: List[Text]) -> U8:
    """Write files to standard output; `-n` numbers the lines; `-u` changes nothing."""
    try:
        options = parse(arguments, "nu")
    except Usage:
        return U8(1)
    status = U8(0)
    numbering = Numbering(U64(0), False)
    for path in operands_or_input(options.operands):
        try:
            reader = open_input(path)
            if options.has("n"):
                numbering.copy(reader)
            else:
                copy_all(reader)
        except Error:
            print_error(f"cat: {path}: {reason(error_code())}")
            status = U8(1)
    return status
