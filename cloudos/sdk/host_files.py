"""The host's files and clock as services under plain CPython: `install` puts them behind handles of the model.

Not part of compiled programs. Operations are those of `cloudos.contracts.files` and `streams`, over the same messages
that travel in the machine.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.abi.messages import MessageBuffer
from cloudos.contracts import errors
from cloudos.contracts.devices import Clock
from cloudos.contracts.files import (
    APPEND,
    CREATE,
    DEVICE,
    DIRECTORY,
    EXCLUSIVE,
    FILE,
    PIPE,
    READ,
    TERMINAL,
    TRUNCATE,
    WRITE,
    Files,
)
from cloudos.contracts.streams import Status, Stream
from cloudos.lang import I64, U8, U64, Error, Region, Slice, size_of
from cloudos.lang.slices import read_only
from cloudos.sdk import transport
from cloudos.sdk.models import SystemModel
from cloudos.sdk.service import CALLER, server

BUFFER = Region(size_of(MessageBuffer), 4096)
CLOCK = 0x0FFF
SESSION = 0x1000  # the handle of the session; streams follow

ERRORS: dict[int, type[Error]] = {
    errno.ENOENT: NotFound,
    errno.EACCES: Denied,
    errno.EPERM: Denied,
    errno.EBADF: Denied,
    errno.EEXIST: errors.Exists,
    errno.EISDIR: errors.IsDirectory,
    errno.ENOTDIR: errors.NotDirectory,
    errno.ENOTEMPTY: errors.NotEmpty,
    errno.EROFS: errors.ReadOnly,
    errno.ENOSPC: errors.NoSpace,
    errno.ENAMETOOLONG: errors.NameTooLong,
    errno.EPIPE: errors.BrokenPipe,
    errno.EBUSY: errors.Busy,
    errno.ESPIPE: errors.NotSeekable,
    errno.EINVAL: BadArgument,
    errno.EXDEV: BadArgument,
}


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn the host's errors into those of the contracts; what has no counterpart is ServiceGone."""
    try:
        yield
    except OSError as error:
        raise ERRORS.get(error.errno or 0, errors.ServiceGone) from None


def status_of(found: os.stat_result) -> Status:
    """What the host knows of a file."""
    kinds = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFCHR: DEVICE, stat.S_IFBLK: DEVICE}
    kind = kinds.get(stat.S_IFMT(found.st_mode), PIPE)
    mode = stat.S_IMODE(found.st_mode) & 0o777
    values = (kind, mode, found.st_size, found.st_mtime_ns, found.st_ino, found.st_dev, found.st_nlink)
    return Status(*(U64(value) for value in values))


def fill(texts: list[bytes], position: U64, into: Slice[U8]) -> U64:
    """Put texts from number `position` on, with a zero byte each, as many as fit; how many bytes."""
    content = b""
    for text in texts[int(position) :]:
        if len(content) + len(text) + 1 > int(into.length):
            break
        content += text + b"\0"
    into[0 : len(content)].copy_from(read_only(content))
    return U64(len(content))


class HostStreams:
    """The operations of `Stream`, for the file descriptor that the caller's handle stands for."""

    def __init__(self, model: SystemModel) -> None:
        self.model = model
        self.open: dict[int, int] = {}

    @property
    def descriptor(self) -> int:
        return self.open[int(CALLER.badge)]

    def read(self, into: Slice[U8]) -> U64:
        with mapped_errors():
            content = os.read(self.descriptor, int(into.length))
        into[0 : len(content)].copy_from(read_only(content))
        return U64(len(content))

    def write(self, data: Slice[U8]) -> U64:
        with mapped_errors():
            return U64(os.write(self.descriptor, bytes(data)))

    def seek(self, offset: I64, origin: U64) -> U64:
        with mapped_errors():
            return U64(os.lseek(self.descriptor, int(offset), int(origin)))

    def status(self) -> Status:
        with mapped_errors():
            result = status_of(os.fstat(self.descriptor))
        if os.isatty(self.descriptor):
            result.kind = U64(TERMINAL)
        return result

    def truncate(self, length: U64) -> None:
        with mapped_errors():
            os.ftruncate(self.descriptor, int(length))

    def share(self) -> None:
        raise errors.ServiceGone  # nobody else is there to share with

    def close(self) -> None:
        os.close(self.open.pop(int(CALLER.badge)))


class HostClock:
    """The operation of `Clock`."""

    def now(self) -> U64:
        return U64(time.time_ns())


class HostFiles:
    """The operations of `Files` over the host's files."""

    def __init__(self, model: SystemModel) -> None:
        self.model = model
        self.streams = HostStreams(model)
        self.next = SESSION + 1

    def open(self, path: Slice[U8], flags: U64, mode: U64) -> U64:
        asked = int(flags)
        access = {READ: os.O_RDONLY, WRITE: os.O_WRONLY, READ | WRITE: os.O_RDWR}.get(asked & (READ | WRITE))
        if access is None:
            access = os.O_WRONLY if asked & APPEND else os.O_RDONLY
        for flag, host in ((APPEND, os.O_APPEND), (CREATE, os.O_CREAT), (EXCLUSIVE, os.O_EXCL), (TRUNCATE, os.O_TRUNC)):
            access |= host if asked & flag else 0
        with mapped_errors():
            descriptor = os.open(bytes(path), access, int(mode))
        handle = self.next
        self.next += 1
        self.streams.open[handle] = descriptor
        self.model.services[handle] = self.model.services[SESSION]
        return U64(handle)

    def status(self, path: Slice[U8]) -> Status:
        with mapped_errors():
            return status_of(os.stat(bytes(path)))

    def list(self, path: Slice[U8], position: U64, into: Slice[U8]) -> U64:
        with mapped_errors():
            return fill(sorted(os.listdir(bytes(path))), position, into)

    def make_directory(self, path: Slice[U8], mode: U64) -> None:
        with mapped_errors():
            os.mkdir(bytes(path), int(mode))

    def remove_directory(self, path: Slice[U8]) -> None:
        with mapped_errors():
            os.rmdir(bytes(path))

    def remove(self, path: Slice[U8]) -> None:
        with mapped_errors():
            os.unlink(bytes(path))

    def rename(self, old: Slice[U8], new: Slice[U8]) -> None:
        with mapped_errors():
            os.rename(bytes(old), bytes(new))

    def change_mode(self, path: Slice[U8], mode: U64) -> None:
        with mapped_errors():
            os.chmod(bytes(path), int(mode))

    def set_modified(self, path: Slice[U8], time: U64) -> None:
        with mapped_errors():
            os.utime(bytes(path), ns=(int(time), int(time)))

    def space(self, path: Slice[U8]) -> tuple[U64, U64]:
        with mapped_errors():
            usage = shutil.disk_usage(os.fsdecode(bytes(path)))
        return U64(usage.total), U64(usage.used)

    def mounts(self, position: U64, into: Slice[U8]) -> U64:
        return fill([b"host / rw"], position, into)

    def in_image(self, path: Slice[U8]) -> tuple[U64, U64]:
        return U64(0), U64(0)

    def end_session(self, session: U64) -> None:
        raise Denied


def install(model: SystemModel) -> dict[str, int]:
    """Let this model serve the host's files and clock; the handles by the names under which a program holds them."""
    files = HostFiles(model)
    serve = server((Files, files), (Stream, files.streams), symbol="host_files")
    model.services[SESSION] = serve.__dispatch__  # type: ignore[attr-defined]
    model.services[CLOCK] = server((Clock, HostClock()), symbol="host_clock").__dispatch__  # type: ignore[attr-defined]
    if transport.ATTACHED.address == 0:
        transport.ATTACHED.address = U64(BUFFER.address)
    return {"files": SESSION, "clock": CLOCK}
