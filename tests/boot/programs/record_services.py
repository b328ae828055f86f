"""Log, audit and entropy service in the machine, each in a process of its own."""

from __future__ import annotations

from typing import Literal

from cloudos.abi import initial
from cloudos.abi.objects import MEMORY_ON_DEMAND
from cloudos.contracts.audits import Audit
from cloudos.contracts.devices import Entropy
from cloudos.contracts.errors import NoSpace
from cloudos.contracts.logs import DEBUG, ERROR, Log
from cloudos.lang import U8, U64, Array, Slice, VirtAddr, code_address, data, place
from cloudos.sdk import ByteBuffer, List, Text, hardware_random, print, system, transport
from cloudos.sdk.memory import READ, WRITE, Memory, view
from cloudos.sdk.processes import Child
from cloudos.services.audit.main import new_audit
from cloudos.services.audit.main import serve as serve_audit
from cloudos.services.entropy.main import SERVER as ENTROPY
from cloudos.services.entropy.main import serve as serve_entropy
from cloudos.services.log.main import new_log
from cloudos.services.log.main import serve as serve_log

QUOTA = initial.QUOTA
ALL = 32767
STATE = 16384


INTO = place(Array[U8, Literal[500]]())


def run_log(endpoint: U64) -> None:
    transport.attach()
    arguments = List[Text]()
    arguments.append(Text("name=20:shell"))
    serve_log(endpoint, new_log(arguments, U64(0)))


def run_audit(endpoint: U64) -> None:
    """The handles that follow the endpoint in the table: the kernel's records, and kept memory."""
    transport.attach()
    serve_audit(endpoint, new_audit(endpoint + 1, endpoint + 2))


def run_entropy(endpoint: U64) -> None:
    transport.attach()
    ENTROPY.start()
    serve_entropy(endpoint)


def start(child: Child, function: VirtAddr, first: U64, second: U64) -> U64:
    """Run a service; `first` and `second` are handles that it is given besides. Its endpoint."""
    endpoint = system.endpoint_create(U64(QUOTA))
    child.make(U64(QUOTA))
    # As every process that init starts has it: its space, so that it can map its kept memory.
    for _ in U64.range(6):
        system.process_install(child.process, child.process, U64(0), U64(0))
    space = system.process_space(child.process)
    assert system.process_install(child.process, space, U64(0), U64(0)) == initial.SPACE
    there = system.process_install(child.process, endpoint, U64(0), U64(0))
    if first != 0:
        assert system.process_install(child.process, first, U64(0), U64(0)) == there + 1
        assert system.process_install(child.process, second, U64(0), U64(0)) == there + 2
    child.start(function, there)
    return endpoint


def words(count: U64) -> List[Text]:
    """The words of what came."""
    line = ByteBuffer()
    line.write(INTO.slice()[0:count])
    return line.to_text().words()


def try_log() -> None:
    endpoint = start(Child(), code_address(run_log), U64(0), U64(0))
    shell = Log(system.handle_derive(endpoint, U64(ALL), U64(20)))
    other = Log(system.handle_derive(endpoint, U64(ALL), U64(30)))
    shell.write(U64(ERROR), data(b"hello"))
    other.write(U64(DEBUG), data(b"there"))
    for number in U64.range(1, 3):
        line = words(other.read(number, U64(DEBUG), INTO.slice()))
        print(f"log: {line[0]} {line[2]} {line[3]} {line[4]}")
    refused = U64(0)
    for _ in U64.range(2000):
        try:
            shell.write(U64(DEBUG), data(b"flood"))
        except NoSpace:
            refused += 1
    print(f"log: refused {refused > 0}")
    other.write(U64(DEBUG), data(b"still"))


def try_audit() -> None:
    memory = Memory()
    memory.create(U64(QUOTA), U64(STATE), U64(MEMORY_ON_DEMAND))
    kept = view(memory.map(U64(0), U64(STATE), U64(READ | WRITE)), U64(STATE))
    child = Child()
    audit = Audit(start(child, code_address(run_audit), U64(initial.AUDIT), memory.handle))
    count, sound = audit.verify()
    print(f"audit: {count >= 2} {count == sound}")
    line = words(audit.read(U64(1), INTO.slice()))
    print(f"audit: {line[0]} {line[2]} {line[3]}")
    system.process_kill(child.process)
    child.wait()
    # A new life of the service continues the chain, until somebody changes a record.
    child = Child()
    audit = Audit(start(child, code_address(run_audit), U64(initial.AUDIT), memory.handle))
    again, sound = audit.verify()
    print(f"audit: {again > count} {again == sound}")
    flip(kept)
    again, sound = audit.verify()
    print(f"audit: {again > 2} {sound}")
    system.process_kill(child.process)
    child.wait()


def flip(kept: Slice[U8]) -> None:
    """Change a bit of the second record."""
    kept[256 + 2 * 80 + 9] = kept[256 + 2 * 80 + 9] ^ 4


def try_entropy() -> None:
    source = hardware_random.seed_source()
    word = hardware_random.random_word(source)
    print(f"entropy: {(word is not None) == (source != hardware_random.NONE)}")
    entropy = Entropy(start(Child(), code_address(run_entropy), U64(0), U64(0)))
    ones = U64(0)
    for _ in U64.range(100):
        assert entropy.fill(INTO.slice()) == 500
        for byte in INTO.slice():
            ones += U64(byte.count_ones())
    # 400,000 bits: the standard deviation of their sum is 316.
    print(f"entropy: {197_000 < ones < 203_000}")


def main() -> None:
    transport.attach()
    try_log()
    try_audit()
    try_entropy()
