"""Initial file systems for Linux: archives in the format "newc" (Linux, Documentation/driver-api/early-userspace/
buffer-format.rst)."""

from __future__ import annotations

from collections.abc import Mapping

MAGIC = b"070701"
EXECUTABLE = 0o100755
"""A regular file that everybody may run."""

LAST = "TRAILER!!!"


def archive(files: Mapping[str, bytes]) -> bytes:
    """An archive of executable files, by their paths without a leading slash."""
    entries = [entry(number, name, EXECUTABLE, content) for number, (name, content) in enumerate(files.items(), 1)]
    return b"".join([*entries, entry(0, LAST, 0, b"")])


def entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    """One file: header, name and content, each filled up to a multiple of four bytes. `number` is its inode's."""
    path = name.encode() + b"\0"
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = MAGIC + b"".join(b"%08x" % value for value in fields)
    return padded(header + path) + padded(content)


def padded(data: bytes) -> bytes:
    """With zeros up to a multiple of four bytes."""
    return data + bytes(-len(data) % 4)
