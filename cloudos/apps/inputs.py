"""What utilities share: operands that name files or standard input, and errors as texts."""

from __future__ import annotations

from cloudos.lang import U32
from cloudos.sdk import List, Reader, Text, stdin
from cloudos.sdk.filesystem import open_path

CHUNK = 16384  # bytes read at a time

__all__ = ["CHUNK", "open_input", "operands_or_input", "reason"]


def reason(code: U32) -> Text:
    """The text for an error's number, as strerror of POSIX systems gives it."""
    match code:
        case 4:
            return Text("No such file or directory")
        case 5:
            return Text("Permission denied")
        case 2:
            return Text("Invalid argument")
        case 303:
            return Text("File exists")
        case 304:
            return Text("Is a directory")
        case 305:
            return Text("Not a directory")
        case 306:
            return Text("Directory not empty")
        case 307:
            return Text("Read-only file system")
        case 308:
            return Text("No space left on device")
        case 309:
            return Text("File name too long")
        case 310:
            return Text("Broken pipe")
        case 312:
            return Text("Device or resource busy")
        case 313:
            return Text("Illegal seek")
        case _:
            return Text("Input/output error")


def open_input(path: Text) -> Reader:
    """Open a file for reading; `-` is standard input."""
    if path.equals("-"):
        return stdin
    return open_path(path)


def operands_or_input(operands: List[Text]) -> List[Text]:
    """The operands, or `-` when there are none."""
    if operands.length == 0:
        operands.append(Text("-"))
    return operands
