"""head and tail: the first or last lines or bytes of files."""

from __future__ import annotations

from cloudos.apps.counts import old_counts, to_count
from cloudos.apps.inputs import CHUNK, open_input, operands_or_input, reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.apps.toolbox.small import nanoseconds as duration
from cloudos.contracts.errors import BrokenPipe
from cloudos.contracts.streams import START
from cloudos.lang import I64, U8, U64, Error, Slice, data, error_code, free_slice, managed, new_slice, write_text
from cloudos.sdk import InvalidNumber, List, Reader, Text, print_error, programs, stdout
from cloudos.sdk.filesystem import OpenFile, open_path
from cloudos.sdk.system import thread_sleep

NEWLINE = ord("\n")
MINUS = ord("-")
PLUS = ord("+")
DEFAULT = 10  # lines
PAUSE = 250_000_000  # nanoseconds between two looks at files that may grow


@managed
class Amount:
    """How much is wanted."""

    count: U64
    bytes: bool  # not lines
    signed: bool  # head: all but the last; tail: from this one on


def amount(options: Options, sign: U8) -> Amount:
    """What `-n` and `-c` say, with a sign that means the other end; raises Usage."""
    at = options.last("nc")
    if at is None:
        return Amount(U64(DEFAULT), False, False)
    text = options.values[at]
    in_bytes = options.wins("c", "nc")
    signed = text.length > 0 and text[0] == sign
    digits = text
    if text.length > 0 and (text[0] == PLUS or text[0] == MINUS):
        digits = text.slice(U64(1), text.length)
    try:
        return Amount(to_count(digits), in_bytes, signed)
    except InvalidNumber:
        kind = "bytes" if in_bytes else "lines"
        print_error(f"invalid number of {kind}: '{text}'")
        raise Usage from None


def offset_after(content: Slice[U8], wanted: Amount, count: U64) -> U64:
    """Where the first so many lines or bytes end."""
    if wanted.bytes:
        return min(count, content.length)
    left = count
    if left == 0:
        return U64(0)
    for i in U64.range(content.length):
        if content[i] == NEWLINE:
            left -= 1
            if left == 0:
                return i + 1
    return content.length


def offset_before(content: Slice[U8], wanted: Amount) -> U64:
    """Where the last so many lines or bytes begin."""
    if wanted.bytes:
        return content.length - min(wanted.count, content.length)
    left = wanted.count
    at = content.length
    if left == 0:
        return at
    if at > 0 and content[at - 1] == NEWLINE:
        at -= 1
    while at > 0:
        if content[at - 1] == NEWLINE:
            left -= 1
            if left == 0:
                return at
        at -= 1
    return U64(0)


def show_head(reader: Reader, wanted: Amount) -> None:
    """Write the beginning, reading no more than that needs."""
    if wanted.signed:
        content = reader.read_all()
        stdout.write(content.content[0 : offset_before(content.content, wanted)])
        return
    left = wanted.count
    room = new_slice(U8, CHUNK)
    try:
        while left > 0:
            count = reader.read(room)
            if count == 0:
                return
            end = offset_after(room[0:count], wanted, left)
            stdout.write(room[0:end])
            left -= end if wanted.bytes else min(left, newlines(room[0:end]))
    finally:
        free_slice(room)


def newlines(content: Slice[U8]) -> U64:
    """How many lines end here."""
    result = U64(0)
    for byte in content:
        if byte == NEWLINE:
            result += 1
    return result


def show_tail(reader: Reader, wanted: Amount) -> U64:
    """Write the end; how long all of it is."""
    content = reader.read_all()
    start = offset_before(content.content, wanted)
    if wanted.signed:
        start = offset_after(content.content, wanted, wanted.count.saturating_sub(1))
    stdout.write(content.content[start : content.length])
    return content.length


def nanoseconds(text: Text | None) -> U64:
    """How long to wait between two looks at files; raises Usage."""
    if text is None:
        return U64(PAUSE)
    try:
        return duration(text)
    except InvalidNumber:
        print_error(f"tail: invalid number of seconds: '{text}'")
        raise Usage from None


@managed
class Followed:
    """A file that may grow."""

    name: Text
    # How much of it was shown.
    at: U64
    file: OpenFile | None


def follow(files: List[Followed], options: Options, pause: U64, status: U8) -> U8:
    """Write what is added to files, until nobody reads any more; with nothing to follow, the status."""
    last = files.length - 1 if files.length > 0 else U64(0)
    headers = (options.operands.length > 1 or options.has("v")) and not options.has("q")
    while files.length > 0:
        stdout.flush()
        thread_sleep(pause)
        if not has_reader():
            return status
        for i in U64.range(files.length):
            if show_added(files[i], headers and i != last):
                last = i
    return status


def has_reader() -> bool:
    """Whether anybody may still read the output: a pipe tells it to who writes nothing."""
    stream = programs.standard_stream(U64(1))
    if stream == 0:
        return False
    try:
        programs.SYSTEM.write(stream, data(b""))
    except BrokenPipe:
        return False
    except Error:
        pass
    return True


def show_added(one: Followed, header: bool) -> bool:
    """Write what was added to a file; whether anything was."""
    room = new_slice(U8, CHUNK)
    found = False
    try:
        file = one.file
        if file is None:
            file = open_path(one.name)
            one.file = file
        if file.status().length < one.at:
            print_error(f"tail: {one.name}: file truncated")
            one.at = U64(0)
        file.seek(I64(one.at), U64(START))
        while True:
            count = file.receive(room)
            if count == 0:
                break
            if header and not found:
                write_text(stdout, f"\n==> {one.name} <==\n")
            found = True
            stdout.write(room[0:count])
            one.at += count
    except Error:
        print_error(f"tail: {one.name}: {reason(error_code())}")
    free_slice(room)
    return found


def each(name: str, options: Options, wanted: Amount, first: bool, shown_to: List[Followed]) -> U8:
    """Do it for each file, with headers when there are several; note how far the files of tail were shown."""
    status = U8(0)
    paths = operands_or_input(options.operands)
    headers = (paths.length > 1 or options.has("v")) and not options.has("q")
    begun = False
    for path in paths:
        try:
            reader = open_input(path)
            if headers:
                lead = "\n" if begun else ""
                shown = Text("standard input") if path.equals("-") else path
                write_text(stdout, f"{lead}==> {shown} <==\n")
            begun = True
            if first:
                show_head(reader, wanted)
            else:
                length = show_tail(reader, wanted)
                if not path.equals("-"):
                    shown_to.append(Followed(path, length, None))
        except Error:
            print_error(f"{name}: {path}: {reason(error_code())}")
            status = U8(1)
    return status


def head(arguments: List[Text]) -> U8:
    """Write the first lines of files: 10, or `-n N`; `-c N` bytes."""
    try:
        options = parse(old_counts(arguments), "n:c:qv")
        wanted = amount(options, U8(MINUS))
    except Usage:
        return U8(1)
    return each("head", options, wanted, True, List[Followed]())


def tail(arguments: List[Text]) -> U8:
    """Write the last lines of files: 10, or `-n N`; from line N on with `-n +N`; `-c` counts bytes; `-f` goes on."""
    try:
        options = parse(old_counts(arguments), "n:c:qvfFs:")
        wanted = amount(options, U8(PLUS))
        pause = nanoseconds(options.value("s"))
    except Usage:
        return U8(1)
    files = List[Followed]()
    status = each("tail", options, wanted, False, files)
    if options.has("fF"):
        return follow(files, options, pause, status)
    return status
