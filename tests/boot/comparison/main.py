"""Runs each command line of a file with `/bin/sh -c`, in a fresh directory, and tells what it wrote and its status.

Arguments: the working directory, which is made anew for every line. `/comparison/rows` holds the lines, a zero byte
after each; its first byte says whether it finds copies of `/comparison/files` (`f`) or an empty directory (`e`).
Copies have one time of their last change, but for OLDER.

Every answer is some lines on standard output, so short that nothing comes between: `@row N o HEX` and `@row N e HEX`
for bytes of its output and errors, in order, then `@row N = STATUS INSTRUCTIONS`, where the clock counts instructions.
"""

from __future__ import annotations

from cloudos.contracts.files import CREATE, DIRECTORY, READ, TRUNCATE, WRITE
from cloudos.lang import U8, U64, Error, Slice, error_name, free_slice, new_slice, write_text
from cloudos.sdk import ByteBuffer, Bytes, List, Text, filesystem, programs, stdout
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.programs import Launch
from cloudos.sdk.system import clock_read

ROWS = "/comparison/rows"
FIXTURE = "/comparison/files"
ERRORS = "/tmp/comparison-errors"
PART = 1000  # bytes told in one line
ROOM = 4096  # bytes read at a time
COPIED = ord("f")
SECOND = 1_000_000_000
MODIFIED = 1577934245 * SECOND  # as in host.py
OLDER = "words"
HOUR = 3600 * SECOND


def make_parents(path: Text) -> None:
    """A directory and those above it."""
    at = path.find("/", U64(1))
    while at is not None:
        make_missing(path.slice(U64(0), at))
        at = path.find("/", at + 1)
    make_missing(path)


def make_missing(path: Text) -> None:
    """A directory, unless it is there."""
    if not filesystem.exists(path):
        filesystem.make_directory(path)


def copy_tree(source: Text, target: Text) -> None:
    """All of a directory into another that is there."""
    for name in filesystem.list_directory(source):
        old, new = Text(f"{source}/{name}"), Text(f"{target}/{name}")
        if filesystem.is_directory(old):
            filesystem.make_directory(new)
            copy_tree(old, new)
        else:
            content = filesystem.open_path(old).read_all()
            made = filesystem.create_file(new)
            made.write(content.content)
            made.close()
        filesystem.set_modified(new, U64(MODIFIED - HOUR) if name.equals(OLDER) else U64(MODIFIED))


def remove_tree(path: Text) -> None:
    """A directory with all in it, whatever the permissions of that are."""
    filesystem.change_mode(path, filesystem.DIRECTORY_MODE)
    for name in filesystem.list_directory(path):
        inner = Text(f"{path}/{name}")
        if filesystem.kind_of(inner) == DIRECTORY:
            remove_tree(inner)
        else:
            filesystem.remove(inner)
    filesystem.remove_directory(path)


def tell(number: U64, what: str, content: Slice[U8]) -> None:
    """Bytes as lines."""
    start = U64(0)
    while start < content.length:
        stop = min(start + PART, content.length)
        write_text(stdout, f"@row {number} {what} ")
        for byte in content[start:stop]:
            write_text(stdout, f"{byte:02x}")
        write_text(stdout, "\n")
        stdout.flush()
        start = stop


def drain(stream: U64, into: ByteBuffer) -> None:
    """All that comes out of a stream."""
    room = new_slice(U8, U64(ROOM))
    while True:
        count = programs.SYSTEM.read(stream, room)
        if count == 0:
            break
        into.write(room[0:count])
    free_slice(room)


def describe(directory: Text, line: Text) -> Launch:
    """The shell with the line, and the variables that the host's gets."""
    shell = Launch(Text("/bin/sh"))
    shell.add_argument(Text("sh"))
    shell.add_argument(Text("-c"))
    shell.add_argument(line)
    shell.add_variable(Text("PATH"), Text("/usr/bin:/bin"))
    shell.add_variable(Text("HOME"), directory)
    shell.add_variable(Text("LC_ALL"), Text("C"))
    shell.add_variable(Text("TZ"), Text("UTC0"))
    shell.add_variable(Text("PWD"), directory)
    return shell


def run_line(number: U64, directory: Text, line: Text) -> U64:
    """Run the line and tell what it wrote; its exit status. Raises what starting a program does."""
    source = programs.open_stream(Text("/dev/null"), U64(READ), U64(0))
    errors = programs.open_stream(Text(ERRORS), U64(WRITE | CREATE | TRUNCATE), U64(0o600))
    reading, writing = programs.make_pipe()
    shell = describe(directory, line)
    shell.give("stdin", source)
    shell.give("stdout", writing)
    shell.give("stderr", errors)
    shell.start(U64(0))
    programs.SYSTEM.close(writing)
    programs.SYSTEM.close(source)
    output = ByteBuffer()
    drain(reading, output)
    status = shell.wait()
    programs.SYSTEM.close(reading)
    programs.SYSTEM.close(errors)
    tell(number, "o", output.content())
    shown = filesystem.open_path(Text(ERRORS)).read_all()
    tell(number, "e", shown.content[0 : min(shown.length, U64(PART))])
    return status


def run_row(number: U64, directory: Text, row: Text) -> None:
    """One row, from a fresh directory to its answer."""
    if filesystem.exists(directory):
        remove_tree(directory)
    make_parents(directory)
    if row[0] == COPIED:
        copy_tree(Text(FIXTURE), directory)
    begin = clock_read()
    try:
        status = run_line(number, directory, row.slice(U64(1), row.length))
        write_text(stdout, f"@row {number} = {status} {clock_read() - begin}\n")
    except Error:
        write_text(stdout, f"@row {number} ! {error_name()}\n")
    stdout.flush()


def main(arguments: List[Text]) -> U8:
    """Run all rows."""
    content: Bytes = filesystem.open_path(Text(ROWS)).read_all()
    rest = content.content
    number = U64(0)
    while True:
        end = find_byte(rest, U8(0))
        if end is None:
            return U8(0)
        run_row(number, arguments[1], Text.from_bytes(rest[0:end]))
        rest = rest[end + 1 : rest.length]
        number += 1
