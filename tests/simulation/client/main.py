"""A client."""
from __future__ import annotations

from cloudos.contracts.names import Names
from cloudos.lang import U64, data
from cloudos.sdk import system
from cloudos.sdk.component import held
from cloudos.sdk.process import exit
from cloudos.lang import U8

def main() -> None:
    names = Names(held("names"))
    for i in range(200):
        names.publish(data(b"one"), U64(3), held("names"))
        got = names.look_up(data(b"one"))
        system.handle_close(got)
        names.withdraw(data(b"one"))
    import builtins
    builtins.print("client done")
    system.thread_sleep(U64(10**18))
