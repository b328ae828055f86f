"""Every service that can be served without a kernel, new for each input: what answers, and over which model."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from cloudos.abi import initial
from cloudos.abi.errors import BadHandle, TooManyHandles
from cloudos.abi.objects import DERIVED, Kind
from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.contracts.devices import Entropy, Serial
from cloudos.contracts.programs import Programs
from cloudos.host.bundle import Entry as BundleEntry
from cloudos.host.bundle import Kind as EntryKind
from cloudos.host.bundle import encode
from cloudos.lang import U8, U64, Region, Slice, UserPtr, current_address_space, data
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
from cloudos.services.loader.main import Loader
from cloudos.services.loader.main import serve as loader_serve
from cloudos.services.loader.reading import Kept, Library
from cloudos.services.loader.table import Entry
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

SERVICE, SERIAL, PROGRAMS, STATE, KERNEL, BELL, FILES_SERVICE, PIPES_SERVICE = 1, 2, 3, 4, 5, 6, 7, 8
PAGE = 4096
LIFE = 5
RIGHTS_BITS = 0xFF << 8
MOST_HANDLES = 64
Made = tuple[Callable[..., None], tuple[Any, ...]]


class Model(LocalModel):
    """System calls of one service. The clock goes on by a millisecond each time; handles run out and are given up.

    `fail_in`: the call after so many more, of those that may fail, does; `fail_with` says by which of its errors.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[int] = set()
        self.badges: list[int] = []
        self.installed: dict[int, int] = {}
        self.derived = 0
        self.fail_in = 0
        self.fail_with = 0

    def __getattribute__(self, name: str) -> Any:
        call = CALLS.get(name)
        if call is not None and call.raises and self.fail_in:
            self.fail_in -= 1
            if self.fail_in == 0:
                return failing(call.raises[self.fail_with % len(call.raises)])
        return super().__getattribute__(name)

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
        made = self._new()
        if int(handle) in self.memories:
            self.memories[made] = self.memories[int(handle)]
        else:
            local_calls.derive(int(handle), made, int(badge))
        return U64(made)

    def handle_inspect(self, handle: U64) -> U64:
        if int(handle) in self.gone:
            raise BadHandle
        return U64(int(Kind.ENDPOINT) | RIGHTS_BITS | (DERIVED if int(handle) % 3 else 0))

    # Programs: nothing of them is there but their handles.

    def quota_create(self, parent: U64, limit: U64) -> U64:
        return U64(self._new())

    def quota_inspect(self, quota: U64, buffer: UserPtr[U8]) -> None:
        region, offset = self._find(buffer, U64(16))
        region.data[offset : offset + 16] = (1 << 20).to_bytes(8, "little") + (16 << 20).to_bytes(8, "little")

    def process_create(self, quota: U64, label: U64) -> U64:
        made = self._new()
        self.installed[made] = 0
        return U64(made)

    def process_install(self, process: U64, handle: U64, rights: U64, badge: U64) -> U64:
        # The first handles of a process are those of `cloudos.abi.initial`, in their order.
        self.installed[int(process)] += 1
        return U64(FIRST_HANDLES[min(self.installed[int(process)], len(FIRST_HANDLES)) - 1])

    def process_space(self, process: U64) -> U64:
        return U64(self._new())

    def process_inspect(self, process: U64) -> U64:
        return U64(0x107)

    def process_kill(self, process: U64) -> None:
        return

    def process_bind(self, process: U64, notification: U64, bits: U64) -> None:
        return

    def thread_create(self, process: U64, schedule: U64, entry: U64, stack: U64, argument: U64) -> U64:
        return U64(self._new())

    def thread_start(self, thread: U64) -> None:
        return

    def space_map(self, space: U64, memory: U64, address: U64, offset: U64, length: U64, access: U64) -> None:
        if space == initial.SPACE:
            super().space_map(space, memory, address, offset, length, access)


def failing(error: type[Exception]) -> Callable[..., Any]:
    """A system call that fails so."""

    def fail(*arguments: Any) -> Any:
        raise error

    return fail


# The heap's own, and what only fails for callers that are broken.
NEVER_FAIL = ("memory_map", "memory_unmap", "thread_set_buffer", "console_write", "handle_close")
CALLS = {call.name: call for call in SYSTEM_CALLS if call.name not in NEVER_FAIL}
FIRST_HANDLES = (initial.PROCESS, initial.THREAD, initial.QUOTA, initial.SCHEDULE, initial.POLICY, initial.AUDIT,
                 initial.SPACE)  # fmt: skip


class Driver:
    """A serial line that takes part of what is written, and has nothing to read."""

    def read(self, into: Slice[U8]) -> U64:
        return U64(0)

    def write(self, data: Slice[U8]) -> U64:
        return min(data.length, U64(100))

    def unsent(self) -> U64:
        return U64(0)

    def watch(self, notification: U64) -> None:
        return


class NoPrograms:
    """Starts and ends nothing."""

    def __getattr__(self, name: str) -> Any:
        if name in ("create", "create_within", "limits", "pipe", "kill", "list", "set_foreground", "own", "attend"):
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


def program() -> bytes:
    """A small ELF file for x86_64: one page of code, and one that can be written."""
    segments = ((5, PAGE, 0x40_1000, 16, 16), (6, PAGE, 0x40_2000, 16, 5000))
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x40_1000, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    for flags, offset, address, stored, size in segments:
        header += struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, stored, size, PAGE)
    return header.ljust(PAGE, b"\0") + bytes(range(16))


FILES = (
    BundleEntry(EntryKind.FILE, b"/etc/motd", b"hello"),
    BundleEntry(EntryKind.FILE, b"/bin/tool", program()),
    BundleEntry(EntryKind.FILE, b"/usr/share/words", b"a\nb\n"),
    BundleEntry(EntryKind.POLICY, b"", b"\xff\x01\x01\xff"),
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


def loader(model: Model) -> Made:
    """The loader, over a file service with one program, and a pipe service."""
    local_calls.install(FILES_SERVICE, dispatch_of(files_serve), 1, *files(model)[1])
    local_calls.install(PIPES_SERVICE, dispatch_of(pipes_serve), 1, *pipes(model)[1])
    model.memories[STATE] = MemoryObject(bytearray(IMAGE.ljust(-(-len(IMAGE) // PAGE) * PAGE, b"\0")))
    library = Library(U64(FILES_SERVICE), List[Kept](), U64(STATE), in_memory(IMAGE).content)
    none = U64(0)
    made = Loader(
        U64(SERVICE), U64(BELL), U64(FILES_SERVICE), U64(PIPES_SERVICE), U64(KERNEL), library, List[Entry](), U64(1),
        none, U64(33), none, U64(0),
    )  # fmt: skip
    return loader_serve, (made, made)


def sample(model: Model) -> Made:
    """The contract of the tests, which has every form of parameter."""
    SAMPLE.waits = U64(1)
    return sample_serve, ()


SERVICES = (files, pipes, names, log, audit, policy, console, entropy, sample, loader)


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
        # What the service holds is given back while its model still answers.
        self.objects = ()
        local_calls.reset()
        unmap_all(self.model)
        REGIONS.clear()
        models.install(models.SystemModel())


def unmap_all(model: LocalModel) -> None:
    """Give back what a model that is not used any more has shown of memory objects, but not the memory of the heap."""
    for address, region in list(model.mapped.items()):
        if address >= MAPPINGS:
            del model.mapped[address]
            current_address_space().release(region)


def literal(content: bytes) -> Slice[U8]:
    """Bytes as systems Python has them."""
    return data(content)
