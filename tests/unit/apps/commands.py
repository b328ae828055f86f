"""Command lines for single utilities, each with files to run on. A host's utilities give the right answers.

A line may name files of `FILES`, and change them: every one runs on fresh copies. `<NAME` at its end feeds a file.
`; ls -R` and the like are not there: no shell is needed.
"""

from __future__ import annotations

from tests.unit.apps.editing_commands import EDITING_COMMANDS
from tests.unit.apps.file_commands import FILE_COMMANDS
from tests.unit.apps.text_commands import TEXT_COMMANDS

WORDS = b"pear\napple\nfig\napple\nBanana\n\nfig 10\nfig 9\nkiwi 007\n"

FILES: dict[str, bytes] = {
    "words": WORDS,
    "numbers": b"10\n9\n-3\n2.5\n2.25\n007\n\nabc\n1e3\n 4\n",
    "table": b"carol:30:x\nalice:25:y\nbob:30:a\ndave:4:\n:7:none\nnofields\n",
    "unended": b"first\nsecond line\nno newline at the end",
    "empty": b"",
    "binary": bytes(range(256)) + b"\0" * 64 + b"tail",
    "text": b"The quick brown fox\njumps over the lazy dog.\n\nfoo123 bar_45 foo\nTHE END (or not)\na.b*c\n[x]\n",
    "sorted": b"a\na\nb\nb\nb\nc\n",
    "tabs": b"a\tb\tc\n1\t2\t3\nplain\n",
    "patterns": b"fox\nEND\n",
    "dir/inner": b"inside the fox\n",
    "dir/sub/deep": b"deep down\n",
    "dir/.hidden": b"hidden\n",
    "other": b"pear\napple\nfig\nAPPLE\n",
}
"""By path, what every command line finds."""

COMMANDS: dict[str, tuple[str, ...]] = {
    name: (*TEXT_COMMANDS.get(name, ()), *FILE_COMMANDS.get(name, ()), *EDITING_COMMANDS.get(name, ()))
    for name in {**TEXT_COMMANDS, **FILE_COMMANDS, **EDITING_COMMANDS}
}
"""By utility, its command lines as a shell would split them."""
