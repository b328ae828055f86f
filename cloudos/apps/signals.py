"""The signals of POSIX by name and number: they end, stop or continue programs, or are told to those that want that."""

from __future__ import annotations

from cloudos.lang import U64
from cloudos.sdk import InvalidNumber, Text
from cloudos.sdk.collections.parsing import parse_digits

# In the order of their customary numbers, from 1.
SIGNALS = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU \
URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
LAST = 31
# Those that neither end nor stop a program on other systems: SIGCHLD, SIGURG, SIGWINCH.
HARMLESS = 1 << 17 | 1 << 23 | 1 << 28


def signal_of(name: Text) -> U64 | None:
    """The number of a signal given by number or by name in any case, with or without SIG; 0 for EXIT and NULL."""
    try:
        value = parse_digits(name.content)
        return value if value <= LAST else None
    except InvalidNumber:
        pass
    small = name.lower()
    if small.starts_with("sig"):
        small = small.slice(U64(3), small.length)
    if small.equals("exit") or small.equals("null"):
        return U64(0)
    names = Text(SIGNALS).lower().words()
    for i in U64.range(names.length):
        if names[i] == small:
            return i + 1
    return None


def signal_name(number: U64) -> Text:
    """The name of a signal without SIG; EXIT for 0."""
    if number == 0:
        return Text("EXIT")
    return Text(SIGNALS).words()[number - 1]
