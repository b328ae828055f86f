"""The file service: sessions of `Files` and their open `Stream`s, all on one endpoint.

Who asks is known by the badge of the handle that was used: below 2**62 the number of a session, from there on an open
stream of one life of the service. The number 0, of a handle without a badge, is a session too.
"""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import (
    BadArgument,
    BadHandle,
    Denied,
    OutOfMemory,
    PeerGone,
    QuotaExceeded,
    TooManyHandles,
)
from cloudos.abi.objects import Rights
from cloudos.contracts.errors import NoSpace, ServiceGone
from cloudos.contracts.files import Files
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Slice, managed
from cloudos.sdk import system
from cloudos.sdk.collections.map import Map
from cloudos.sdk.component import held
from cloudos.sdk.environment import args
from cloudos.sdk.image_bundle import image_bundle
from cloudos.sdk.quotas import usage
from cloudos.sdk.service import CALLER, server
from cloudos.services.files.life import next_life
from cloudos.services.files.memory_files import SEARCH_MODE
from cloudos.services.files.mounts import Names
from cloudos.services.files.paths import parse_path
from cloudos.services.files.setup import standard_names
from cloudos.services.files.streams import (
    MAXIMUM,
    ROOM_PART,
    STREAM_BADGE,
    STREAM_COST,
    OpenFile,
    OpenFiles,
)
from cloudos.services.files.times import TIME

RIGHTS = Rights.SEND | Rights.DERIVE | Rights.TRANSFER | Rights.GRANT | Rights.INSPECT
# The session of who makes sessions.
MINTER = 1


def session() -> U64:
    """The session of the caller. Raises ServiceGone: what was used is no session."""
    if CALLER.badge >= STREAM_BADGE:
        raise ServiceGone
    return CALLER.badge


@managed
class FileServer:
    """Implements `Files`."""

    endpoint: U64
    space_of_names: Names
    open_files: OpenFiles
    # Where the boot bundle is shown.
    image: U64

    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64:
        """See `Files`."""
        caller = session()
        self.open_files.check_room(caller)
        node = self.space_of_names.open(parse_path(path), flags, mode)
        badge = self.open_files.add(node, flags, caller)
        try:
            file = self.open_files.get(badge)
            file.kept = system.handle_derive(self.endpoint, U64(RIGHTS), badge)
            return system.handle_derive(file.kept, U64(RIGHTS), U64(0))
        except (BadArgument, BadHandle, Denied, OutOfMemory, PeerGone, QuotaExceeded, TooManyHandles):
            self.open_files.close(badge)
            raise NoSpace

    def status(self, path: Slice[U8]) -> Status:
        """See `Files`."""
        session()
        return self.space_of_names.find(parse_path(path)).status()

    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        """See `Files`."""
        session()
        return self.space_of_names.list(parse_path(path), position, into)

    def make_directory(self, path: Slice[U8], mode: U64) -> None:
        """See `Files`."""
        session()
        self.space_of_names.make_directory(parse_path(path), mode)

    def remove_directory(self, path: Slice[U8]) -> None:
        """See `Files`."""
        session()
        self.space_of_names.remove_directory(parse_path(path))

    def remove(self, path: Slice[U8]) -> None:
        """See `Files`."""
        session()
        self.space_of_names.remove(parse_path(path))

    def rename(self, old: Slice[U8], new: Slice[U8]) -> None:
        """See `Files`."""
        session()
        self.space_of_names.rename(parse_path(old), parse_path(new))

    def change_mode(self, path: Slice[U8], mode: U64) -> None:
        """See `Files`."""
        session()
        self.space_of_names.change_mode(parse_path(path), mode)

    def set_modified(self, path: Slice[U8], time: U64) -> None:
        """See `Files`."""
        session()
        self.space_of_names.set_modified(parse_path(path), time)

    def space(self, path: Slice[U8]) -> tuple[U64, U64]:
        """See `Files`."""
        session()
        return self.space_of_names.space(parse_path(path))

    def mounts(self, position: U64, into: Slice[U8]) -> U64:
        """See `Files`."""
        session()
        return self.space_of_names.table(position, into)

    def in_image(self, path: Slice[U8]) -> tuple[U64, U64]:
        """See `Files`."""
        session()
        node = self.space_of_names.find(parse_path(path))
        content = node.fixed
        if content.length == 0 or not node.allows(U64(SEARCH_MODE)):
            return U64(0), U64(0)
        return content.pointer.address.value - self.image, content.length

    def end_session(self, session: U64) -> None:
        """See `Files`."""
        if CALLER.badge != MINTER:
            raise Denied
        self.open_files.end_session(session)


@managed
class StreamServer:
    """Implements `Stream`."""

    open_files: OpenFiles
    # A handle to `Entropy`, or 0.
    entropy: U64

    def file(self) -> OpenFile:
        """The stream of the caller. Raises ServiceGone."""
        return self.open_files.get(CALLER.badge)

    def read(self, into: Slice[U8]) -> U64:
        """See `Stream`."""
        return self.file().read(into, self.entropy)

    def write(self, data: Slice[U8]) -> U64:
        """See `Stream`."""
        return self.file().write(data)

    def seek(self, offset: I64, origin: U64) -> U64:
        """See `Stream`."""
        return self.file().seek(offset, origin)

    def status(self) -> Status:
        """See `Stream`."""
        return self.file().node.status()

    def truncate(self, length: U64) -> None:
        """See `Stream`."""
        self.file().truncate(length)

    def share(self) -> None:
        """See `Stream`."""
        self.open_files.share(CALLER.badge)

    def close(self) -> None:
        """See `Stream`."""
        self.open_files.close(CALLER.badge)


def most_streams() -> U64:
    """How many streams may be open, by the limit of the quota."""
    _, limit = usage(U64(initial.QUOTA))
    return U64(MAXIMUM) if limit == 0 else min(U64(MAXIMUM), limit // ROOM_PART // STREAM_COST)


serve = server((Files, FileServer), (Stream, StreamServer))


def main() -> None:
    """Serve for ever. Raises BadArgument (an argument is none), BadBundle (the image is none)."""
    TIME.clock = held("clock")
    entropy = held("entropy")
    image = image_bundle()
    names = standard_names(args(), image, entropy)
    open_files = OpenFiles(next_life(), most_streams(), Map[U64, OpenFile](), Map[U64, U64](), U64(0))
    endpoint = held("offer")
    start = image.content.pointer.address.value
    serve(endpoint, FileServer(endpoint, names, open_files, start), StreamServer(open_files, entropy))
