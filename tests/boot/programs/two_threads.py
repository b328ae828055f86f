"""Two threads of one process: one calls the other through an endpoint, many times."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.lang import U8, U64, code_address
from cloudos.sdk import print, system
from cloudos.sdk.ipc import Message, call, receive, reply_and_receive
from cloudos.sdk.threads import start

ROUNDS = 1000


def server(endpoint: U64) -> None:
    message = Message()
    receive(endpoint, message)
    while True:
        message.words[0] = message.words[0] + message.words[1]
        message.words[7] = message.badge
        message.set(message.label + 1, U64(1))
        reply_and_receive(endpoint, message)


def main() -> U8:
    endpoint = system.endpoint_create(U64(initial.QUOTA))
    start(code_address(server), endpoint)
    message = Message()
    for index in U64.range(ROUNDS):
        message.set(U64(7), U64(2))
        message.words[0] = index
        message.words[1] = U64(1000)
        call(endpoint, message)
        if message.words[0] != index + 1000 or message.label != 8:
            print(f"wrong: {message.words[0]} {message.label}")
            return U8(1)
    print("done")
    return U8(0)
