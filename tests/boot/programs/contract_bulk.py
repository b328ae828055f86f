"""A megabyte there and back through lent memory, and loans that a server must refuse."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument
from cloudos.contracts.errors import ServiceGone
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, code_address, struct
from cloudos.sdk import print, system, transport
from cloudos.sdk.bulk import Borrowed, Loan, lend
from cloudos.sdk.contract import contract, operation
from cloudos.sdk.memory import READ, WRITE
from cloudos.sdk.processes import Child
from cloudos.sdk.service import server

QUOTA = initial.QUOTA
MEGABYTE = 1 << 20
# Some pages are given back a little later; a page kept of each loan would be 1,600 KB.
SLACK = 65536


@contract(number=902, version=1)
class Bulk:
    """Work on lent memory."""

    handle: U64

    @operation(1, raises=(BadArgument, ServiceGone), shares=("memory",))
    def invert(self, memory: U64, length: U64) -> U64:
        """Invert all bits in place; the sum of the bytes that were there."""
        raise NotImplementedError

    @operation(2, raises=(BadArgument, ServiceGone), moves=("memory",))
    def sum(self, memory: U64, length: U64) -> U64:
        """The sum of all bytes."""
        raise NotImplementedError


@struct
class BulkServer:
    """What `Bulk` says."""

    def invert(self, memory: U64, length: U64) -> U64:
        """See the contract."""
        borrowed = Borrowed()
        borrowed.map(memory, length, U64(READ | WRITE))
        content = borrowed.content
        sum = U64(0)
        for i in U64.range(length):
            sum += U64(content[i])
            content[i] = ~content[i]
        borrowed.close()
        return sum

    def sum(self, memory: U64, length: U64) -> U64:
        """See the contract."""
        borrowed = Borrowed()
        borrowed.map(memory, length, U64(READ))
        sum = U64(0)
        for byte in borrowed.content:
            sum += U64(byte)
        borrowed.close()
        return sum


SERVER = BulkServer()
serve = server((Bulk, SERVER))


def run_server(endpoint: U64) -> None:
    transport.attach()
    serve(endpoint)


def start() -> U64:
    """Run the server in a process of its own; its endpoint."""
    endpoint = system.endpoint_create(U64(QUOTA))
    child = Child()
    child.make(U64(QUOTA))
    # As every process that init starts has it: its space, so that it can map what it is lent.
    for _ in U64.range(6):
        system.process_install(child.process, child.process, U64(0), U64(0))
    space = system.process_space(child.process)
    assert system.process_install(child.process, space, U64(0), U64(0)) == initial.SPACE
    there = system.process_install(child.process, endpoint, U64(0), U64(0))
    child.start(code_address(run_server), there)
    return endpoint


def used() -> U64:
    """Bytes of the quota of all processes that are in use."""
    # What was given back is taken apart bit by bit.
    system.thread_sleep(U64(50_000_000))
    words = Array[U64, Literal[2]]()
    system.quota_inspect(U64(QUOTA), UserPtr.at(U8, Ptr.to(words).address.value))
    return words[0]


def round_trip(bulk: Bulk) -> bool:
    """Whether a megabyte comes back as it should."""
    loan = Loan()
    loan.make(U64(QUOTA), U64(MEGABYTE), True)
    sum = U64(0)
    content = loan.content
    for i in U64.range(MEGABYTE):
        content[i] = U8.truncate(i * 7 + (i >> 12))
        sum += U64(content[i])
    good = bulk.invert(loan.handle, U64(MEGABYTE)) == sum
    for i in U64.range(MEGABYTE):
        good = good and content[i] == ~U8.truncate(i * 7 + (i >> 12))
    loan.close()
    return good


def refused(bulk: Bulk, memory: U64, length: U64) -> bool:
    """Whether the server does not take a loan."""
    try:
        bulk.invert(memory, length)
        return False
    except BadArgument:
        return True


def try_refusals(bulk: Bulk) -> None:
    """Loans that are not what the call says, and one that is."""
    loan = Loan()
    loan.make(U64(QUOTA), U64(5000), True)
    print(f"longer than the memory {refused(bulk, loan.handle, U64(8193))}")
    print(f"nothing {refused(bulk, loan.handle, U64(0))}")
    print(f"huge {refused(bulk, loan.handle, U64(0xFFFF_FFFF_FFFF_FFFF))}")
    print(f"no memory {refused(bulk, bulk.handle, U64(4096))}")
    loan.close()
    loan.make(U64(QUOTA), U64(5000), False)
    print(f"not to be written {refused(bulk, loan.handle, U64(5000))}")
    loan.content.fill(U8(3))
    print(f"sum {bulk.sum(lend(U64(QUOTA), loan.content), U64(5000))}")
    loan.close()


def repeat(bulk: Bulk) -> None:
    """Lend often: once what is refused, once what is not."""
    for _ in U64.range(200):
        loan = Loan()
        loan.make(U64(QUOTA), U64(5000), False)
        assert refused(bulk, loan.handle, U64(5000))
        assert bulk.sum(lend(U64(QUOTA), loan.content), U64(5000)) == 0
        loan.close()


def main() -> None:
    transport.attach()
    bulk = Bulk(start())
    print(f"round trip {round_trip(bulk)}")
    before = used()
    for _ in U64.range(3):
        assert round_trip(bulk)
    print(f"nothing is kept {used() < before + SLACK}")
    try_refusals(bulk)
    repeat(bulk)
    before = used()
    repeat(bulk)
    print(f"nothing is kept {used() < before + SLACK}")
