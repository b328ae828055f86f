"""A subshell in a process of its own: `/bin/sh` with the state of this shell and a command, as a fork would have them.

What goes along: variables, functions, arguments, options, aliases, signals that are ignored, the working directory, the
file-mode mask, `$?`, `$!`, `$$`, `$0`, and all descriptors. What does not: jobs, and traps with an action.
"""

from __future__ import annotations

from cloudos.apps.shell.carry_tree import Packer, Unpacker
from cloudos.apps.shell.channel import Channel
from cloudos.apps.shell.context import Context
from cloudos.apps.shell.launcher import NOT_EXECUTABLE, Sinks, give_streams, readable
from cloudos.apps.shell.state import DESCRIPTORS, Options, State, Variable
from cloudos.apps.shell.tree import Node
from cloudos.lang import U64, Error, error_name
from cloudos.sdk import ByteBuffer, Text, programs
from cloudos.sdk.programs import Launch

PROGRAM = "/bin/sh"
NAME = "state"  # under which the program holds it


def prepare_subshell(context: Context, state: State, node: Node, sinks: Sinks) -> Launch | None:
    """A shell, to be started, that runs a command in a copy of a state; None, after showing why, without one."""
    packer = Packer(ByteBuffer())
    pack_state(packer, state)
    packer.flag(context.tested > 0)
    packer.node(node)
    try:
        launch = Launch(Text(PROGRAM), state.most_memory, state.most_handles)
        launch.add_argument(Text("sh"))
        launch.give_bytes(NAME, packer.out.content())
        give_streams(launch, state, sinks)
        for number in U64.range(3, DESCRIPTORS):
            channel = state.channels[number]
            if channel.is_open:
                outside = sinks.outside(channel) if channel.gathers else readable(channel)
                launch.give(f"stream{number}", outside.handle)
        return launch
    except Error:
        context.fail(f"cannot start a subshell: {error_name()}", U64(NOT_EXECUTABLE))
        return None


def pack_state(packer: Packer, state: State) -> None:
    """All of a state but its descriptors."""
    packer.number(state.variables.length)
    for name, variable in state.variables.items():
        packer.text(name)
        packer.text(variable.value)
        packer.flag(variable.is_set)
        packer.flag(variable.exported)
        packer.flag(variable.fixed)
    packer.number(state.functions.length)
    for name, body in state.functions.items():
        packer.text(name)
        packer.node(body)
    packer.number(state.aliases.length)
    for name, value in state.aliases.items():
        packer.text(name)
        packer.text(value)
    packer.number(state.arguments.length)
    for argument in state.arguments:
        packer.text(argument)
    pack_options(packer, state.options)
    packer.text(state.name)
    packer.text(state.directory)
    packer.number(state.status)
    packer.number(state.number)
    packer.number(state.background)
    packer.number(state.line)
    packer.number(state.function_depth)
    packer.number(state.mask)
    packer.number(state.ignored())


def pack_options(packer: Packer, options: Options) -> None:
    """What `set` switches."""
    packer.flag(options.exit_on_error)
    packer.flag(options.unset_is_error)
    packer.flag(options.trace)
    packer.flag(options.no_globs)
    packer.flag(options.keep_files)
    packer.flag(options.export_all)
    packer.flag(options.no_run)
    packer.flag(options.verbose)


def given_command(context: Context) -> Node | None:
    """The command that this process was started for, the context being as it was there; None for an ordinary shell."""
    content = ByteBuffer()
    if not programs.SYSTEM.bytes_given(NAME, content):
        return None
    unpacker = Unpacker(content, U64(0))
    state = context.state
    unpack_tables(unpacker, state)
    options = Options()
    options.exit_on_error = unpacker.flag()
    options.unset_is_error = unpacker.flag()
    options.trace = unpacker.flag()
    options.no_globs = unpacker.flag()
    options.keep_files = unpacker.flag()
    options.export_all = unpacker.flag()
    options.no_run = unpacker.flag()
    options.verbose = unpacker.flag()
    state.options = options
    state.name = unpacker.text()
    state.directory = unpacker.text()
    state.status = unpacker.number()
    state.number = unpacker.number()
    state.background = unpacker.number()
    state.line = unpacker.number()
    state.function_depth = unpacker.number()
    state.mask = unpacker.number()
    ignore(context, unpacker.number())
    if unpacker.flag():
        context.tested = U64(1)
    for number in U64.range(3, DESCRIPTORS):
        handle = programs.standard_stream(number)
        if handle != 0:
            state.channels[number] = Channel(handle, False)
    return unpacker.node()


def unpack_tables(unpacker: Unpacker, state: State) -> None:
    """Variables, functions, aliases and arguments."""
    for _ in U64.range(unpacker.number()):
        name = unpacker.text()
        value = unpacker.text()
        is_set, exported = unpacker.flag(), unpacker.flag()
        state.variables[name] = Variable(value, is_set, exported, unpacker.flag())
    for _ in U64.range(unpacker.number()):
        name = unpacker.text()
        state.functions[name] = unpacker.node()
    for _ in U64.range(unpacker.number()):
        name = unpacker.text()
        state.aliases[name] = unpacker.text()
    for _ in U64.range(unpacker.number()):
        state.arguments.append(unpacker.text())


def ignore(context: Context, bits: U64) -> None:
    """Ignore signals as the shell before did."""
    for number in U64.range(1, 64):
        if bits.bit(number):
            context.state.traps[number] = Text("")
    if bits != 0:
        context.attend()
