"""The file service under CPython, without a kernel: a handle is the badge that it would carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudos.abi.objects import DERIVED
from cloudos.contracts.streams import Status
from cloudos.lang import I64, U8, U64, Error, Region, Slice, data, new_slice
from cloudos.sdk import models
from cloudos.sdk.bundle import Bundle
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map
from cloudos.sdk.collections.text import Text
from cloudos.sdk.hosted import make_bundle
from cloudos.sdk.service import CALLER
from cloudos.services.files import streams
from cloudos.services.files.main import FileServer, StreamServer
from cloudos.services.files.setup import standard_names
from cloudos.services.files.streams import OpenFile, OpenFiles

SESSION = 7
MINTER = 1


class Handles(models.SystemModel):
    """A machine that has room for so many handles, whose clock goes on by 1 each time that it is read."""

    room = 1 << 40
    now = 0

    def __init__(self) -> None:
        super().__init__()
        # Streams that nobody has a handle to any more.
        self.gone: set[int] = set()

    def handle_derive(self, handle: U64, rights: U64, badge: U64) -> U64:
        from cloudos.abi.errors import TooManyHandles

        if self.room == 0:
            raise TooManyHandles
        self.room -= 1
        # One that is derived from a handle with a badge keeps it.
        return badge if badge != 0 else handle

    def handle_inspect(self, handle: U64) -> U64:
        return U64(0 if int(handle) in self.gone else DERIVED)

    def handle_close(self, handle: U64) -> None:
        return

    def clock_read(self) -> U64:
        self.now += 1
        return U64(self.now)


def attached(content: bytes) -> Bundle:
    """A bundle in simulated memory."""
    region = Region(len(content), 4096)
    region.data[:] = content
    bundle = Bundle()
    bundle.attach(U64(region.address), U64(region.size))
    KEPT.append(region)
    return bundle


KEPT: list[Region] = []


class Service:
    """The two servers, called as their loop calls them, with Python's own values."""

    def __init__(self, *arguments: str, image: dict[str, bytes] | None = None, life: int = 5) -> None:
        self.machine = Handles()
        models.install(self.machine)
        texts = List[Text]()
        for argument in ("files", *arguments):
            texts.append(Text(argument))
        self.image = attached(make_bundle([], {}, image or {}))
        self.names = standard_names(texts, self.image, U64(0))
        self.open_files = OpenFiles(U64(life), U64(streams.MAXIMUM), Map[U64, OpenFile](), Map[U64, U64](), U64(0))
        self.files = FileServer(U64(0), self.names, self.open_files, self.image.content.pointer.address.value)
        self.streams = StreamServer(self.open_files, U64(0))

    def _call(self, badge: int, function: Callable[..., Any], *arguments: Any) -> Any:
        CALLER.badge = U64(badge)
        return function(*arguments)

    def ask(self, name: str, *arguments: bytes | int, session: int = SESSION) -> Any:
        """An operation of `Files`."""
        given = [data(one) if isinstance(one, bytes) else U64(one) for one in arguments]
        return self._call(session, getattr(self.files, name), *given)

    def open(self, path: bytes, flags: int, mode: int = 0o600, session: int = SESSION) -> int:
        return int(self.ask("open", path, flags, mode, session=session))

    def status(self, path: bytes) -> Status:
        found = self.ask("status", path)
        assert isinstance(found, Status)
        return found

    def _filled(self, badge: int, length: int, function: Callable[[Slice[U8]], U64]) -> bytes:
        area = new_slice(U8, max(length, 1))
        area.fill(U8(0xEE))
        count = int(self._call(badge, function, area[0:length]))
        assert count <= length
        return bytes(int(byte) for byte in area[0:count])

    def names_from(self, path: bytes, position: int = 0, room: int = 256) -> list[bytes]:
        """Names from one call."""
        content = self._filled(SESSION, room, lambda into: self.files.list(data(path), U64(position), into))
        return content.split(b"\0")[:-1]

    def list_all(self, path: bytes, room: int = 256) -> list[bytes]:
        names: list[bytes] = []
        while True:
            more = self.names_from(path, len(names), room)
            if not more:
                return names
            names += more

    def mounts(self) -> list[bytes]:
        content = self._filled(SESSION, 1024, lambda into: self.files.mounts(U64(0), into))
        return content.split(b"\0")[:-1]

    def space(self, path: bytes) -> tuple[int, int]:
        limit, used = self.ask("space", path)
        return int(limit), int(used)

    def read(self, stream: int, length: int) -> bytes:
        return self._filled(stream, length, self.streams.read)

    def write(self, stream: int, content: bytes) -> int:
        return int(self._call(stream, self.streams.write, data(content)))

    def seek(self, stream: int, offset: int, origin: int) -> int:
        return int(self._call(stream, self.streams.seek, I64(offset), U64(origin)))

    def truncate(self, stream: int, length: int) -> None:
        self._call(stream, self.streams.truncate, U64(length))

    def stream_status(self, stream: int) -> Status:
        found = self._call(stream, self.streams.status)
        assert isinstance(found, Status)
        return found

    def share(self, stream: int) -> None:
        self._call(stream, self.streams.share)

    def close(self, stream: int) -> None:
        self._call(stream, self.streams.close)

    def end(self, session: int, by: int = MINTER) -> None:
        self.ask("end_session", session, session=by)


def outcome(function: Callable[[], Any]) -> Any:
    """What a call gives, or the name of the error that it raises."""
    try:
        return function()
    except Error as error:
        return type(error).__name__
