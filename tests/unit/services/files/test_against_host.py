"""The name space and its streams against a directory of the host: the same results, the same errors."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from cloudos.contracts.files import APPEND, CREATE, DIRECTORY, EXCLUSIVE, READ, TRUNCATE, WRITE
from cloudos.services.files.memory_files import CHUNK
from tests.unit.services.files.service import Service, outcome

NOBODY = 65534
ERRORS = {
    errno.ENOENT: "NotFound",
    errno.EEXIST: "Exists",
    errno.ENOTDIR: "NotDirectory",
    errno.EISDIR: "IsDirectory",
    errno.ENOTEMPTY: "NotEmpty",
    errno.EACCES: "Denied",
    errno.EBUSY: "Busy",
    errno.ENAMETOOLONG: "NameTooLong",
}
FLAGS = {CREATE: os.O_CREAT, EXCLUSIVE: os.O_EXCL, TRUNCATE: os.O_TRUNC, APPEND: os.O_APPEND}

names = st.sampled_from(["a", "b"])
clean_paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
paths = st.tuples(clean_paths, st.sampled_from(["", "", "", "/"])).map("".join)
detours = st.sampled_from(["", "", "", "/", "/.", "/q/..", "/..", "//././x/y/../.."])
modes = st.one_of(
    st.sampled_from([0o700, 0o755]), st.sampled_from([0o700, 0o644, 0o600, 0o500, 0o400, 0o300, 0o100, 0])
)
flags = st.tuples(
    st.sampled_from([READ, WRITE, READ | WRITE]),
    st.sets(st.sampled_from([CREATE, EXCLUSIVE, TRUNCATE, APPEND])),
).map(lambda drawn: drawn[0] | sum(drawn[1]))
lengths = st.one_of(
    st.integers(0, 20), st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK]), st.integers(0, 20000)
)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """As a user for whom permissions count."""
    if os.getuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def host(function: Callable[[], Any], **others: str) -> Any:
    """What a call of the host gives, or the name of our error; `others`: errors that mean something else here."""
    try:
        with nobody():
            return function()
    except OSError as error:
        assert error.errno is not None
        return others.get(errno.errorcode[error.errno]) or ERRORS[error.errno]


def host_flags(ours: int) -> int:
    access = {READ: os.O_RDONLY, WRITE: os.O_WRONLY, READ | WRITE: os.O_RDWR}[ours & (READ | WRITE)]
    return access | sum(theirs for flag, theirs in FLAGS.items() if ours & flag)


class AgainstHost(RuleBasedStateMachine):
    """Every operation is done on both sides. Streams are pairs of our badge and the host's descriptor."""

    streams: Bundle[Any] = Bundle("streams")

    def __init__(self) -> None:
        super().__init__()
        self.service = Service()
        self.before = self.service.space(b"/")[1]
        self.mask = os.umask(0)
        self.base = tempfile.mkdtemp()
        if os.getuid() == 0:
            os.chown(self.base, NOBODY, NOBODY)
        self.open: dict[int, int] = {}

    @initialize(directories=st.lists(clean_paths, max_size=8), files=st.lists(clean_paths, max_size=8))
    def begin(self, directories: list[str], files: list[str]) -> None:
        for path in sorted(directories, key=len):
            self.make_directory(path, "", 0o700)
        for path in files:
            self.open_file(path, "", WRITE | CREATE, 0o600)

    def same(self, name: str, path: str, detour: str, function: Callable[[], Any], *more: int) -> None:
        ours = outcome(lambda: self.service.ask(name, (detour + path).encode(), *more))
        assert ours == host(function), (name, path)

    @rule(target=streams, path=paths, detour=detours, flags=flags, mode=modes)
    def open_file(self, path: str, detour: str, flags: int, mode: int) -> Any:
        if flags & TRUNCATE and not flags & WRITE:
            flags ^= TRUNCATE
        ours = outcome(lambda: self.service.open((detour + path).encode(), flags, mode))
        theirs = host(lambda: os.open(self.base + path, host_flags(flags), mode))
        assert isinstance(ours, int) == isinstance(theirs, int) and (isinstance(ours, int) or ours == theirs), (
            ours,
            theirs,
        )
        if isinstance(ours, str):
            return None
        self.open[ours] = theirs
        return ours

    @rule(path=paths, detour=detours, mode=modes)
    def make_directory(self, path: str, detour: str, mode: int) -> None:
        self.same("make_directory", path, detour, lambda: os.mkdir(self.base + path, mode), mode)

    @rule(path=paths, detour=detours)
    def remove_directory(self, path: str, detour: str) -> None:
        self.same("remove_directory", path, detour, lambda: os.rmdir(self.base + path))

    @rule(path=paths, detour=detours)
    def remove(self, path: str, detour: str) -> None:
        self.same("remove", path, detour, lambda: os.unlink(self.base + path))

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        ours = outcome(lambda: self.service.ask("rename", old.encode(), new.encode()))
        theirs = host(lambda: os.rename(self.base + old, self.base + new), EINVAL="BadArgument")
        assert ours == theirs, (old, new)

    @rule(path=paths, detour=detours, mode=modes)
    def change_mode(self, path: str, detour: str, mode: int) -> None:
        self.same("change_mode", path, detour, lambda: os.chmod(self.base + path, mode), mode)

    @rule(path=paths, time=st.integers(0, 2**60))
    def set_modified(self, path: str, time: int) -> None:
        self.same("set_modified", path, "", lambda: os.utime(self.base + path, ns=(time, time)), time)
        ours = outcome(lambda: self.service.status(path.encode()))
        assert isinstance(ours, str) or int(ours.modified) == time

    @rule(path=paths, detour=detours)
    def status(self, path: str, detour: str) -> None:
        ours = outcome(lambda: self.service.status((detour + path).encode()))
        theirs = host(lambda: os.stat(self.base + path))
        if isinstance(ours, str) or isinstance(theirs, str):
            assert ours == theirs
            return
        assert int(ours.mode) == theirs.st_mode & 0o7777
        assert (ours.kind == DIRECTORY) == os.path.stat.S_ISDIR(theirs.st_mode)  # type: ignore[attr-defined]
        assert ours.kind == DIRECTORY or int(ours.length) == theirs.st_size

    @rule(path=paths, detour=detours, room=st.sampled_from([2, 3, 4, 256]))
    def list_names(self, path: str, detour: str, room: int) -> None:
        ours = outcome(lambda: sorted(name.decode() for name in self.service.list_all((detour + path).encode(), room)))
        assert ours == host(lambda: sorted(os.listdir(self.base + path)))

    @rule(stream=streams, length=lengths)
    def read(self, stream: int | None, length: int) -> None:
        if stream in self.open:
            length = min(length, 4032)
            ours = outcome(lambda: self.service.read(stream, length))
            assert ours == host(lambda: os.read(self.open[stream], length), EBADF="Denied")

    @rule(stream=streams, length=lengths, first=st.integers(0, 255))
    def write(self, stream: int | None, length: int, first: int) -> None:
        if stream in self.open:
            content = bytes((first + i) % 251 for i in range(min(length, 4000)))
            ours = outcome(lambda: self.service.write(stream, content))
            assert ours == host(lambda: os.write(self.open[stream], content), EBADF="Denied")

    @rule(stream=streams, offset=st.one_of(st.integers(-30000, 30000), st.integers(-5, 5)), origin=st.integers(0, 2))
    def seek(self, stream: int | None, offset: int, origin: int) -> None:
        if stream in self.open and self.service.stream_status(stream).kind != DIRECTORY:
            ours = outcome(lambda: self.service.seek(stream, offset, origin))
            assert ours == host(lambda: os.lseek(self.open[stream], offset, origin), EINVAL="BadArgument")

    @rule(stream=streams, length=lengths)
    def truncate(self, stream: int | None, length: int) -> None:
        if stream in self.open:
            ours = outcome(lambda: self.service.truncate(stream, length))
            assert ours == host(lambda: os.ftruncate(self.open[stream], length), EBADF="Denied", EINVAL="Denied")

    @rule(stream=consumes(streams))
    def close(self, stream: int | None) -> None:
        if stream in self.open:
            self.service.close(stream)
            os.close(self.open.pop(stream))

    @invariant()
    def open_files_are_the_same(self) -> None:
        for stream, descriptor in self.open.items():
            ours, theirs = self.service.stream_status(stream), os.fstat(descriptor)
            assert ours.kind == DIRECTORY or (int(ours.length), int(ours.links)) == (theirs.st_size, theirs.st_nlink)

    def teardown(self) -> None:
        os.umask(self.mask)
        for stream, descriptor in self.open.items():
            self.service.close(stream)
            os.close(descriptor)
        for directory, _, _ in os.walk(self.base):
            os.chmod(directory, 0o700)
        shutil.rmtree(self.base)
        self.remove_all(b"")
        gc.collect()
        assert self.service.space(b"/")[1] == self.before, "what is gone is still charged"

    def remove_all(self, path: bytes) -> None:
        """As `rm -r`: list a piece, remove it, go on."""
        position = 0
        while found := self.service.names_from(path or b"/", position, 6):
            for name in found:
                if path + b"/" + name == b"/dev":
                    continue
                below = path + b"/" + name
                self.service.ask("change_mode", below, 0o700)
                if self.service.status(below).kind == DIRECTORY:
                    self.remove_all(below)
                    self.service.ask("remove_directory", below)
                else:
                    self.service.ask("remove", below)
            position += len(found)


class TestAgainstHost(AgainstHost.TestCase):  # type: ignore[valid-type,misc]
    """What is there already is no garbage: hundreds of collections need not look through it."""

    settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

    @classmethod
    def setUpClass(cls) -> None:
        gc.collect()
        gc.freeze()

    @classmethod
    def tearDownClass(cls) -> None:
        gc.unfreeze()
