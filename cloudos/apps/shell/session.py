"""The shell with a person at a terminal: prompts, line editing, history, completion."""

from __future__ import annotations

from cloudos.apps.shell.completion import complete
from cloudos.apps.shell.context import FAILED, Abandoned, BreakLoop, Context, ContinueLoop, ReturnFunction
from cloudos.apps.shell.expansion import Expander
from cloudos.apps.shell.interpreter import Interpreter
from cloudos.apps.shell.jobs import report
from cloudos.apps.shell.lexer import Lexer, SyntaxFailure
from cloudos.apps.shell.parser import Parser, script_lexer, text_lexer
from cloudos.apps.shell.state import ExitShell, ExpansionFailure, State
from cloudos.apps.shell.traps import run_exit_trap
from cloudos.apps.shell.tree import Word
from cloudos.contracts.console import ACCEPTED, COMPLETE, END, INTERRUPT, Console
from cloudos.contracts.errors import BadMessage, BadOperation, ServiceError, ServiceGone
from cloudos.contracts.files import TERMINAL
from cloudos.lang import U8, U64, Error, Slice, free_slice, managed, new_slice
from cloudos.sdk import ByteBuffer, Text, programs, system
from cloudos.sdk.component import held
from cloudos.sdk.terminal import let_leave

LONGEST_LINE = 4000  # bytes, with what the console puts before them
HEAD = 3
SHORTEST_PAUSE = 1_000_000  # nanoseconds before a service that has ended is asked again, …
LONGEST_PAUSE = 1_000_000_000  # … twice as long each time up to this
TRIES = 100  # at finding out what standard input is


def is_person(state: State) -> bool:
    """Whether standard input is a terminal."""
    handle = state.channels[0].handle
    if handle == 0:
        return False
    for _ in U64.range(TRIES):
        try:
            return programs.SYSTEM.stream_status(handle).kind == TERMINAL
        except ServiceGone:
            # It ended while it was asked: the next life of the service knows as well.
            system.thread_sleep(U64(SHORTEST_PAUSE))
        except Error:
            return False
    return False


@managed
class Keyboard:
    """Lines that a person types. The first line of a command has PS1, those that go on with it PS2."""

    context: Context
    shell: Interpreter
    first: bool
    # Whether the person gave up the line: the command is forgotten.
    interrupted: bool

    def more(self, into: ByteBuffer) -> bool:
        """One more line; False at the end of the input, or when the line was given up."""
        prompt = expanded_prompt(self.context.state, self.shell, "PS1" if self.first else "PS2")
        line = edit(self.context, prompt)
        if line is None:
            return False
        if line.length > 0 and line[line.length - 1] == INTERRUPT:
            self.interrupted = True
            return False
        self.first = False
        into.write(line.content)
        into.append(U8(0x0A))
        return True


def expanded_prompt(state: State, shell: Interpreter, name: str) -> Text:
    """A prompt with its expansions."""
    value = state.value(name)
    if value is None:
        return Text("")
    try:
        word: Word = text_lexer(value).here_text()
        return Expander(state, shell).text(word)
    except (SyntaxFailure, ExpansionFailure):
        return value


def console_of(context: Context) -> Console:
    """The terminal that the person sits at."""
    terminal = held("console")
    return Console(terminal if terminal != 0 else context.state.channels[0].handle)


def calm(context: Context) -> None:
    """Let the terminal edit lines: a program that read keys may have been ended before it could."""
    try:
        console_of(context).set_mode(False)
    except Error:
        pass


def edited(console: Console, prompt: Text, text: Text, cursor: U64, into: Slice[U8]) -> U64:
    """`Console.edit_line`; a console that ends meanwhile is waited for. Raises BadMessage, BadOperation."""
    pause = U64(SHORTEST_PAUSE)
    while True:
        try:
            return console.edit_line(prompt.content, text.content, cursor, into)
        except ServiceGone:
            system.thread_sleep(pause)
            pause = min(pause * 2, U64(LONGEST_PAUSE))


def remember(console: Console, line: Text) -> None:
    """Put a line into the history, if that can be."""
    try:
        console.remember(line.content)
    except ServiceError:
        pass


def edit(context: Context, prompt: Text) -> Text | None:
    """Let a person edit a line; None at the end of the input. A line that was given up ends with INTERRUPT."""
    console = console_of(context)
    buffer = new_slice(U8, U64(LONGEST_LINE))
    text = Text("")
    cursor = U64(0)
    result: Text | None = None
    try:
        while True:
            count = edited(console, prompt, text, cursor, buffer)
            if count < HEAD or buffer[0] == END:
                break
            text = Text.from_bytes(buffer[HEAD:count])
            cursor = min(U64(buffer[1]) | U64(buffer[2]) << 8, text.length)
            if buffer[0] == COMPLETE:
                text, cursor = complete(context, text, cursor, console)
                continue
            if buffer[0] == INTERRUPT:
                ended = ByteBuffer()
                ended.append(U8(INTERRUPT))
                result = ended.to_text()
            elif buffer[0] == ACCEPTED:
                if text.strip().length > 0:
                    remember(console, text)
                result = text
            break
    except (BadMessage, BadOperation):
        pass
    free_slice(buffer)
    return result


def run_session(context: Context, shell: Interpreter) -> U64:
    """Run commands until the input ends or `exit`; the exit status."""
    state = context.state
    state.interactive = True
    context.person = True
    keyboard = Keyboard(context, shell, True, False)
    more = True
    while more:
        context.set_foreground(U64(0))
        calm(context)
        report(context)
        keyboard.first = True
        keyboard.interrupted = False
        lexer = script_lexer(keyboard, state.aliases)
        more = run_typed(context, shell, lexer)
        if keyboard.interrupted:
            state.status = U64(130)
            more = True
    run_exit_trap(context, shell)
    let_leave(console_of(context).handle)
    return state.status


def run_typed(context: Context, shell: Interpreter, lexer: Lexer) -> bool:
    """Run one typed command; False when the session ends."""
    state = context.state
    parser = Parser(lexer)
    state.line = U64(1)
    try:
        return run_or_forget(shell, lexer, parser)
    except ExitShell:
        return False
    except (ReturnFunction, BreakLoop, ContinueLoop, Abandoned):
        pass
    except ExpansionFailure:
        state.status = U64(FAILED)
    context.loops = U64(0)
    context.calls = U64(0)
    context.tested = U64(0)
    return True


def run_or_forget(shell: Interpreter, lexer: Lexer, parser: Parser) -> bool:
    """`run_next`, but nothing is said of a command that was given up. Raises what `run_next` does."""
    state = shell.context.state
    try:
        node = parser.next_command()
    except SyntaxFailure:
        if not lexer.ended:
            state.complain(f"Syntax error: {lexer.problem}")
            state.status = U64(FAILED)
        return True
    if node is None:
        return False
    shell.run(node)
    return True
