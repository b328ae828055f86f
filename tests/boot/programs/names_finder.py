"""A component that finds a log service by its name and uses it, and asks what the policy allows."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.contracts.errors import Exists, NoSpace
from cloudos.contracts.logs import NOTICE, Log
from cloudos.contracts.names import Names
from cloudos.contracts.policies import Policies
from cloudos.lang import U8, U32, U64, Array, Error, data, error_code, free_slice, new_slice, place
from cloudos.sdk import Text, print, system, transport
from cloudos.sdk.component import held

PAUSE = 1_000_000  # nanoseconds
INTO = place(Array[U8, Literal[500]]())
HOARD = 20_000  # more handles than the quota of a component of this image pays for
MOST = 20  # more names than one component may publish


def find(names: Names) -> U64:
    """Wait for the publisher."""
    while True:
        try:
            return names.look_up(data(b"records"))
        except NotFound:
            system.thread_sleep(U64(PAUSE))


def shown(count: U64) -> Text:
    """What came, with a bar for each zero byte."""
    for i in U64.range(count):
        if INTO[i] == 0:
            INTO[i] = U8(0x7C)
    return Text.from_bytes(INTO.slice()[0:count])


def writer(log: Log) -> Text:
    """Whose record it is that this component wrote, through whatever handle; init's are before it."""
    next = U64(0)
    while True:
        record = shown(log.read(next, U64(NOTICE), INTO.slice()))
        if record.length == 0 or record.ends_with("through a found handle"):
            return record.words()[3] if record.length > 0 else Text("nobody")
        next = U64(record.words()[0].to_integer()) + 1


def try_names(names: Names, found: U64) -> None:
    """Use what the other component published."""
    print(f"found contract {names.contract_of(data(b'records'))}")
    Log(found).write(U64(NOTICE), data(b"written through a found handle"))
    print(f"{writer(Log(found))} wrote it")
    print(f"names: {shown(names.list(U64(0), INTO.slice()))}")
    try:
        names.withdraw(data(b"records"))
    except Denied:
        print("withdraw: denied")
    try:
        names.publish(data(b"records"), U64(6), found)
    except Exists:
        print("publish: exists")
    try:
        names.publish(data(b"bell"), U64(6), system.notification_create(U64(initial.QUOTA)))
    except BadArgument:
        print("publish: this is no service")


def fill(names: Names, found: U64) -> U64:
    """Publish until there is no room; how many."""
    for count in U64.range(MOST):
        name = Text(f"name{count}")
        try:
            names.publish(name.content, U64(6), found)
        except NoSpace:
            return count
    return U64(MOST)


def hoard(names: Names) -> None:
    """Take handles until there is no room for more; only this component has to do without, and not for ever."""
    # All the memory that this takes is taken and touched first: in the end there is none.
    taken = new_slice(U64, U64(HOARD))
    taken.fill(U64(0))
    count, refusal = U64(0), U32(0)
    try:
        while count < HOARD:
            taken[count] = names.look_up(data(b"records"))
            count += 1
    except Error:
        refusal = error_code()
    for handle in taken[0:count]:
        transport.close(handle)
    free_slice(taken)
    transport.close(find(names))
    print(f"refused: {refusal}, {'many' if count > 1000 else 'few'} were found")


def try_policy(policies: Policies) -> None:
    """Ask what the image's policy allows."""
    print(f"labels: {shown(policies.labels(U64(0), INTO.slice()))}")
    for subject in U64.range(2):
        for object in U64.range(2):
            print(f"{subject} to {object}: {policies.allowed(subject, object)}")


def main() -> None:
    names = Names(held("names"))
    found = find(names)
    try_names(names, found)
    print(f"{fill(names, found)} names of its own")
    hoard(names)
    try_policy(Policies(held("policy")))
