"""Simple commands: assignments, words, redirections; then a builtin, a function or a program."""

from __future__ import annotations

from cloudos.apps.shell.builtin_names import Builtin, is_special_builtin
from cloudos.apps.shell.channel import Channel
from cloudos.apps.shell.context import FAILED, Context, ReturnFunction, Runner
from cloudos.apps.shell.expansion import Expander
from cloudos.apps.shell.jobs import note_stopped
from cloudos.apps.shell.launcher import (
    NOT_EXECUTABLE,
    NOT_FOUND,
    ScriptFound,
    Sinks,
    await_launch,
    begin,
    find_program,
    has_ended,
    looks_like_script,
    prepare,
    read_file,
)
from cloudos.apps.shell.lookup import describe
from cloudos.apps.shell.printing import has_floats
from cloudos.apps.shell.redirect import redirect
from cloudos.apps.shell.running import run_builtin_command
from cloudos.apps.shell.state import DESCRIPTORS, ExitShell, ExpansionFailure, Saved, State
from cloudos.apps.shell.tree import Assignment, Node, Redirection
from cloudos.lang import U64, write_text
from cloudos.sdk import ByteBuffer, KeyMissing, List, Text
from cloudos.sdk.programs import Launch

DEEPEST = 100  # functions within functions: each takes a piece of the stack


def run_simple(context: Context, runner: Runner, node: Node) -> None:
    """Run a simple command. Raises what leaves a command: see `context`."""
    state = context.state
    state.line = node.line
    state.substituted = U64(0)
    fields = Expander(state, runner).fields(node.words)
    if fields.length == 0:
        assign_only(context, runner, node)
        return
    if state.options.trace:
        trace(state, fields)
    builtin = context.builtin(fields[0])
    function = find_function(state, fields[0])
    if is_special_builtin(builtin):
        run_special(context, runner, node, builtin, fields)
    elif function is not None:
        run_kept(context, runner, node, fields, Builtin.NONE, function)
    elif builtin != Builtin.NONE and not is_program(builtin, fields):
        run_kept(context, runner, node, fields, builtin, None)
    else:
        run_program(context, runner, node, fields)


def is_program(builtin: Builtin, fields: List[Text]) -> bool:
    """Whether a command is for a program, though there is a builtin of that name."""
    return builtin == Builtin.PRINTF and has_floats(fields)


def find_function(state: State, name: Text) -> Node | None:
    """The body of a function."""
    try:
        return state.functions[name]
    except KeyMissing:
        return None


def assign_only(context: Context, runner: Runner, node: Node) -> None:
    """A command without words."""
    state = context.state
    saved = saved_channels(state, node.redirections)
    done = redirect(state, runner, node.redirections)
    restore_channels(state, node.redirections, saved)
    if not done:
        state.status = U64(FAILED)
        return
    assign(state, runner, node.assignments, False)
    state.status = state.substituted


def saved_channels(state: State, redirections: List[Redirection]) -> List[Channel]:
    """The descriptors as they are, if redirections will change them."""
    before = List[Channel]()
    if redirections.length > 0:
        before.extend(state.channels)
    return before


def restore_channels(state: State, redirections: List[Redirection], before: List[Channel]) -> None:
    """Put back those descriptors that redirections changed; what `exec` did to others stays."""
    for one in redirections:
        if one.descriptor < DESCRIPTORS:
            state.channels[one.descriptor] = before[one.descriptor]


def assign(state: State, runner: Runner, assignments: List[Assignment], exported: bool) -> None:
    """Give variables their values. Raises ExpansionFailure."""
    expander = Expander(state, runner)
    for one in assignments:
        value = expander.text(one.value, True)
        if state.options.trace:
            line = ByteBuffer()
            write_text(line, f"+ {one.name}={value}\n")
            state.show_error(line)
        state.set(one.name, value)
        if exported:
            state.declare(one.name).exported = True


def trace(state: State, fields: List[Text]) -> None:
    """Show a command before it runs."""
    line = ByteBuffer()
    prompt = state.value("PS4")
    write_text(line, "+" if prompt is None else f"{prompt}")
    if prompt is None or not prompt.ends_with(" "):
        write_text(line, " ")
    write_text(line, f"{Text(' ').join(fields)}\n")
    state.show_error(line)


def run_special(context: Context, runner: Runner, node: Node, builtin: Builtin, fields: List[Text]) -> None:
    """A special builtin: assignments stay, and what goes wrong ends a script."""
    state = context.state
    saved = saved_channels(state, node.redirections)
    kept = False
    try:
        if not redirect(state, runner, node.redirections):
            state.status = U64(FAILED)
            raise ExpansionFailure
        assign(state, runner, node.assignments, False)
        kept = builtin == Builtin.EXEC and fields.length == 1
        if builtin == Builtin.EXEC and not kept:
            replace(context, runner, fields)
        else:
            run_builtin_command(context, runner, builtin, fields)
    finally:
        if not kept:
            restore_channels(state, node.redirections, saved)


def replace(context: Context, runner: Runner, fields: List[Text]) -> None:
    """`exec` with a program: the shell ends as it ends."""
    launch_and_wait(context, runner, fields.slice(U64(1), fields.length))
    raise ExitShell


def run_kept(
    context: Context, runner: Runner, node: Node, fields: List[Text], builtin: Builtin, function: Node | None
) -> None:
    """A function or a builtin that is not special: descriptors and assigned variables are put back afterwards."""
    state = context.state
    channels = saved_channels(state, node.redirections)
    saved = List[Saved]()
    try:
        if not redirect(state, runner, node.redirections):
            state.status = U64(FAILED)
            return
        for one in node.assignments:
            saved.append(state.save(one.name))
        assign(state, runner, node.assignments, True)
        if function is not None:
            call_function(context, runner, function, fields)
        elif builtin == Builtin.COMMAND:
            run_command_builtin(context, runner, fields)
        else:
            run_builtin_command(context, runner, builtin, fields)
    finally:
        for before in saved:
            state.restore(before)
        restore_channels(state, node.redirections, channels)


def run_command_builtin(context: Context, runner: Runner, fields: List[Text]) -> None:
    """`command [-v|-V] name …`: functions do not count."""
    at = U64(1)
    if at < fields.length and fields[at].equals("--"):
        at += 1
    if at == fields.length:
        context.state.status = U64(0)
        return
    if fields[at].equals("-v") or fields[at].equals("-V"):
        describe(context, fields.slice(at + 1, fields.length), fields[at].equals("-V"))
        return
    if fields[at].equals("-p"):
        at += 1
    rest = fields.slice(at, fields.length)
    if rest.length == 0:
        return
    builtin = context.builtin(rest[0])
    if builtin == Builtin.COMMAND:
        run_command_builtin(context, runner, rest)
    elif builtin == Builtin.EXEC and rest.length > 1:
        replace(context, runner, rest)
    elif builtin == Builtin.NONE or is_program(builtin, rest):
        launch_and_wait(context, runner, rest)
    else:
        try:
            run_builtin_command(context, runner, builtin, rest)
        except ExpansionFailure:
            context.state.status = U64(FAILED)


def call_function(context: Context, runner: Runner, body: Node, fields: List[Text]) -> None:
    """Run a function with its own arguments and local variables."""
    if context.calls == DEEPEST:
        context.fail("functions too deeply nested", U64(FAILED))
        raise ExpansionFailure
    state = context.state
    arguments, loops, locals = state.arguments, context.loops, state.locals.length
    state.arguments = fields.slice(U64(1), fields.length)
    context.loops = U64(0)
    context.calls += 1
    state.function_depth += 1
    try:
        runner.run(body)
    except ReturnFunction:
        pass
    finally:
        while state.locals.length > locals:
            state.restore(state.locals.pop())
        state.function_depth -= 1
        context.calls -= 1
        context.loops = loops
        state.arguments = arguments


def run_program(context: Context, runner: Runner, node: Node, fields: List[Text]) -> None:
    """A program, with assignments that are its own."""
    state = context.state
    channels = saved_channels(state, node.redirections)
    saved = List[Saved]()
    try:
        if not redirect(state, runner, node.redirections):
            state.status = U64(FAILED)
            return
        for one in node.assignments:
            saved.append(state.save(one.name))
        assign(state, runner, node.assignments, True)
        launch_and_wait(context, runner, fields)
    finally:
        for before in saved:
            state.restore(before)
        restore_channels(state, node.redirections, channels)


def launch_and_wait(context: Context, runner: Runner, fields: List[Text]) -> None:
    """Run a program in the foreground; its status is that of the state."""
    state = context.state
    sinks = Sinks()
    try:
        launch = prepare(context, state, fields, sinks)
    except ScriptFound:
        run_script(context, runner, fields)
        return
    if launch is None or not begin(context, launch, context.group):
        return
    context.set_foreground(launch.number)
    sinks.collect()
    if context.stops_jobs():
        if not has_ended(launch):
            stopped = List[Launch]()
            stopped.append(launch)
            note_stopped(context, stopped, Text(" ").join(fields))
        state.status = launch.status
    else:
        state.status = await_launch(launch)
    sinks.finish()
    context.set_foreground(U64(0))
    context.next_look = U64(0)
    context.check_interrupt()


def run_script(context: Context, runner: Runner, fields: List[Text]) -> None:
    """Run a file that is no program as a script, in a subshell of its own."""
    path = find_program(context.state, fields[0])
    text = None if path is None else read_file(path)
    if text is None:
        context.fail(f"{fields[0]}: not found", U64(NOT_FOUND))
        return
    if not looks_like_script(text):
        context.fail(f"{fields[0]}: not a program", U64(NOT_EXECUTABLE))
        return
    before = context.state
    inner = before.copy()
    inner.name = fields[0]
    inner.arguments = fields.slice(U64(1), fields.length)
    inner.functions.clear()
    loops = context.loops
    context.state = inner
    context.loops = U64(0)
    try:
        runner.run_text(text)
    except (ExitShell, ReturnFunction):
        pass
    except ExpansionFailure:
        inner.status = U64(FAILED)
    finally:
        context.state = before
        context.loops = loops
        before.status = inner.status
