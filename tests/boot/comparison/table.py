"""The command lines that are compared, from the tables of the utilities and of the shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.unit.apps.commands import COMMANDS
from tests.unit.apps.shell.scripts import SCRIPTS

BUILTINS = {"[", "echo", "false", "printf", "pwd", "test", "true"}
"""Utilities that the shells have themselves: rows of the table name the program, in /bin on both sides."""

CHANGING = {"cp", "mv", "rm", "mkdir", "rmdir", "touch", "chmod", "tee", "uniq", "sort"}
"""Utilities whose rows tell the files as they are afterwards, too."""

AFTERWARDS = (
    "; status=$?; echo; find . | sort; ls -lRA | cut -c 1-10 | grep '^[-d]'; "
    "find . -type f | sort | while read file; do cat \"$file\"; done; exit $status"
)
"""Names, permissions in order of the names, contents."""

ABSENT = ("sed", "rev", "awk", "xargs", "id")
"""Programs that rows use and that the system does not have."""


@dataclass(frozen=True)
class Row:
    """A command line for `sh -c`, and whether it finds the files of the table or an empty directory."""

    script: str
    files: bool

    @property
    def encoded(self) -> bytes:
        """As the component reads it."""
        return (b"f" if self.files else b"e") + self.script.encode() + b"\0"


def utility_row(name: str, line: str) -> Row:
    """A row of the table of utilities. The program is meant, where the shell has a builtin of that name."""
    words = shlex.split(line)
    feed = ""
    if words and words[-1].startswith("<") and len(words[-1]) > 1:
        feed = " " + words.pop()
    script = shlex.join([f"/bin/{name}" if name in BUILTINS else name, *words]) + feed
    if name in {"find"} or (name == "grep" and "-r" in line):
        # The order of a directory is nobody's promise.
        script = f"{{ {script}; echo \"status $?\"; }} | sort"
    return Row(script + AFTERWARDS if name in CHANGING else script, True)


def rows() -> list[Row]:
    """All rows that use only what the system has."""
    found = [utility_row(name, line) for name, lines in COMMANDS.items() for line in lines]
    found += [Row(script, False) for script in SCRIPTS if not absent(script)]
    return list(dict.fromkeys(found))


def absent(script: str) -> bool:
    """Whether a script uses a program that the system does not have."""
    return any(re.search(rf"(^|[|;&(]\s*){name}\b", script, re.MULTILINE) for name in ABSENT)
