"""The program that clients start: `exit N`, `print N TEXT`, `copy`, `sleep MILLISECONDS`, `panic`."""

from __future__ import annotations

from cloudos.lang import U8, U32, U64, UserPtr
from cloudos.sdk import List, Text, print, stdin, stdout, system


def main(args: List[Text]) -> U8:
    """Do what the arguments say; the status is that of `exit`, or 0."""
    what = args[1]
    if what.equals("exit"):
        return U8(args[2].to_integer())
    if what.equals("print"):
        for _ in U64.range(U64(args[2].to_integer())):
            print(f"{args[3]}")
    elif what.equals("copy"):
        content = stdin.read_all()
        stdout.write(content.content)
    elif what.equals("sleep"):
        system.thread_sleep(U64(args[2].to_integer()) * 1_000_000)
    elif what.equals("panic"):
        system.process_panic(U32(0), UserPtr.at(U8, U64(0)), U64(0))
    return U8(0)
