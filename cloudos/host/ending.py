"""How a run ended: the words for the user and the exit status of the command."""

from __future__ import annotations

import sys
from pathlib import Path

from cloudos.host import state
from cloudos.host.errors import KILLED, TIMED_OUT, CannotRun, ToolError
from cloudos.host.image import Image
from cloudos.host.session import Ended, Session

INTERRUPT_NUMBER = 2
PANIC_NUMBER = 6
SIGPIPE_NUMBER = 13
SHOWN_LOG_LINES = 15
NO_HOST_MEMORY = "cannot set up guest memory"
"""What QEMU says when the host does not give it the memory of the machine."""

REPORT_HINT = "this is a defect of CloudOS, not of the program; `--kernel-log` shows the whole log"


def conclude(session: Session, built: Image, program: Path) -> int:
    """Say what there is to say; the result is the exit status. Raises ToolError when the machine failed."""
    log = session.log
    if session.ended is Ended.OUTPUT_CLOSED:
        return KILLED + SIGPIPE_NUMBER  # as a shell reports a program whose reader went away
    if session.ended is Ended.TERMINATED:
        return KILLED + session.signal
    if log.kernel_panic is not None:
        raise kernel_failure(session, built, program)
    if log.refused:
        raise CannotRun(f"the kernel refused the program: {log.refused}", "a larger --memory may help")
    if built.init is not None and not log.handed_over and session.ended is Ended.GUEST:
        raise with_boot_log(CannotRun("the system could not start the program", "a larger --memory may help"), session)
    if log.fault is None and log.panic is None:
        if log.status is not None and session.ended is not Ended.TIME:
            return log.status
        if session.ended is Ended.GUEST:
            raise silent_failure(session)
    text = explanation(session, built, program)
    if session.ended is Ended.INTERRUPT:
        say(text or "cloudos: interrupted")
        return KILLED + INTERRUPT_NUMBER
    say(text)
    if session.ended is Ended.TIME:
        say(f"cloudos: the program did not end within {session.limits.seconds:g} s (--timeout)")
        return TIMED_OUT
    number = log.fault.record.number("number") if log.fault else None
    return KILLED + (PANIC_NUMBER if number is None else number)


def explanation(session: Session, built: Image, program: Path) -> str:
    """The traceback of the program; empty when the kernel gave no records."""
    if session.log.fault is None and session.log.panic is None:
        return ""
    from cloudos.host import report
    from cloudos.host.symbols import Symbols

    running = built.program if built.init is None or session.log.handed_over else built.init
    return report.ending(session.log, Symbols(running), places_of_sources(program))


def kernel_failure(session: Session, built: Image, program: Path) -> ToolError:
    """The error for a kernel that panicked."""
    from cloudos.host import report
    from cloudos.host.symbols import Symbols

    stop = session.log.kernel_panic
    assert stop is not None
    return ToolError(report.kernel_panic(stop, Symbols(built.kernel), places_of_sources(program)), REPORT_HINT)


def silent_failure(session: Session) -> ToolError:
    """The error for a machine that stopped without saying how the program ended."""
    parts = ["the machine stopped without reporting how the program ended"]
    if session.log.lost:
        parts = ["the machine started again by itself: the kernel has crashed"]
    elif session.log.restarts and session.log.status is None:
        parts = ["the program has reset the machine, which ends it here"]
    if messages := session.machine.messages():
        parts.append(f"QEMU says: {messages}")
    if session.log.lines:
        parts += ["the end of the kernel's log:", *(f"    {line}" for line in session.log.lines[-SHOWN_LOG_LINES:])]
    hint = "`cloudos doctor` checks QEMU; a larger --memory may help"
    if NO_HOST_MEMORY in messages:
        hint = "this host cannot give a machine that much memory: choose a smaller --memory"
    return ToolError("\n".join(parts), hint)


def with_boot_log(error: ToolError, session: Session) -> ToolError:
    """The error with what init said last, unless the user has seen that."""
    lines = list(session.boot_log)[-SHOWN_LOG_LINES:]
    if session.limits.log_to_stderr or not lines:
        return error
    shown = "\n".join(f"    {line}" for line in lines)
    return type(error)(f"{error.message}\nthe end of the boot log:\n{shown}", error.hint)


def places_of_sources(program: Path) -> tuple[Path, ...]:
    """Where the files that debug information names are looked for."""
    return (Path.cwd(), program.parent, state.ROOT)


def say(text: str) -> None:
    """Text for the user, on standard error."""
    if text:
        print(text, file=sys.stderr, flush=True)
