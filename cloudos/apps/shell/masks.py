"""`umask`: the permissions that new files do not get. Programs learn them from the variable UMASK."""

from __future__ import annotations

from cloudos.apps.modes import BadMode, parse_mode
from cloudos.apps.shell.context import FAILED, Context
from cloudos.apps.shell.output import say
from cloudos.lang import U64, write_text
from cloudos.sdk import ByteBuffer, List, Text

ALL = 0o777


def umask(context: Context, fields: List[Text]) -> None:
    """`umask [-S] [mode]`: a symbolic mode says what is allowed."""
    state = context.state
    symbolic = fields.length > 1 and fields[1].equals("-S")
    at = U64(2) if symbolic else U64(1)
    if at == fields.length:
        if symbolic:
            say(state, f"{allowed(U64(ALL) & ~state.mask)}")
        else:
            say(state, f"{state.mask:04o}")
        return
    text = fields[at]
    octal = text.length > 0 and 0x30 <= text[0] <= 0x39
    try:
        mode = parse_mode(text, U64(ALL) & ~state.mask, False)
        state.mask = mode & ALL if octal else U64(ALL) & ~mode
    except BadMode:
        context.fail(f"umask: Illegal mode: {text}", U64(FAILED))


def allowed(mode: U64) -> Text:
    """Permissions as `u=rwx,g=rx,o=rx`."""
    letters = Text("rwx")
    result = ByteBuffer()
    for who in U64.range(3):
        if who > 0:
            write_text(result, ",")
        write_text(result, "u=" if who == 0 else "g=" if who == 1 else "o=")
        for bit in U64.range(3):
            if mode.bit((2 - who) * 3 + (2 - bit)):
                result.append(letters[bit])
    return result.to_text()
