"""Signals: what `trap` says is done when they come, and what is done with the interrupt key."""

from __future__ import annotations

from cloudos.apps.shell.context import Abandoned, BreakLoop, Context, ContinueLoop, ReturnFunction, Runner
from cloudos.apps.shell.output import quoted, say
from cloudos.apps.shell.state import ExitShell, ExpansionFailure
from cloudos.apps.signals import signal_name, signal_of
from cloudos.contracts.programs import INTERRUPT
from cloudos.lang import U64
from cloudos.sdk import KeyMissing, List, Text

EXIT = U64(0)
BY_SIGNAL = 128  # and its number: the status of what a signal ended


def trap(context: Context, fields: List[Text]) -> None:
    """`trap [action signal …]`: what to do when a signal comes, or at the end for EXIT; `-`: what is usual."""
    state = context.state
    state.status = U64(0)
    first = U64(2) if fields.length > 1 and fields[1].equals("--") else U64(1)
    if fields.length == first:
        show_traps(context)
        return
    # A number in the place of an action: the signals are to do what is usual.
    alone = is_number(fields[first]) or fields.length == first + 1
    action = Text("-") if alone else fields[first]
    for number in U64.range(first if alone else first + 1, fields.length):
        signal = signal_of(fields[number])
        if signal is None:
            context.fail(f"trap: {fields[number]}: bad trap", U64(1))
        elif action.equals("-"):
            if signal in state.traps:
                state.traps.pop(signal)
        else:
            state.traps[signal] = action
    context.attend()


def is_number(text: Text) -> bool:
    """Whether a text is a number."""
    for byte in text.content:
        if byte < 0x30 or byte > 0x39:
            return False
    return text.length > 0


def show_traps(context: Context) -> None:
    """All that `trap` said, as the shell reads it back."""
    state = context.state
    for number in U64.range(64):
        action = action_of(context, number)
        if action is not None:
            say(state, f"trap -- {quoted(action)} {signal_name(number)}")


def action_of(context: Context, signal: U64) -> Text | None:
    """What is to be done when a signal comes; None: what is usual."""
    try:
        return context.state.traps[signal]
    except KeyMissing:
        return None


def handle_signals(context: Context, runner: Runner) -> None:
    """Do what is to be done for the signals that have come.

    Raises what leaves a command: Abandoned when a person gives up, ExitShell when a signal ends the shell.
    """
    context.look()
    for signal in U64.range(1, 64):
        if not context.pending.bit(signal):
            continue
        action = action_of(context, signal)
        if action is None and context.apart > 0 and not context.person:
            continue  # it is for the shell around this subshell
        context.pending = context.pending & ~(U64(1) << signal)
        if action is not None:
            run_action(context, runner, action)
        elif context.person and signal == INTERRUPT:
            context.state.status = U64(BY_SIGNAL + INTERRUPT)
            raise Abandoned
        elif not context.person:
            context.state.status = signal + BY_SIGNAL
            raise ExitShell


def run_action(context: Context, runner: Runner, action: Text) -> None:
    """Run the commands of a trap; `$?` is afterwards what it was, unless they leave a command."""
    state = context.state
    status = state.status
    tested = context.tested
    runner.run_text(action)
    context.tested = tested
    state.status = status


def run_exit_trap(context: Context, runner: Runner) -> None:
    """Run what `trap … EXIT` said, once; the status stays unless the trap exits with another."""
    state = context.state
    action = action_of(context, EXIT)
    if action is None:
        return
    state.traps.pop(EXIT)
    status = state.status
    try:
        runner.run_text(action)
        state.status = status
    except ExitShell:
        pass
    except (ExpansionFailure, ReturnFunction, BreakLoop, ContinueLoop, Abandoned):
        state.status = status
