"""`ulimit` and `times`: what programs may use, and what they used.

Two limits exist, and hold for what the shell starts: memory and handles of a program. A running process keeps the quota
that it was made with, so they do not change for the shell itself.
"""

from __future__ import annotations

from cloudos.abi.objects import HANDLES_IN_FRAME, MOST_HANDLE_FRAMES
from cloudos.apps.shell.characters import all_digits
from cloudos.apps.shell.context import FAILED, Context
from cloudos.apps.shell.output import say
from cloudos.apps.shell.state import State
from cloudos.lang import U8, U64, data
from cloudos.sdk import InvalidNumber, List, Text, programs
from cloudos.sdk.collections.slices import find_byte

KILO = 1024
LARGEST = 1 << 50  # units
MOST_HANDLES = (MOST_HANDLE_FRAMES - 1) * HANDLES_IN_FRAME
LETTERS = b"atfnvHS"
ALL, TIME, FILE, HANDLES, MEMORY, HARD, SOFT = LETTERS
DASH = 0x2D


def times(context: Context) -> None:
    """`times`: refused, since nobody counts what it would show."""
    context.fail("times: the system does not count the processor time of programs", U64(1))


def ulimit(context: Context, fields: List[Text]) -> None:
    """`ulimit [-HS] [-a | -f | -n | -t | -v] [limit]`; `-H` and `-S` mean the same limit."""
    state = context.state
    what, at = U8(FILE), U64(1)
    while at < fields.length and fields[at].length > 1 and fields[at][0] == DASH:
        for index in U64.range(1, fields[at].length):
            letter = fields[at][index]
            if find_byte(data(LETTERS), letter) is None:
                context.fail(f"ulimit: {fields[at]}: no such limit", U64(FAILED))
                return
            if letter != HARD and letter != SOFT:
                what = letter
        at += 1
    if at == fields.length:
        show(state, what)
    elif what == ALL or at + 1 < fields.length:
        context.fail("ulimit: too many arguments", U64(FAILED))
    else:
        change(context, what, fields[at])


def show(state: State, what: U8) -> None:
    """One limit, or all with their names."""
    if what != ALL:
        say(state, f"{value_of(state, what)}")
        return
    say(state, f"time(seconds)        {value_of(state, U8(TIME))}")
    say(state, f"file(blocks)         {value_of(state, U8(FILE))}")
    say(state, f"nofiles              {value_of(state, U8(HANDLES))}")
    say(state, f"vmemory(kbytes)      {value_of(state, U8(MEMORY))}")


def value_of(state: State, what: U8) -> Text:
    """A limit in its unit. Without one for programs it is what this shell has, and what nobody can go beyond."""
    limit = present(state, what)
    if what == HANDLES:
        return Text(f"{MOST_HANDLES if limit == 0 else limit}")
    if what != MEMORY:
        return Text("unlimited")
    if limit == 0:
        limit = programs.own_memory()
    return Text("unlimited") if limit == 0 else Text(f"{limit // KILO}")


def present(state: State, what: U8) -> U64:
    """The limit that holds for what is started now, in bytes or handles; 0: none was given."""
    memory, handles = programs.limits()
    if what == MEMORY:
        return state.most_memory if state.most_memory != 0 else memory
    if what == HANDLES:
        return state.most_handles if state.most_handles != 0 else handles
    return U64(0)


def change(context: Context, what: U8, text: Text) -> None:
    """Lower a limit; nobody can raise one."""
    state = context.state
    limit = present(state, what)
    if text.equals("unlimited"):
        if limit != 0:
            context.fail("ulimit: error setting limit (Operation not permitted)", U64(FAILED))
        return
    wanted = U64(0)
    try:
        wanted = U64(text.to_integer()) if all_digits(text.content) else U64(LARGEST)
    except InvalidNumber:
        wanted = U64(LARGEST)
    if wanted >= LARGEST:
        context.fail(f"ulimit: bad number: {text}", U64(FAILED))
    elif what != MEMORY and what != HANDLES:
        context.fail("ulimit: error setting limit (the system has no such limit)", U64(FAILED))
    else:
        # Nothing at all is the least that there is: 0 means that there is no limit.
        wanted = max(wanted * KILO if what == MEMORY else wanted, U64(1))
        if limit != 0 and wanted > limit:
            context.fail("ulimit: error setting limit (Operation not permitted)", U64(FAILED))
        elif what == MEMORY:
            state.most_memory = wanted
        else:
            state.most_handles = wanted
