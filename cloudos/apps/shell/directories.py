"""`cd` and `pwd`: the working directory is the shell's own business, programs learn it from PWD."""

from __future__ import annotations

from cloudos.apps.shell.context import Context
from cloudos.apps.shell.environment import clean, file_status, is_directory
from cloudos.apps.shell.output import say
from cloudos.apps.shell.state import State
from cloudos.contracts.files import DIRECTORY
from cloudos.lang import U64
from cloudos.sdk import List, Text

FAILED = 2


def cd(context: Context, fields: List[Text]) -> None:
    """`cd [-L|-P] [directory|-]`."""
    state = context.state
    at = U64(1)
    while at < fields.length and (fields[at].equals("-L") or fields[at].equals("-P") or fields[at].equals("--")):
        at += 1
    shown = False
    target = Text("")
    if at == fields.length:
        home = state.value("HOME")
        if home is None or home.length == 0:
            return
        target = home
    elif fields[at].equals("-"):
        before = state.value("OLDPWD")
        if before is None:
            context.fail("cd: OLDPWD not set", U64(FAILED))
            return
        target = before
        shown = True
    else:
        target = fields[at]
    found, named = search(state, target)
    if found is None:
        status = file_status(clean(state.absolute(target)))
        reason = "No such file or directory" if status is None else "Not a directory"
        context.fail(f"cd: can't cd to {target}: {reason}", U64(FAILED))
        return
    state.set_named("OLDPWD", state.directory)
    state.directory = found
    state.set_named("PWD", found)
    if shown or named:
        say(state, f"{found}")


def search(state: State, target: Text) -> tuple[Text | None, bool]:
    """The directory that is meant, and whether CDPATH found it."""
    path = state.value("CDPATH")
    relative = not target.starts_with("/") and not target.starts_with("./") and not target.starts_with("../")
    if path is not None and relative and not target.equals(".") and not target.equals(".."):
        for base in path.split(":"):
            candidate = clean(state.absolute(Text(f"{base}/{target}") if base.length > 0 else target))
            if is_directory(candidate):
                return candidate, base.length > 0
    candidate = clean(state.absolute(target))
    return (candidate if is_directory(candidate) else None), False


def pwd(context: Context, fields: List[Text]) -> None:
    """`pwd [-L|-P]`: there are no links, so both are the same."""
    say(context.state, f"{context.state.directory}")


def start_directory(state: State) -> None:
    """Take the working directory from PWD, if it is one."""
    value = state.value("PWD")
    state.directory = Text("/")
    if value is not None and value.starts_with("/"):
        found = file_status(value)
        if found is not None and found.kind == DIRECTORY:
            state.directory = clean(value)
