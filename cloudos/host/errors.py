"""What can end a command, and the exit statuses of the tool (they follow docker's).

ToolError                    something the tool needs is missing or failed: 125
 ├─ CannotRun                the program was found but cannot be run (not Python, does not compile): 126
 └─ NotFound                 no such program or file: 127
"""

from __future__ import annotations

from typing import ClassVar

TIMED_OUT = 124
TOOL_FAILED = 125
CANNOT_RUN = 126
NOT_FOUND = 127
KILLED = 128
"""Base of the statuses of programs ended by a fault: 128 + the fault's number."""


class ToolError(Exception):
    """A failure to report to the user: what was wrong, and what to do next (`hint`, may be empty)."""

    status: ClassVar[int] = TOOL_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CannotRun(ToolError):
    """The program exists but cannot be run: not a Python source file, or it does not compile."""

    status: ClassVar[int] = CANNOT_RUN


class NotFound(ToolError):
    """A file named on the command line does not exist."""

    status: ClassVar[int] = NOT_FOUND
