"""The shell program: `shell [-efuxaCn] [-c text [name argument …] | file argument …]`."""

from __future__ import annotations

from cloudos.apps.shell.aliases import Replacements
from cloudos.apps.shell.channel import Channel
from cloudos.apps.shell.context import FAILED, Abandoned, BreakLoop, Context, ContinueLoop, ReturnFunction
from cloudos.apps.shell.directories import start_directory
from cloudos.apps.shell.interpreter import Interpreter
from cloudos.apps.shell.launcher import NOT_FOUND, find_program, read_file
from cloudos.apps.shell.lexer import Lexer
from cloudos.apps.shell.parser import Parser, lexer_of, text_lexer
from cloudos.apps.shell.session import is_person, run_session
from cloudos.apps.shell.state import ExitShell, ExpansionFailure, State, standard_channels
from cloudos.apps.shell.subshell import given_command
from cloudos.apps.shell.traps import run_exit_trap
from cloudos.apps.shell.tree import Node
from cloudos.apps.shell.variables import apply_flags
from cloudos.lang import U8, U64, Error, managed
from cloudos.sdk import ByteBuffer, List, Text, programs, run, variable_names
from cloudos.sdk.environment import value_of

MINUS = ord("-")


@managed
class StandardInput:
    """A script that comes in on standard input: read line by line, so that commands may read what follows."""

    channel: Channel

    def more(self, into: ByteBuffer) -> bool:
        """One more line."""
        try:
            return self.channel.read_line(into)
        except Error:
            return False


def import_environment(state: State) -> None:
    """Take the environment variables."""
    for name in variable_names():
        value = value_of(name)
        if value is not None and name.length > 0:
            variable = state.declare(name)
            variable.value = value
            variable.is_set = True
            variable.exported = True
    state.set_named("IFS", Text(" \t\n"))
    state.set_named("OPTIND", Text("1"))
    start_directory(state)
    state.set_named("PWD", state.directory)
    if state.value("PS1") is None:
        state.set_named("PS1", Text("cloudos:$PWD$ "))
    if state.value("PS2") is None:
        state.set_named("PS2", Text("> "))


def main(args: List[Text]) -> U8:
    """Run what the arguments say; the exit status of its last command."""
    context = Context()
    state = context.state
    standard_channels(state)
    command_given = given_command(context)
    if command_given is not None:
        return run_apart(context, command_given)
    import_environment(state)
    state.name = args[0]
    context.introduce()
    shell = Interpreter(context)
    at = U64(1)
    command = False
    try:
        while at < args.length and args[at].length > 1 and args[at][0] == MINUS and not command:
            if args[at].equals("--"):
                at += 1
                break
            command = args[at].equals("-c")
            at = at + 1 if command or args[at].equals("-s") or args[at].equals("-i") else apply_flags(context, args, at)
    except ExpansionFailure:
        return U8(FAILED)
    if command:
        return run_command_text(shell, args, at)
    if at < args.length:
        return run_file(shell, args, at)
    if is_person(state):
        return U8.truncate(run_session(context, shell))
    return run_script(shell, lexer_of(StandardInput(state.channels[0])))


def run_apart(context: Context, node: Node) -> U8:
    """Run the command that this process was started for, as a subshell; its exit status."""
    _, context.group = programs.own()
    shell = Interpreter(context)
    try:
        shell.run(node)
    except (ExitShell, ReturnFunction, BreakLoop, ContinueLoop):
        pass
    except ExpansionFailure:
        context.state.status = U64(FAILED)
    return finish(shell)


def finish(shell: Interpreter) -> U8:
    """Do what traps say at the end; the exit status."""
    context = shell.context
    try:
        if context.attended != 0:
            shell.handle_signals()
    except (ExitShell, ReturnFunction, BreakLoop, ContinueLoop, Abandoned):
        pass
    except ExpansionFailure:
        context.state.status = U64(FAILED)
    run_exit_trap(context, shell)
    return U8.truncate(context.state.status)


def run_command_text(shell: Interpreter, args: List[Text], at: U64) -> U8:
    """`-c text [name argument …]`."""
    state = shell.context.state
    if at == args.length:
        state.complain("-c requires an argument")
        return U8(FAILED)
    if at + 1 < args.length:
        state.name = args[at + 1]
        state.arguments = args.slice(at + 2, args.length)
    return run_script(shell, text_lexer(args[at]))


def run_file(shell: Interpreter, args: List[Text], at: U64) -> U8:
    """`file argument …`; a file that is not here is looked for in PATH."""
    state = shell.context.state
    content = read_file(state.absolute(args[at]))
    if content is None:
        path = find_program(state, args[at])
        content = None if path is None else read_file(path)
    if content is None:
        state.complain(f"cannot open {args[at]}")
        return U8(NOT_FOUND)
    state.name = args[at]
    state.arguments = args.slice(at + 1, args.length)
    return run_script(shell, text_lexer(content))


def run_script(shell: Interpreter, lexer: Lexer) -> U8:
    """Run a script to its end; its exit status."""
    state = shell.context.state
    lexer.aliases = Replacements(state.aliases)
    parser = Parser(lexer)
    try:
        while shell.run_next(lexer, parser):
            pass
    except (ExitShell, ReturnFunction, BreakLoop, ContinueLoop):
        pass
    except ExpansionFailure:
        state.status = U64(FAILED)
    return finish(shell)


if __name__ == "__main__":
    from cloudos.sdk import host_programs

    def again() -> int:
        """The same in a child, as a subshell."""
        arguments = List[Text]()
        arguments.append(Text("sh"))
        return int(main(arguments))

    host_programs.use().again = again
    run(main)
