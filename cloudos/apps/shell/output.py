"""Output of builtins."""

from __future__ import annotations

from cloudos.abi.errors import Denied
from cloudos.apps.shell.state import ExitShell, State
from cloudos.contracts.errors import BrokenPipe
from cloudos.lang import U8, U64, Error, write_text
from cloudos.sdk import ByteBuffer, Text

BROKEN_PIPE_STATUS = 141  # 128 and SIGPIPE
QUOTE = 0x27


def say(state: State, text: str) -> None:
    """Write a line to standard output. Raises what `put` does."""
    buffer = ByteBuffer()
    write_text(buffer, text)
    write_text(buffer, "\n")
    put(state, buffer)


def put(state: State, buffer: ByteBuffer) -> None:
    """Write bytes to standard output; status 1 when they cannot be written.

    Raises ExitShell when nobody reads any more: a program would end then.
    """
    try:
        state.channels[1].write(buffer.content())
    except BrokenPipe:
        state.status = U64(BROKEN_PIPE_STATUS)
        raise ExitShell
    except Denied:
        state.complain("write error: Bad file descriptor")
        state.status = U64(1)
    except Error:
        state.complain("write error")
        state.status = U64(1)


def quoted(value: Text) -> Text:
    """A text as the shell reads it back: single quotes, and around single quotes double ones."""
    result = ByteBuffer()
    at = U64(0)
    while True:
        result.append(U8(QUOTE))
        while at < value.length and value[at] != QUOTE:
            result.append(value[at])
            at += 1
        result.append(U8(QUOTE))
        if at == value.length:
            break
        write_text(result, '"')
        while at < value.length and value[at] == QUOTE:
            result.append(value[at])
            at += 1
        write_text(result, '"')
        if at == value.length:
            break
    return result.to_text()
