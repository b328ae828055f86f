"""Compiling in a Python process of its own.

The compiler takes objects as they are after their modules were imported. A process that has used them, as one that runs
tests has, would compile what it made of them; and of two programs that it compiles each would seem to depend on the
modules of the other.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from cloudos.host.errors import ToolError

CHILD = (
    "import os, pickle, sys; given = sys.stdin.buffer; sys.path[:] = pickle.load(given); "
    "from cloudos.host.apart import answer; answer(given, int(sys.argv[1]))"
)


def is_used(package: str) -> bool:
    """Whether this process has imported anything of a package."""
    return any(name == package or name.startswith(f"{package}.") for name in sys.modules)


def apart(function: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Call a function of a module in a new process. Raises what it raises, and ToolError when that process dies."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as answers:
        line = [sys.executable, "-c", CHILD, str(writer)]
        with subprocess.Popen(line, stdin=subprocess.PIPE, pass_fds=(writer,)) as process:
            os.close(writer)
            assert process.stdin is not None
            process.stdin.write(pickle.dumps(sys.path) + pickle.dumps((function, arguments, options)))
            process.stdin.close()
            content = answers.read()
    failure = pickle.loads(content) if content else died(process.returncode)
    if failure is not None:
        raise failure


def answer(given: BinaryIO, channel: int) -> None:
    """In the new process: do what it was started for, and send what was raised, or None."""
    function, arguments, options = pickle.load(given)
    failure: BaseException | None = None
    try:
        function(*arguments, **options)
    except (Exception, KeyboardInterrupt) as error:
        failure = error
    with os.fdopen(channel, "wb") as answers:
        answers.write(pickled(failure))


def pickled(failure: BaseException | None) -> bytes:
    """An exception as bytes; of one that cannot be sent, its text in a ToolError."""
    try:
        return pickle.dumps(failure)
    except Exception:
        return pickle.dumps(ToolError(f"{type(failure).__name__}: {failure}", "please report this as a defect"))


def died(status: int | None) -> ToolError:
    """The error for a process that ended without a word."""
    return ToolError(f"a compilation ended with status {status}", "please report this as a defect")
