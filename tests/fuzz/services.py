"""Every service that can be served without a kernel, new for each input: what answers, and over which model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.abi.errors import BadHandle, TooManyHandles
from cloudos.abi.objects import DERIVED, Kind
from cloudos.contracts.devices import Entropy, Serial
from cloudos.contracts.programs import Programs
from cloudos.host.bundle import Entry, encode
from cloudos.host.bundle import Kind as EntryKind
from cloudos.lang import U8, U64, Region, Slice, current_address_space, data
from cloudos.sdk import List, Text, local_calls, models, transport
from cloudos.sdk.bundle import Bundle
from cloudos.sdk.collections.map import Map
from cloudos.sdk.local_system import MAPPINGS, LocalModel, MemoryObject
from cloudos.sdk.service import server
from cloudos.services.audit.main import new_audit
from cloudos.services.audit.main import serve as audit_serve
from cloudos.services.console.main import new_console
from cloudos.services.console.main import serve as console_serve
from cloudos.services.entropy.main import EntropyServer
from cloudos.services.files import streams
from cloudos.services.files.main import FileServer, StreamServer
from cloudos.services.files.main import serve as files_serve
from cloudos.services.files.setup import standard_names
from cloudos.services.files.streams import STREAM_BADGE, OpenFile, OpenFiles
from cloudos.services.log.main import new_log
from cloudos.services.log.main import serve as log_serve
from cloudos.services.names.main import new_names
from cloudos.services.names.main import serve as names_serve
from cloudos.services.pipes.main import PipeServer
from cloudos.services.pipes.main import serve as pipes_serve
from cloudos.services.pipes.pipe import Pipe
from cloudos.services.policy.main import new_policy
from cloudos.services.policy.main import serve as policy_serve
from tests.boot.programs.contract_sample import SERVER as SAMPLE
from tests.boot.programs.contract_sample import serve as sample_serve

SERVICE, SERIAL, PROGRAMS, STATE, KERNEL, BELL = 1, 2, 3, 4, 5, 6
LIFE = 5
RIGHTS_BITS = 0xFF << 8
MOST_HANDLES = 64
Made = tuple[Callable[..., None], tuple[Any, ...]]


class Model(LocalModel):
    """System calls of one service. The clock goes on by a millisecond each time; handles run out and are given up."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[int] = set()
        self.badges: list[int] = []
        self.derived = 0

    def clock_read(self) -> U64:
        self.now += 1_000_000
        return U64(self.now)

    def handle_derive(self, handle: U64, rights: U64, badge: U64) -> U64:
        self.derived += 1
        if self.derived > MOST_HANDLES:
            raise TooManyHandles
        if int(handle) in self.gone:
            raise BadHandle
        if badge != 0:
            self.badges.append(int(badge))
        return U64(self._new())

    def handle_inspect(self, handle: U64) -> U64:
        if int(handle) in self.gone:
            raise BadHandle
        return U64(int(Kind.ENDPOINT) | RIGHTS_BITS | (DERIVED if int(handle) % 3 else 0))


class Driver:
    """A serial line that takes part of what is written, and has nothing to read."""

    def read(self, into: Slice[U8]) -> U64:
        return U64(0)

    def write(self, data: Slice[U8]) -> U64:
        return min(data.length, U64(100))

    def watch(self, notification: U64) -> None:
        return


class NoPrograms:
    """Starts and ends nothing."""

    def __getattr__(self, name: str) -> Any:
        if name in ("create", "pipe", "kill", "list", "set_foreground", "own", "attend"):
            return lambda *arguments: U64(0)
        raise AttributeError(name)


def texts(*values: str) -> List[Text]:
    """A list for systems Python."""
    made = List[Text]()
    for value in values:
        made.append(Text(value))
    return made


def in_memory(content: bytes) -> Bundle:
    """A bundle in simulated memory, which the caller keeps. Raises BadBundle."""
    region = Region(len(content), 4096)
    region.data[:] = content
    REGIONS.append(region)
    made = Bundle()
    made.attach(U64(region.address), U64(region.size))
    return made


REGIONS: list[Region] = []
FILES = (
    Entry(EntryKind.FILE, b"/etc/motd", b"hello"),
    Entry(EntryKind.FILE, b"/bin/tool", bytes(4096)),
    Entry(EntryKind.FILE, b"/usr/share/words", b"a\nb\n"),
    Entry(EntryKind.POLICY, b"", b"\xff\x01\x01\xff"),
)
IMAGE = encode(FILES)


def files(model: Model) -> Made:
    """The file service over a small image."""
    image = in_memory(IMAGE)
    names = standard_names(texts("files"), image, U64(0))
    opened = OpenFiles(U64(LIFE), U64(streams.MAXIMUM), Map[U64, OpenFile](), Map[U64, U64](), U64(0))
    server_of_names = FileServer(U64(SERVICE), names, opened, image.content.pointer.address.value)
    return files_serve, (server_of_names, StreamServer(opened, U64(0)))


def names(model: Model) -> Made:
    """The names service."""
    return names_serve, (new_names(),)


def log(model: Model) -> Made:
    """The log service, with a small ring."""
    return log_serve, (new_log(texts("log", "ring=4096", "name=2:shell"), U64(0)),)


def audit(model: Model) -> Made:
    """The audit service, with some records of the kernel's."""
    model.memories[STATE] = MemoryObject(bytearray(4096))
    model.audit_records = [bytes([number]) * 48 for number in range(2)]
    return audit_serve, (new_audit(U64(KERNEL), U64(STATE)),)


def policy(model: Model) -> Made:
    """The policy service over a matrix of two labels."""
    return policy_serve, (new_policy(texts("policy", "label=1:program"), in_memory(IMAGE)),)


def pipes(model: Model) -> Made:
    """The pipe service, with room for three pipes."""
    life = U64(STREAM_BADGE | 7 << 32)
    made = PipeServer(U64(SERVICE), life, Map[U64, Pipe](), U64(1), U64(3), U64(0), U64(4), U64(0))
    return pipes_serve, (made, made)


def console(model: Model) -> Made:
    """The console service over a slow line."""
    local_calls.install(SERIAL, dispatch_of(server((Serial, Driver()))))
    local_calls.install(PROGRAMS, dispatch_of(server((Programs, NoPrograms()))))
    made = new_console(U64(SERIAL), U64(PROGRAMS), U64(BELL))
    return console_serve, (made, made)


def entropy(model: Model) -> Made:
    """The entropy service, whose clock is no good source."""
    made = EntropyServer()
    made.seeded = True
    return server((Entropy, made)), ()


def sample(model: Model) -> Made:
    """The contract of the tests, which has every form of parameter."""
    SAMPLE.waits = U64(1)
    return sample_serve, ()


SERVICES = (files, pipes, names, log, audit, policy, console, entropy, sample)


def dispatch_of(loop: Any) -> Callable[..., None]:
    """What a server does with one message."""
    found: Callable[..., None] = loop.__dispatch__
    return found


class Serving:
    """One service, by its number, for one input. `finish` forgets it."""

    def __init__(self, number: int) -> None:
        local_calls.reset()
        self.model = Model()
        models.install(self.model)
        loop, self.objects = SERVICES[number % len(SERVICES)](self.model)
        local_calls.install(SERVICE, dispatch_of(loop), 0, *self.objects)

    def badge(self, choice: int) -> int:
        """Who asks: a small number, a badge that the service gave out, or one of a stream that is none."""
        known = [0, 1, 2, 3, STREAM_BADGE, STREAM_BADGE | LIFE << 32, (1 << 64) - 1, *self.model.badges]
        return known[choice % len(known)]

    def finish(self) -> None:
        """Back to what the process had."""
        SAMPLE.waits = U64(0)
        transport.ATTACHED.patience = U64(0)
        unmap_all(self.model)
        REGIONS.clear()
        local_calls.reset()
        models.install(models.SystemModel())


def unmap_all(model: LocalModel) -> None:
    """Give back what a model that is not used any more has shown of memory objects. The heap's memory stays the heap's."""
    for address, region in list(model.mapped.items()):
        if address >= MAPPINGS:
            del model.mapped[address]
            current_address_space().release(region)


def literal(content: bytes) -> Slice[U8]:
    """Bytes as systems Python has them."""
    return data(content)
