"""Builtins: which does what, and those that run commands or leave them."""

from __future__ import annotations

from cloudos.apps.shell import aliases, conditions, directories, jobs, limits, masks, printing, traps, variables
from cloudos.apps.shell.builtin_names import Builtin
from cloudos.apps.shell.characters import all_digits
from cloudos.apps.shell.context import (
    FAILED,
    BreakLoop,
    Context,
    ContinueLoop,
    ReturnFunction,
    Runner,
)
from cloudos.apps.shell.environment import is_directory
from cloudos.apps.shell.launcher import find_program, read_file
from cloudos.apps.shell.lookup import describe
from cloudos.apps.shell.state import ExitShell, ExpansionFailure
from cloudos.lang import U64
from cloudos.sdk import InvalidNumber, List, Text


def run_builtin_command(context: Context, runner: Runner, builtin: Builtin, fields: List[Text]) -> None:
    """Run a builtin; its status is that of the state. Raises what leaves a command."""
    state = context.state
    match builtin:
        case Builtin.DOT:
            source(context, runner, fields)
        case Builtin.EVAL:
            evaluate(context, runner, fields)
        case Builtin.BREAK:
            leave_loop(context, fields, False)
        case Builtin.CONTINUE:
            leave_loop(context, fields, True)
        case Builtin.EXIT:
            leave(context, fields)
            raise ExitShell
        case Builtin.RETURN:
            leave(context, fields)
            raise ReturnFunction
        case Builtin.TRAP:
            traps.trap(context, fields)
        case Builtin.WAIT:
            jobs.wait(context, runner, fields)
        case Builtin.TYPE:
            describe(context, fields.slice(U64(1), fields.length), True)
        case Builtin.FALSE:
            state.status = U64(1)
        case _:
            state.status = U64(0)
            run_plain(context, builtin, fields)


def run_plain(context: Context, builtin: Builtin, fields: List[Text]) -> None:
    """A builtin that neither runs nor leaves commands; the status is 0 unless it sets another."""
    state = context.state
    match builtin:
        case Builtin.EXPORT:
            variables.declare(context, fields, False)
        case Builtin.READONLY:
            variables.declare(context, fields, True)
        case Builtin.SET:
            variables.set_options(context, fields)
        case Builtin.SHIFT:
            variables.shift(context, fields)
        case Builtin.UNSET:
            variables.unset(context, fields)
        case Builtin.LOCAL:
            variables.local(context, fields)
        case Builtin.READ:
            variables.read(context, fields)
        case Builtin.GETOPTS:
            variables.getopts(context, fields)
        case Builtin.CD:
            directories.cd(context, fields)
        case Builtin.ALIAS:
            aliases.alias(state, fields)
        case Builtin.UNALIAS:
            aliases.unalias(state, fields)
        case Builtin.UMASK:
            masks.umask(context, fields)
        case Builtin.PWD:
            directories.pwd(context, fields)
        case Builtin.ECHO:
            printing.echo(state, fields)
        case Builtin.PRINTF:
            printing.printf(state, fields)
        case Builtin.TEST:
            conditions.test(state, fields.slice(U64(1), fields.length))
        case Builtin.BRACKET:
            conditions.bracket(state, fields)
        case _:
            run_about_programs(context, builtin, fields)


def run_about_programs(context: Context, builtin: Builtin, fields: List[Text]) -> None:
    """A builtin about programs that run already, or about what programs may use."""
    match builtin:
        case Builtin.JOBS:
            jobs.show_all(context)
        case Builtin.FG:
            jobs.foreground(context, fields)
        case Builtin.BG:
            jobs.background(context, fields)
        case Builtin.KILL:
            jobs.kill(context, fields)
        case Builtin.ULIMIT:
            limits.ulimit(context, fields)
        case Builtin.TIMES:
            limits.times(context)
        case _:
            pass


def number_of(context: Context, fields: List[Text], default: U64) -> U64:
    """The number that is a builtin's argument. Raises ExpansionFailure, and shows why, when it is none."""
    if fields.length < 2:
        return default
    try:
        value = fields[1].to_integer()
        if value >= 0 and all_digits(fields[1].content):
            return U64(value)
    except InvalidNumber:
        pass
    context.fail(f"{fields[0]}: Illegal number: {fields[1]}", U64(FAILED))
    raise ExpansionFailure


def leave(context: Context, fields: List[Text]) -> None:
    """The status of `exit` and `return`."""
    context.state.status = number_of(context, fields, context.state.status) % 256


def leave_loop(context: Context, fields: List[Text], go_on: bool) -> None:
    """`break` and `continue`; outside of loops they do nothing."""
    levels = number_of(context, fields, U64(1))
    context.state.status = U64(0)
    if levels == 0:
        context.fail(f"{fields[0]}: Illegal number: 0", U64(FAILED))
        raise ExpansionFailure
    if context.loops == 0:
        return
    context.levels = min(levels, context.loops)
    if go_on:
        raise ContinueLoop
    raise BreakLoop


def evaluate(context: Context, runner: Runner, fields: List[Text]) -> None:
    """`eval`."""
    text = Text(" ").join(fields.slice(U64(1), fields.length))
    context.state.status = U64(0)
    runner.run_text(text)


def source(context: Context, runner: Runner, fields: List[Text]) -> None:
    """`.`: a script in this shell."""
    state = context.state
    if fields.length < 2:
        context.fail(".: filename argument required", U64(FAILED))
        raise ExpansionFailure
    path: Text | None = state.absolute(fields[1])
    if fields[1].find("/") is None:
        path = find_program(state, fields[1])
    text = None if path is None or is_directory(path) else read_file(path)
    if text is None:
        context.fail(f".: cannot open {fields[1]}", U64(FAILED))
        raise ExpansionFailure
    loops = context.loops
    context.loops = U64(0)
    state.status = U64(0)
    try:
        runner.run_text(text)
    except ReturnFunction:
        pass
    finally:
        context.loops = loops
