"""A model of the services that administration utilities ask, and a way to run the utilities on it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from cloudos.abi.errors import NotFound
from cloudos.apps.administration.__main__ import main
from cloudos.contracts.audits import Audit
from cloudos.contracts.console import Console
from cloudos.contracts.devices import Clock
from cloudos.contracts.errors import ServiceGone
from cloudos.contracts.files import FILE, TERMINAL, Files
from cloudos.contracts.logs import Log
from cloudos.contracts.policies import Policies
from cloudos.contracts.programs import Programs
from cloudos.contracts.streams import Status, Stream
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U8, U64, Error, Region, Slice
from cloudos.lang.slices import read_only
from cloudos.sdk import List, Text, console, local_calls, models
from cloudos.sdk.bundle import bundle
from cloudos.sdk.host_files import fill
from cloudos.sdk.hosted import make_bundle
from cloudos.sdk.local_system import LocalModel
from cloudos.sdk.service import CALLER, server

HANDLES = {
    "supervisor": 10,
    "programs": 11,
    "log": 12,
    "audit": 13,
    "files": 14,
    "clock": 15,
    "console": 16,
    "policy": 17,
}
STREAMS = 20  # the first handle of an open file


class Model:
    """Operations that a test does not need fail."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._fail

    def _fail(self, *arguments: Any) -> Any:
        raise ServiceGone


def put(content: bytes, into: Slice[U8]) -> U64:
    """Put as much as fits; how many bytes."""
    count = min(len(content), int(into.length))
    into[0:count].copy_from(read_only(content[:count]))
    return U64(count)


class SupervisorModel(Model):
    """Components by name; `commands` is what was asked for. Answers are at most `answer` bytes long."""

    def __init__(self) -> None:
        self.components = [b"files running 1 4096 16777216 1500000", b"log failed 12 0 1048576 61002000000"]
        self.components += [b"spare stopped 0 0 0 0"]
        self.held = {
            b"files": [b"offer endpoint receive init", b"clock endpoint use rtc", b"image image all kernel"],
            b"log": [b"port ports 112+2 machine"],
            b"spare": [],
        }
        self.total, self.used = 128 << 20, (40 << 20) + 1000
        self.commands: list[Any] = []
        self.refusal: type[Error] | None = None
        self.answer = 4032

    def list(self, position: U64, into: Slice[U8]) -> U64:
        return fill(self.components, position, into[0 : min(self.answer, int(into.length))])

    def holds(self, name: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        if bytes(name) not in self.held:
            raise NotFound
        return fill(self.held[bytes(name)], position, into[0 : min(self.answer, int(into.length))])

    def memory(self) -> tuple[U64, U64]:
        return U64(self.total), U64(self.used)

    def _do(self, command: str, name: Slice[U8]) -> None:
        if self.refusal is not None:
            raise self.refusal
        if bytes(name) not in self.held:
            raise NotFound
        self.commands.append((command, bytes(name)))

    def start(self, name: Slice[U8]) -> None:
        self._do("start", name)

    def stop(self, name: Slice[U8]) -> None:
        self._do("stop", name)

    def restart(self, name: Slice[U8]) -> None:
        self._do("restart", name)

    def shut_down(self, restart: bool) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.commands.append(("shut_down", bool(restart)))


class ProgramsModel(Model):
    """Programs as lines; `killed` is what was asked for."""

    def __init__(self) -> None:
        self.programs = [b"1 0 1 running 1048576 3725000000000 sh", b"7 1 7 running 307200 61000000000 /bin/sleep 100"]
        self.programs += [b"12 1 7 ended 0 90061000000000 cat"]
        self.killed: list[tuple[int, bool, int]] = []
        self.refusal: type[Error] | None = None
        self.answer = 4032

    def list(self, position: U64, into: Slice[U8]) -> U64:
        return fill(self.programs, position, into[0 : min(self.answer, int(into.length))])

    def kill(self, number: U64, group: bool, signal: U64) -> None:
        if self.refusal is not None:
            raise self.refusal
        running = [line.split() for line in self.programs if line.split()[3] == b"running"]
        if not any(int(words[2 if group else 0]) == number for words in running):
            raise NotFound
        if signal == 0:
            return
        self.killed.append((int(number), bool(group), int(signal)))


class LogModel(Model):
    """Records by number. When all were read so often as `patience` says, the service ends: that ends following."""

    def __init__(self) -> None:
        self.records = [
            (3, 1_500_000, 6, b"init", b"files: started"),
            (4, 2_000_000_000, 3, b"net", b"no device"),
            (7, 61_000_123_000, 7, b"kernel", b"timer \x1b[2J calibrated"),
            (9, 100_000_000_000_000, 4, b"net", b"still  none"),
        ]
        self.later: list[tuple[int, int, int, bytes, bytes]] = []
        self.patience = 1000
        self.written: list[tuple[int, bytes]] = []
        self.refusal: type[Error] | None = None

    def read(self, position: U64, level: U64, into: Slice[U8]) -> U64:
        for number, time, urgency, component, text in self.records:
            if number >= position and urgency <= level:
                return put(b"%d %d %d %b %b" % (number, time, urgency, component, text), into)
        if self.patience == 0:
            raise ServiceGone
        self.patience -= 1
        if self.later:
            self.records.append(self.later.pop(0))
        return U64(0)

    def write(self, level: U64, text: Slice[U8]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.written.append((int(level), bytes(text)))


class AuditModel(Model):
    """Records, the oldest of which has number 5. One that is not held any more gives the oldest that is."""

    def __init__(self) -> None:
        self.records = [b"5 120 POLICY_LOADED #1", b"6 400 DENIED\n #2", b"7 900 PROCESS_ENDED #9"]
        self.sound = 3
        self.first = 5

    def read(self, position: U64, into: Slice[U8]) -> U64:
        index = max(int(position) - self.first, 0)
        return put(self.records[index], into) if index < len(self.records) else U64(0)

    def verify(self) -> tuple[U64, U64]:
        return U64(len(self.records)), U64(self.sound)


class PolicyModel(Model):
    """Labels as items, and what pairs of them allow; everything without labels."""

    def __init__(self) -> None:
        self.names = [b"0 system", b"1 dri\x1bver", b"2"]
        self.matrix = {(0, 0): 63, (0, 1): 12, (1, 0): 3, (2, 0): 48}

    def labels(self, position: U64, into: Slice[U8]) -> U64:
        return fill(self.names, position, into)

    def allowed(self, subject: U64, object: U64) -> U64:
        return U64(self.matrix.get((int(subject), int(object)), 0))


class FilesModel(Model):
    """Files by path, and mounts with their sizes."""

    def __init__(self) -> None:
        self.files: dict[bytes, bytes] = {}
        self.mounted = {b"/": (b"memory", 2 << 20, 1000), b"/tmp": (b"memory", 4096, 4096), b"/dev": (b"device", 0, 0)}
        self.streams = StreamsModel()
        self.next = STREAMS
        self.serve = server((Files, self), (Stream, self.streams))

    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64:
        if bytes(path) not in self.files:
            raise NotFound
        handle, self.next = self.next, self.next + 1
        self.streams.content[handle] = self.files[bytes(path)]
        local_calls.install(handle, self.serve.__dispatch__, badge=handle)  # type: ignore[attr-defined]
        return U64(handle)

    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        prefix = bytes(path) + b"/"
        names = [name.removeprefix(prefix) for name in self.files if name.startswith(prefix)]
        if not names:
            raise NotFound
        return fill(names, position, into)

    def status(self, path: Slice[U8]) -> Status:
        if bytes(path) not in self.files:
            raise NotFound
        return Status(U64(FILE))

    def space(self, path: Slice[U8]) -> tuple[U64, U64]:
        whole = bytes(path)
        places = [place for place in self.mounted if whole == place or whole.startswith(place.rstrip(b"/") + b"/")]
        if whole.startswith(b"/missing"):
            raise NotFound
        _, total, used = self.mounted[max(places, key=len)]
        return U64(total), U64(used)

    def mounts(self, position: U64, into: Slice[U8]) -> U64:
        return fill([b"%b %b rw" % (kind, path) for path, (kind, _, _) in self.mounted.items()], position, into)


class StreamsModel(Model):
    """What is left to read of each open file, by badge."""

    def __init__(self) -> None:
        self.content: dict[int, bytes] = {}

    def read(self, into: Slice[U8]) -> U64:
        badge = int(CALLER.badge)
        count = int(put(self.content[badge], into))
        self.content[badge] = self.content[badge][count:]
        return U64(count)

    def close(self) -> None:
        del self.content[int(CALLER.badge)]


class ConsoleModel(Model):
    """A terminal of 10 rows with keys that were pressed already. `leaving`: what it says in turn that has not left."""

    def __init__(self) -> None:
        self.keys = b""
        self.columns, self.rows = 40, 10
        self.modes: list[bool] = []
        self.leaving: list[int] = []

    def unsent(self) -> U64:
        return U64(self.leaving.pop(0) if self.leaving else 0)

    def window(self) -> tuple[U64, U64]:
        return U64(self.columns), U64(self.rows)

    def set_mode(self, raw: bool) -> None:
        self.modes.append(bool(raw))

    def read(self, into: Slice[U8]) -> U64:
        count = int(put(self.keys[:1], into))
        self.keys = self.keys[count:]
        return U64(count)

    def status(self) -> Status:
        return Status(U64(TERMINAL))


class ClockModel(Model):
    """It is 12:34:56."""

    def now(self) -> U64:
        return U64((86400 * 20000 + 12 * 3600 + 34 * 60 + 56) * 10**9 + 5)


class System(LocalModel):
    """The system calls, with two outputs; every pause is noted."""

    def __init__(self, feed: bytes) -> None:
        super().__init__()
        self.stdin = io.BytesIO(feed)
        self.out, self.err = io.BytesIO(), io.BytesIO()
        self.outputs = {1: self.out, 2: self.err}
        self.pauses: list[int] = []

    def thread_sleep(self, duration_ns: U64) -> None:
        super().thread_sleep(duration_ns)
        self.pauses.append(int(duration_ns))


@dataclass(frozen=True)
class Result:
    """What came out."""

    output: str
    status: int = 0
    errors: str = ""


class Machine:
    """All services. `without` names capabilities that the program does not hold; `terminal`: somebody watches."""

    def __init__(self) -> None:
        self.supervisor, self.programs, self.log = SupervisorModel(), ProgramsModel(), LogModel()
        self.audit, self.files, self.console, self.clock = AuditModel(), FilesModel(), ConsoleModel(), ClockModel()
        self.policy = PolicyModel()
        self.without: set[str] = set()
        self.terminal = False
        self.up = 3_661_000_000_000
        self.pauses: list[int] = []
        local_calls.reset()
        served = {
            "supervisor": server((Supervisor, self.supervisor)),
            "programs": server((Programs, self.programs)),
            "log": server((Log, self.log)),
            "audit": server((Audit, self.audit)),
            "policy": server((Policies, self.policy)),
            "files": self.files.serve,
            "clock": server((Clock, self.clock)),
            "console": server((Console, self.console), (Stream, self.console)),
        }
        for name, serve in served.items():
            local_calls.install(HANDLES[name], serve.__dispatch__)  # type: ignore[attr-defined]

    def run(self, *arguments: str, feed: bytes = b"") -> Result:
        """Run a utility by the path of its file."""
        return self.call(f"/bin/{arguments[0]}", *arguments[1:], feed=feed)

    def call(self, *arguments: str, feed: bytes = b"") -> Result:
        """Run the program with exactly these arguments."""
        system = System(feed)
        system.now = self.up
        models.install(system)
        handles = {name: number for name, number in HANDLES.items() if name not in self.without}
        if self.terminal:
            handles["stdout"] = HANDLES["console"]
        content = make_bundle(arguments, {"PWD": "/"}, {}, handles)
        region = Region(len(content), 64)
        region.data[:] = content
        bundle.attach(U64(region.address), U64(region.size))
        console.stdin.start = console.stdin.stop = U64(0)
        console.stdin.ended = False
        console.stdout.used = console.stderr.used = U64(0)
        given = List[Text]()
        for argument in arguments:
            given.append(Text(argument))
        status = int(main(given))
        console.stdout.flush()
        console.stderr.flush()
        self.pauses = system.pauses
        return Result(system.out.getvalue().decode(), status, system.err.getvalue().decode())
