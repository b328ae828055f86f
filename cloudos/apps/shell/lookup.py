"""What a command's name means: `type` and `command -v`."""

from __future__ import annotations

from cloudos.apps.shell.builtin_names import Builtin, is_special_builtin
from cloudos.apps.shell.context import Context
from cloudos.apps.shell.environment import is_program
from cloudos.apps.shell.launcher import NOT_FOUND, find_program
from cloudos.apps.shell.output import say
from cloudos.lang import U64
from cloudos.sdk import List, Text

WORDS = "! { } case do done elif else esac fi for if in then until while"


def describe(context: Context, names: List[Text], long: bool) -> None:
    """Say what each name means; the status is 127 when one means nothing."""
    state = context.state
    state.status = U64(0)
    for name in names:
        builtin = context.builtin(name)
        if name in Text(WORDS).words():
            say(state, f"{name} is a shell keyword" if long else f"{name}")
        elif name in state.functions:
            say(state, f"{name} is a shell function" if long else f"{name}")
        elif is_special_builtin(builtin):
            say(state, f"{name} is a special shell builtin" if long else f"{name}")
        elif builtin != Builtin.NONE:
            say(state, f"{name} is a shell builtin" if long else f"{name}")
        else:
            path = find_program(state, name)
            if path is not None and is_program(path):
                shown = name if name.find("/") is not None else path
                say(state, f"{name} is {shown}" if long else f"{shown}")
            else:
                if long:
                    say(state, f"{name}: not found")
                state.status = U64(NOT_FOUND)
