"""What clients do. Each operation gives a plain value, or raises Failed with its stage and the error's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Literal

from cloudos.abi import initial
from cloudos.abi.errors import NotFound
from cloudos.abi.objects import MEMORY_PAID, Rights
from cloudos.contracts.audits import Audit
from cloudos.contracts.devices import Clock, Entropy
from cloudos.contracts.files import APPEND, CREATE, READ, TRUNCATE, WRITE, Files
from cloudos.contracts.logs import DEBUG, INFORMATION, Log
from cloudos.contracts.names import Names
from cloudos.contracts.pipes import Pipes
from cloudos.contracts.policies import Policies
from cloudos.contracts.programs import KILL, Program, Programs
from cloudos.contracts.streams import START, Stream
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import I64, U8, U64, Array, Error, Slice, data, place, struct, zeroed
from cloudos.sdk import system, transport
from cloudos.sdk.component import held
from cloudos.sdk.memory import PAGE, Memory, unmap, view
from cloudos.sdk.memory import READ as MAP_READ
from cloudos.sdk.memory import WRITE as MAP_WRITE

PORTION = 4000
CALL_RIGHTS = Rights.SEND | Rights.DERIVE | Rights.INSPECT


@struct
class Room:
    """Bytes that come."""

    bytes: Array[U8, Literal[4032]] = zeroed()


ROOM = place(Room())


class Failed(Exception):
    """An operation came no further: at `stage`, with an error of this name."""

    def __init__(self, stage: str, error: str) -> None:
        super().__init__(stage, error)
        self.stage = stage
        self.error = error


@contextmanager
def stage(name: str) -> Iterator[None]:
    """What fails within did so at this stage."""
    try:
        yield
    except Error as error:
        raise Failed(name, type(error).__name__) from None


class Session:
    """The services that the client was given."""

    def __init__(self) -> None:
        self.names = Names(held("names"))
        self.files = Files(held("files"))
        self.pipes = Pipes(held("pipes"))
        self.log = Log(held("log"))
        self.audit = Audit(held("audit"))
        self.entropy = Entropy(held("entropy"))
        self.policies = Policies(held("policies"))
        self.programs = Programs(held("programs"))
        self.clock = Clock(held("clock"))
        self.terminal = Stream(held("terminal"))
        self.supervisor = Supervisor(held("supervisor"))
        # Of the log: the number of the next record to be read.
        self.position = 0


def room() -> Slice[U8]:
    """Where bytes that come are put."""
    return ROOM.bytes.slice()


def taken(count: U64) -> bytes:
    """The bytes that came."""
    return bytes(room()[U64(0) : count])


def all_parts(read: Callable[[U64, Slice[U8]], U64]) -> list[bytes]:
    """All items of a list that is read from a position on."""
    found: list[bytes] = []
    while True:
        part = taken(read(U64(len(found)), room()))
        if not part:
            return found
        found += part.split(b"\0")[:-1]


@contextmanager
def closing(handle: U64) -> Iterator[Stream]:
    """A stream that is closed in the end, whatever happens."""
    try:
        yield Stream(handle)
    except Failed:
        give_up(handle)
        raise
    try:
        with stage("close"):
            Stream(handle).close()
    finally:
        transport.close(handle)


def give_up(handle: U64) -> None:
    """Close a stream of an operation that failed."""
    with suppress(Error):
        Stream(handle).close()
    transport.close(handle)


def write_all(stream: Stream, content: bytes) -> None:
    """Write all bytes."""
    done = 0
    while done < len(content):
        count = int(stream.write(data(content[done : done + PORTION])))
        assert 0 < count <= len(content) - done, f"a stream took {count} bytes of {len(content) - done}"
        done += count


def read_all(stream: Stream) -> bytes:
    """Read to the end."""
    found = b""
    while True:
        count = stream.read(room())
        if count == 0:
            return found
        found += taken(count)


# Names


def publish(session: Session, name: bytes, contract: int) -> None:
    with stage("publish"):
        session.names.publish(data(name), U64(contract), held("names"))


def look_up(session: Session, name: bytes) -> bytes:
    with stage("look up"):
        handle = session.names.look_up(data(name))
    try:
        with stage("use"):
            return b" ".join(str(int(word)).encode() for word in (Names(handle).contract_of(data(name)),))
    finally:
        transport.close(handle)


def contract_of(session: Session, name: bytes) -> int:
    with stage("contract"):
        return int(session.names.contract_of(data(name)))


def withdraw(session: Session, name: bytes) -> None:
    with stage("withdraw"):
        session.names.withdraw(data(name))


def list_names(session: Session) -> list[bytes]:
    with stage("list"):
        return all_parts(session.names.list)


# Files


def write_file(session: Session, path: bytes, content: bytes, append: bool) -> None:
    flags = WRITE | CREATE | (APPEND if append else TRUNCATE)
    with stage("open"):
        handle = session.files.open(data(path), U64(flags), U64(0o600))
    with closing(handle) as stream, stage("write"):
        write_all(stream, content)


def read_file(session: Session, path: bytes) -> bytes:
    with stage("open"):
        handle = session.files.open(data(path), U64(READ), U64(0))
    with closing(handle) as stream, stage("read"):
        return read_all(stream)


def file_length(session: Session, path: bytes) -> int:
    with stage("status"):
        return int(session.files.status(data(path)).length)


def remove_file(session: Session, path: bytes) -> None:
    with stage("remove"):
        session.files.remove(data(path))


def rename_file(session: Session, old: bytes, new: bytes) -> None:
    with stage("rename"):
        session.files.rename(data(old), data(new))


def patch_file(session: Session, path: bytes, offset: int, content: bytes) -> None:
    """Write in the midst of a file that is there."""
    with stage("open"):
        handle = session.files.open(data(path), U64(WRITE), U64(0))
    with closing(handle) as stream:
        with stage("seek"):
            assert stream.seek(I64(offset), U64(START)) == offset, "the position is another"
        with stage("write"):
            write_all(stream, content)


def truncate_file(session: Session, path: bytes, length: int) -> None:
    with stage("open"):
        handle = session.files.open(data(path), U64(WRITE), U64(0))
    with closing(handle) as stream, stage("truncate"):
        stream.truncate(U64(length))


def make_directory(session: Session, path: bytes) -> None:
    with stage("make"):
        session.files.make_directory(data(path), U64(0o700))


def remove_directory(session: Session, path: bytes) -> None:
    with stage("remove"):
        session.files.remove_directory(data(path))


def list_files(session: Session, path: bytes) -> list[bytes]:
    found: list[bytes] = []
    with stage("list"):
        while True:
            part = taken(session.files.list(data(path), U64(len(found)), room()))
            if not part:
                return found
            found += part.split(b"\0")[:-1]


# Pipes


def pass_through_pipe(session: Session, content: bytes) -> bytes:
    with stage("make"):
        reader, writer = session.pipes.make()
    with closing(reader) as source:
        with closing(writer) as target, stage("write"):
            write_all(target, content)
        with stage("read"):
            return read_all(source)


# Records


def write_record(session: Session, text: bytes) -> None:
    with stage("write"):
        session.log.write(U64(INFORMATION), data(text))


def note_record(session: Session, text: bytes) -> None:
    with stage("note"):
        session.log.note(U64(INFORMATION), data(text))


def read_records(session: Session) -> list[bytes]:
    """All records, from the first that is still there."""
    found: list[bytes] = []
    position = 0
    with stage("read"):
        while True:
            count = session.log.read(U64(position), U64(DEBUG), room())
            if count == 0:
                return found
            found.append(taken(count))
            position = int(found[-1].split(b" ", 1)[0]) + 1


def verify_audit(session: Session) -> tuple[int, int]:
    with stage("verify"):
        records, sound = session.audit.verify()
        return int(records), int(sound)


def read_audit(session: Session, position: int) -> bytes:
    with stage("read"):
        return taken(session.audit.read(U64(position), room()))


# Other services


def random_bytes(session: Session, length: int) -> bytes:
    with stage("fill"):
        return taken(session.entropy.fill(room()[U64(0) : U64(length)]))


def read_policy(session: Session) -> tuple[list[bytes], int]:
    with stage("labels"):
        labels = all_parts(session.policies.labels)
    with stage("allowed"):
        return labels, int(session.policies.allowed(U64(0), U64(0)))


def read_clock(session: Session) -> int:
    with stage("now"):
        return int(session.clock.now())


def read_terminal(session: Session, text: bytes) -> bytes:
    """A line that somebody types: `text`."""
    found = b""
    with stage("read"):
        while not found.endswith(b"\n"):
            count = session.terminal.read(room())
            if count == 0:
                return found
            found += taken(count)
    return found


def write_terminal(session: Session, text: bytes) -> None:
    with stage("write"):
        write_all(session.terminal, text)


def list_components(session: Session) -> list[bytes]:
    with stage("list"):
        return all_parts(session.supervisor.list)


def restart_component(session: Session, name: bytes) -> None:
    with stage("restart"):
        session.supervisor.restart(data(name))


# Programs


@contextmanager
def prepared(session: Session, arguments: tuple[bytes, ...]) -> Iterator[Program]:
    """A program that was given its arguments; in the end it is of no interest any more."""
    with stage("create"):
        program = Program(session.programs.create(data(b"/bin/worker")))
    try:
        with stage("arguments"):
            for argument in (b"worker", *arguments):
                program.add_argument(data(argument))
        yield program
    finally:
        with suppress(Error):
            program.close()
        transport.close(program.handle)


def run_program(session: Session, arguments: tuple[bytes, ...]) -> int:
    with prepared(session, arguments) as program:
        with stage("start"):
            program.start(U64(0))
        with stage("wait"):
            return int(program.wait())


def kill_program(session: Session, arguments: tuple[bytes, ...]) -> int:
    with prepared(session, arguments) as program:
        with stage("start"):
            number = program.start(U64(0))
        with stage("kill"):
            session.programs.kill(number, False, U64(KILL))
        with stage("wait"):
            return int(program.wait())


def end_programs(session: Session) -> None:
    """Of all clients, whatever runs."""
    with stage("list"):
        lines = taken(session.programs.list(U64(0), room())).split(b"\0")[:-1]
    with stage("kill"):
        for line in lines:
            with suppress(NotFound):  # it has ended, and its entry is kept
                session.programs.kill(U64(int(line.split(b" ")[0])), False, U64(KILL))


def program_output(session: Session, arguments: tuple[bytes, ...]) -> tuple[bytes, int]:
    with stage("pipe"):
        reader, writer = session.programs.pipe()
    with ExitStack() as later:
        source = later.enter_context(closing(reader))
        with closing(writer):
            program = later.enter_context(prepared(session, arguments))
            with stage("give"):
                program.give(data(b"stdout"), writer)
            with stage("start"):
                program.start(U64(0))
        with stage("read"):
            found = read_all(source)
        with stage("wait"):
            return found, int(program.wait())


# The kernel


def use_closed_handle(session: Session, between: int) -> str:
    """Close a handle, make others in its place, and use it: the name of the error."""
    with stage("derive"):
        closed = system.handle_derive(held("names"), U64(CALL_RIGHTS), U64(0))
    transport.close(closed)
    others: list[U64] = []
    try:
        with stage("derive others"):
            for _ in range(between):
                others.append(system.handle_derive(held("files"), U64(CALL_RIGHTS), U64(0)))
        return outcome_of(lambda: system.handle_inspect(closed))
    finally:
        for other in others:
            transport.close(other)


def revoke_children(session: Session, children: int) -> list[str]:
    """Take back what was derived from a handle: the names of the errors that using it then gives."""
    with stage("create"):
        parent = system.endpoint_create(U64(initial.QUOTA))
    derived: list[U64] = []
    try:
        with stage("derive children"):
            for number in range(children):
                origin = derived[-1] if number % 3 == 2 else parent
                derived.append(system.handle_derive(origin, U64(CALL_RIGHTS), U64(0)))
        with stage("revoke"):
            system.handle_revoke(parent)
        return [outcome_of(lambda child=child: system.handle_inspect(child)) for child in derived]  # type: ignore[misc]
    finally:
        for handle in (*derived, parent):
            transport.close(handle)


def outcome_of(function: Callable[[], Any]) -> str:
    """The name of the error that something gives; "" for none."""
    try:
        function()
    except Error as error:
        return type(error).__name__
    return ""


def remap_memory(session: Session, pages: int, content: bytes) -> list[bytes]:
    """Show memory at two places after each other; what is read: at the first place, and at the second."""
    memory = Memory()
    length = U64(pages * PAGE)
    with stage("create"):
        memory.create(U64(initial.QUOTA), length, U64(MEMORY_PAID))
    found = []
    try:
        for writes in (True, False):
            with stage("map"):
                address = memory.map(U64(0), length, U64(MAP_READ | MAP_WRITE))
            shown = view(address, length)[length - len(content) : length]
            if writes:
                shown.copy_from(data(content))
            found.append(bytes(shown))
            with stage("unmap"):
                unmap(address, length)
        return found
    finally:
        memory.close()


def pipeline(session: Session, arguments: tuple[bytes, ...]) -> tuple[bytes, int, int]:
    """What the second of two programs prints, which copies what the first one prints; their statuses."""
    with ExitStack() as later:
        with stage("pipe"):
            middle, source = session.programs.pipe()
        first = later.enter_context(running(session, arguments, {b"stdout": source}, {middle}))
        with stage("pipe"):
            reader, target = given_up({middle}, session.programs.pipe)
        output = later.enter_context(closing(reader))
        streams = {b"stdin": middle, b"stdout": target}
        second = later.enter_context(running(session, (b"copy",), streams, set()))
        with stage("read"):
            found = read_all(output)
        with stage("wait"):
            return found, int(first.wait()), int(second.wait())


def given_up(handles: set[U64], function: Callable[[], tuple[U64, U64]]) -> tuple[U64, U64]:
    """What a function gives; when it fails, streams are closed."""
    try:
        return function()
    except Error:
        for handle in handles:
            give_up(handle)
        raise


@contextmanager
def running(
    session: Session, arguments: tuple[bytes, ...], streams: dict[bytes, U64], others: set[U64]
) -> Iterator[Program]:
    """A program that runs with streams of its own, which are closed here; `others` too when it does not start."""
    with prepared_or(session, arguments, [*streams.values(), *others]) as program:
        try:
            for name, stream in streams.items():
                with stage("give"):
                    program.give(data(name), stream)
            with stage("start"):
                program.start(U64(0))
        except Failed:
            for handle in others:
                give_up(handle)
            raise
        finally:
            for stream in streams.values():
                give_up(stream)
        yield program


@contextmanager
def prepared_or(session: Session, arguments: tuple[bytes, ...], streams: list[U64]) -> Iterator[Program]:
    """`prepared`; when that fails, streams are closed."""
    made = prepared(session, arguments)
    try:
        program = made.__enter__()
    except Failed:
        for stream in streams:
            give_up(stream)
        raise
    with ExitStack() as later:
        later.push(made)
        yield program


def sleep(session: Session, duration: int) -> None:
    system.thread_sleep(U64(duration))


def shut_down(session: Session) -> None:
    with stage("shut down"):
        session.supervisor.shut_down(False)


OPERATIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        publish, look_up, contract_of, withdraw, list_names,
        write_file, read_file, file_length, remove_file, rename_file, list_files,
        patch_file, truncate_file, make_directory, remove_directory,
        pass_through_pipe,
        write_record, note_record, read_records, verify_audit, read_audit,
        random_bytes, read_policy, read_clock, read_terminal, write_terminal, list_components, restart_component,
        run_program, kill_program, end_programs, program_output, pipeline,
        use_closed_handle, revoke_children, remap_memory,
        sleep, shut_down,
    )
}  # fmt: skip
