"""The files that the shell looks at: what one is, and what a directory holds."""

from __future__ import annotations

from cloudos.contracts.files import DIRECTORY, FILE
from cloudos.lang import U8, U64, Error, free_slice, managed, new_slice
from cloudos.sdk import List, Text, programs

LISTING = 4032  # bytes of names asked for at a time
EXECUTABLE = 0o111


@managed
class Facts:
    """What is known of a file: see `cloudos.contracts.streams.Status`."""

    kind: U64
    mode: U64
    length: U64
    modified: U64
    number: U64
    mount: U64


def file_status(path: Text) -> Facts | None:
    """What is known of the file at an absolute path; None when there is none, or it cannot be asked for."""
    try:
        found = programs.SYSTEM.status(path.content)
        return Facts(found.kind, found.mode, found.length, found.modified, found.number, found.mount)
    except Error:
        return None


def list_names(path: Text) -> List[Text]:
    """The names in a directory at an absolute path, without `.` and `..`, in byte order; none if it is no directory."""
    names = List[Text]()
    buffer = new_slice(U8, U64(LISTING))
    try:
        while True:
            count = programs.SYSTEM.list(path.content, names.length, buffer)
            if count == 0:
                break
            start = U64(0)
            for at in U64.range(count):
                if buffer[at] == 0:
                    names.append(Text.from_bytes(buffer[start:at]))
                    start = at + 1
    except Error:
        pass
    free_slice(buffer)
    names.sort()
    return names


def exists(path: Text) -> bool:
    """Whether there is something at an absolute path."""
    return file_status(path) is not None


def is_directory(path: Text) -> bool:
    """Whether there is a directory at an absolute path."""
    found = file_status(path)
    return found is not None and found.kind == DIRECTORY


def is_program(path: Text) -> bool:
    """Whether there is a file at an absolute path that may be run."""
    found = file_status(path)
    return found is not None and found.kind == FILE and found.mode & EXECUTABLE != 0


def clean(path: Text) -> Text:
    """An absolute path without `.`, `..` and repeated slashes, by its names alone."""
    kept = List[Text]()
    for part in path.split("/"):
        if part.equals(".."):
            if kept.length > 0:
                kept.pop()
        elif part.length > 0 and not part.equals("."):
            kept.append(part)
    return Text("/") + Text("/").join(kept)
