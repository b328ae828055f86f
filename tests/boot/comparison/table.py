"""The command lines that are compared, from the tables of the utilities and of the shell."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from tests.unit.apps.commands import COMMANDS
from tests.unit.apps.shell.isolation_scripts import ISOLATION_SCRIPTS
from tests.unit.apps.shell.process_scripts import PROCESS_SCRIPTS
from tests.unit.apps.shell.scripts import SCRIPTS

ALL_SCRIPTS = (*SCRIPTS, *PROCESS_SCRIPTS, *ISOLATION_SCRIPTS)
BUILTINS = {"[", "echo", "false", "printf", "pwd", "test", "true"}
"""Utilities that the shells have themselves: rows of the table name the program, in /bin on both sides."""

CHANGING = {"cp", "mv", "rm", "mkdir", "rmdir", "touch", "chmod", "tee"}
"""Utilities whose rows, and those of others that name an output file, tell the files as they are afterwards, too."""

AFTERWARDS = (
    "; status=$?; echo; ls -RA; ls -lRA | cut -c 1-10 | grep '^[-d]'; cat $(find . -type f | sort); exit $status"
)
"""Names, permissions and contents."""

ABSENT = ("rev", "awk", "id")
"""Programs that rows use and that the system does not have."""


@dataclass(frozen=True)
class Row:
    """A command line for `sh -c`, whether it finds the files of the table or an empty directory, and what it tests."""

    script: str
    files: bool
    program: str

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
    if name == "find" or (name == "grep" and "-r" in line):
        # The order of a directory is nobody's promise.
        script = f'{{ {script}; echo "status $?"; }} | sort'
    changes = name in CHANGING or "out" in words or (name == "sort" and "-o" in words)
    changes = changes or (name == "sed" and ("-i" in words or "w out" in line))
    return Row(script + AFTERWARDS if changes else script, True, name)


def rows() -> list[Row]:
    """All rows that use only what the system has."""
    found = [utility_row(name, line) for name, lines in COMMANDS.items() for line in lines]
    found += [Row(script, False, "sh") for script in ALL_SCRIPTS if not absent(script)]
    return list(dict.fromkeys(found))


def left_out() -> list[str]:
    """Scripts of the table that use a program that the system does not have."""
    return [script for script in ALL_SCRIPTS if absent(script)]


def absent(script: str) -> bool:
    """Whether a script uses a program that the system does not have."""
    return any(re.search(rf"(^|[|;&(]\s*){name}\b", script, re.MULTILINE) for name in ABSENT)


@dataclass(frozen=True)
class Difference:
    """What a row gives in CloudOS, and why that is not what it gives on the host."""

    reason: str
    output: bytes
    status: int = 0


DIRECTORIES = (
    "POSIX leaves the size and the links of a directory to the system: here 0 and 1, below Linux at least 4096 and 2"
)
ALL = b"binary dir/.hidden dir/inner dir/sub/deep empty numbers other patterns sorted table tabs text unended words"
FOLDERS = b". dir dir/sub"


def found(names: bytes) -> bytes:
    """What a row of `find` shows for these files of the table."""
    paths = [name if name == b"." else b"./" + name for name in names.split()]
    return b"".join(path + b"\n" for path in sorted([*paths, b"status 0"]))


DIFFERENCES = {
    "ls -ld dir": Difference(DIRECTORIES, b"drwxr-xr-x 1 root root 0 Jan  2  2020 dir\n"),
    "ls -S": Difference(
        DIRECTORIES,
        b"binary\ntext\ntable\nwords\nunended\nnumbers\nother\ntabs\nsorted\npatterns\ndir\nempty\n",
    ),
    '{ find . -size 0; echo "status $?"; } | sort': Difference(DIRECTORIES, found(FOLDERS + b" empty")),
    '{ find . -size -2; echo "status $?"; } | sort': Difference(DIRECTORIES, found(FOLDERS + b" " + ALL)),
    '{ find . -size +1; echo "status $?"; } | sort': Difference(DIRECTORIES, b"status 0\n"),
    '{ find . -size -10c; echo "status $?"; } | sort': Difference(
        DIRECTORIES, found(FOLDERS + b" dir/.hidden empty patterns")
    ),
    '{ find . -links 1; echo "status $?"; } | sort': Difference(DIRECTORIES, found(FOLDERS + b" " + ALL)),
    "echo 'cat' >s; echo input | sh s; echo \"echo hi; cat\" | sh; "
    "printf 'read x\\ngot this\\necho $x\\n' | sh\n": Difference(
        "POSIX wants `read` to get the line after it; dash has read that from the pipe as a command already",
        b"input\nhi\ngot this\n",
    ),
}
"""By script, rows whose answers may differ. What CloudOS answers has to be this."""
