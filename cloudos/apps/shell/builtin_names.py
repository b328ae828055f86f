"""The commands that the shell itself has."""

from __future__ import annotations

from cloudos.lang import U8, IntEnum, enum
from cloudos.sdk import Map, Text


@enum(U8)
class Builtin(IntEnum):
    """Builtins by number; those up to TIMES are special: their assignments stay, and their errors end a script."""

    NONE = 0
    COLON = 1
    DOT = 2
    BREAK = 3
    CONTINUE = 4
    EVAL = 5
    EXEC = 6
    EXIT = 7
    EXPORT = 8
    READONLY = 9
    RETURN = 10
    SET = 11
    SHIFT = 12
    TRAP = 13
    UNSET = 14
    TIMES = 15
    CD = 20
    PWD = 21
    ECHO = 22
    PRINTF = 23
    TEST = 24
    BRACKET = 25
    TRUE = 26
    FALSE = 27
    READ = 28
    WAIT = 29
    JOBS = 30
    FG = 31
    BG = 32
    KILL = 33
    TYPE = 34
    COMMAND = 35
    LOCAL = 36
    GETOPTS = 37
    ALIAS = 38
    UNALIAS = 39
    UMASK = 40
    ULIMIT = 41


LAST_SPECIAL = 15


def is_special_builtin(builtin: Builtin) -> bool:
    """Whether POSIX calls it special."""
    return 0 < U8(builtin) <= LAST_SPECIAL


def builtin_table() -> Map[Text, Builtin]:
    """Builtins by name."""
    table = Map[Text, Builtin]()
    add_special(table)
    add_regular(table)
    return table


def add_special(table: Map[Text, Builtin]) -> None:
    """The special ones."""
    table[Text(":")] = Builtin.COLON
    table[Text(".")] = Builtin.DOT
    table[Text("break")] = Builtin.BREAK
    table[Text("continue")] = Builtin.CONTINUE
    table[Text("eval")] = Builtin.EVAL
    table[Text("exec")] = Builtin.EXEC
    table[Text("exit")] = Builtin.EXIT
    table[Text("export")] = Builtin.EXPORT
    table[Text("readonly")] = Builtin.READONLY
    table[Text("return")] = Builtin.RETURN
    table[Text("set")] = Builtin.SET
    table[Text("shift")] = Builtin.SHIFT
    table[Text("trap")] = Builtin.TRAP
    table[Text("unset")] = Builtin.UNSET
    table[Text("times")] = Builtin.TIMES


def add_regular(table: Map[Text, Builtin]) -> None:
    """The others."""
    table[Text("cd")] = Builtin.CD
    table[Text("pwd")] = Builtin.PWD
    table[Text("echo")] = Builtin.ECHO
    table[Text("printf")] = Builtin.PRINTF
    table[Text("test")] = Builtin.TEST
    table[Text("[")] = Builtin.BRACKET
    table[Text("true")] = Builtin.TRUE
    table[Text("false")] = Builtin.FALSE
    table[Text("read")] = Builtin.READ
    table[Text("wait")] = Builtin.WAIT
    table[Text("jobs")] = Builtin.JOBS
    table[Text("fg")] = Builtin.FG
    table[Text("bg")] = Builtin.BG
    table[Text("kill")] = Builtin.KILL
    table[Text("type")] = Builtin.TYPE
    table[Text("command")] = Builtin.COMMAND
    table[Text("local")] = Builtin.LOCAL
    table[Text("getopts")] = Builtin.GETOPTS
    table[Text("alias")] = Builtin.ALIAS
    table[Text("unalias")] = Builtin.UNALIAS
    table[Text("umask")] = Builtin.UMASK
    table[Text("ulimit")] = Builtin.ULIMIT


def standard_path() -> Text:
    """Where programs are looked for when PATH is not set."""
    return Text("/bin")
