"""The name space: file systems at their mount points, and what is done with names in them.

Errors come in the order in which Linux finds them: the directories on the way, whether the file system can be written,
the file itself, permissions, kinds.
"""

from __future__ import annotations

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.contracts.errors import Busy, Exists, IsDirectory, NoSpace, NotDirectory, NotEmpty, ReadOnly
from cloudos.contracts.files import CREATE, DIRECTORY, EXCLUSIVE, FILE, READ, TRUNCATE, WRITE
from cloudos.lang import U8, U64, Slice, managed, write_text
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.services.files.memory_files import (
    ALL_MODES,
    READ_MODE,
    WRITE_MODE,
    Node,
    Volume,
    make_node,
)
from cloudos.services.files.paths import Path, begins_with

ALL_FLAGS = 63


@managed
class Mount:
    """A file system in its place."""

    kind: Text
    path: Text
    names: List[Text]
    volume: Volume
    root: Node


@managed
class Names:
    """All mounts; the first is the root's."""

    mounts: List[Mount]

    def mount(self, kind: str, name: Text, root: Node) -> None:
        """Show a file system at `/name`, or with an empty name at `/`, hiding what is there.

        The root is the first to be mounted. Its directory of that name is made. Raises NoSpace.
        """
        names = List[Text]()
        if self.mounts.length > 0:
            names.append(name)
            below = self.mounts[0].root
            if below.child(name) is None:
                place = make_node(below.volume, U64(DIRECTORY), U64(0o755))
                if place is None:
                    raise NoSpace
                below.put(name, place)
        self.mounts.append(Mount(Text(kind), Text("/") + name, names, root.volume, root))

    def mount_of(self, names: List[Text], count: U64) -> Mount:
        """The mount that holds what the first `count` names name: the longest one, of equal ones the latest."""
        best = self.mounts[0]
        for mount in self.mounts:
            fits = mount.names.length <= count and begins_with(names, mount.names)
            if fits and mount.names.length >= best.names.length:
                best = mount
        return best

    def is_mount(self, path: Path) -> bool:
        """Whether something is mounted exactly there."""
        return self.mount_of(path.names, path.depth).names.length == path.depth

    def walk(self, path: Path, count: U64) -> Node:
        """What the first `count` names of a path name. Raises NotFound, NotDirectory, Denied."""
        mount = self.mount_of(path.names, count)
        at = mount.root
        for i in U64.range(mount.names.length, count):
            at = at.step(path.names[i])
        return at

    def parent(self, path: Path) -> Node:
        """The directory that has the last name, which may be searched; not for the root. Raises as `walk`."""
        directory = self.walk(path, path.depth - 1)
        directory.search()
        return directory

    def find(self, path: Path) -> Node:
        """What a path names. Raises NotFound, NotDirectory, Denied."""
        found = self.walk(path, path.depth)
        if path.directory and found.kind != DIRECTORY:
            raise NotDirectory
        return found

    def existing(self, path: Path) -> Node | None:
        """What a path names, None when its directory lacks it. Raises NotFound, NotDirectory, Denied: of the way."""
        if self.is_mount(path):
            return self.find(path)
        return self.parent(path).child(path.last())

    def open(self, path: Path, flags: U64, mode: U64) -> Node:
        """The file to open, made or emptied if the flags say so. Raises what `Files.open` does."""
        if flags & (READ | WRITE) == 0 or flags & ~U64(ALL_FLAGS) != 0:
            raise BadArgument
        if flags & TRUNCATE != 0 and flags & WRITE == 0:
            raise BadArgument
        found = self.existing(path)
        create = flags & CREATE != 0
        if create and path.directory:
            raise IsDirectory
        if found is None:
            if not create:
                raise NotFound
            return self.create(path, U64(FILE), mode)
        if create and flags & EXCLUSIVE != 0:
            raise Exists
        if path.directory and found.kind != DIRECTORY:
            raise NotDirectory
        check_open(found, flags)
        if flags & TRUNCATE != 0 and found.kind == FILE:
            found.resize(U64(0))
        return found

    def create(self, path: Path, kind: U64, mode: U64) -> Node:
        """Make a file or directory that is not there. Raises NotFound, NotDirectory, Denied, ReadOnly, NoSpace."""
        directory = self.parent(path)
        check_change(directory)
        if not directory.has_place():
            raise NoSpace
        made = make_node(directory.volume, kind, mode)
        if made is None:
            raise NoSpace
        directory.put(path.last(), made)
        return made

    def make_directory(self, path: Path, mode: U64) -> None:
        """See `Files.make_directory`."""
        if self.existing(path) is not None:
            raise Exists
        self.create(path, U64(DIRECTORY), mode)

    def remove(self, path: Path) -> None:
        """See `Files.remove`."""
        if self.is_mount(path):
            raise IsDirectory
        directory = self.parent(path)
        check_writable(directory)
        found = directory.step(path.last())
        check_writable(found)
        if path.directory and found.kind != DIRECTORY:
            raise NotDirectory
        check_change(directory)
        if found.kind == DIRECTORY:
            raise IsDirectory
        unlink(directory, path.last(), found)

    def remove_directory(self, path: Path) -> None:
        """See `Files.remove_directory`. BadArgument: the path ends with `.` or `..`."""
        if path.dotted:
            raise BadArgument
        if self.is_mount(path):
            raise Busy
        directory = self.parent(path)
        check_writable(directory)
        found = directory.step(path.last())
        check_change(directory)
        if found.kind != DIRECTORY:
            raise NotDirectory
        if not found.is_empty():
            raise NotEmpty
        unlink(directory, path.last(), found)

    def rename(self, old: Path, new: Path) -> None:
        """See `Files.rename`. Busy: one is a mount point, or ends with `.` or `..`."""
        if old.dotted or new.dotted or old.depth == 0 or new.depth == 0:
            raise Busy
        source_directory = self.parent(old)
        target_directory = self.parent(new)
        if self.is_mount(old) or self.is_mount(new):
            raise Busy
        if source_directory.volume.number != target_directory.volume.number:
            raise BadArgument
        check_writable(source_directory)
        source = source_directory.step(old.last())
        check_writable(source)
        if source.kind != DIRECTORY and (old.directory or new.directory):
            raise NotDirectory
        if old.depth == new.depth and new.begins_with(old):
            return
        if new.begins_with(old):
            raise BadArgument
        target = target_directory.child(new.last())
        if target is not None:
            if old.begins_with(new):
                raise NotEmpty
            check_writable(target)
        check_change(source_directory)
        check_change(target_directory)
        if target is not None:
            check_replaced(source, target)
        if target is None and not target_directory.has_place():
            raise NoSpace
        moves = old.depth != new.depth or not begins_with(new.names, old.names.slice(U64(0), old.depth - 1))
        if moves and source.kind == DIRECTORY and not source.allows(U64(WRITE_MODE)):
            raise Denied
        if target is not None:
            unlink(target_directory, new.last(), target)
        source_directory.take_out(old.last())
        target_directory.put(new.last(), source)

    def change_mode(self, path: Path, mode: U64) -> None:
        """See `Files.change_mode`."""
        found = self.find(path)
        check_writable(found)
        found.mode = mode & ALL_MODES

    def set_modified(self, path: Path, time: U64) -> None:
        """See `Files.set_modified`."""
        found = self.find(path)
        check_writable(found)
        found.modified = time

    def list(self, path: Path, position: U64, into: Slice[U8]) -> U64:
        """See `Files.list`; the order is that of `Node.names`."""
        found = self.find(path)
        if found.kind != DIRECTORY:
            raise NotDirectory
        if not found.allows(U64(READ_MODE)):
            raise Denied
        return found.names(position, into)

    def space(self, path: Path) -> tuple[U64, U64]:
        """See `Files.space`."""
        volume = self.find(path).volume
        return volume.limit, volume.used

    def table(self, position: U64, into: Slice[U8]) -> U64:
        """See `Files.mounts`."""
        used = U64(0)
        for i in U64.range(min(position, self.mounts.length), self.mounts.length):
            mount = self.mounts[i]
            line = ByteBuffer()
            if mount.volume.read_only:
                write_text(line, f"{mount.kind} {mount.path} ro")
            else:
                write_text(line, f"{mount.kind} {mount.path} rw,limit={mount.volume.limit}")
            if line.length + 1 > into.length - used:
                break
            into[used : used + line.length].copy_from(line.content())
            into[used + line.length] = U8(0)
            used += line.length + 1
        return used


def check_open(node: Node, flags: U64) -> None:
    """Whether what is there may be opened so. Raises IsDirectory, ReadOnly, Denied."""
    writes = flags & WRITE != 0
    if node.kind == DIRECTORY and (writes or flags & CREATE != 0):
        raise IsDirectory
    if writes and node.kind == FILE:
        check_writable(node)
    if flags & READ != 0 and not node.allows(U64(READ_MODE)):
        raise Denied
    if writes and not node.allows(U64(WRITE_MODE)):
        raise Denied


def check_writable(node: Node) -> None:
    """Raises ReadOnly when its file system cannot be changed."""
    if node.volume.read_only:
        raise ReadOnly


def check_change(directory: Node) -> None:
    """Whether names may be added to a directory and removed. Raises ReadOnly, Denied."""
    check_writable(directory)
    if not directory.allows(U64(WRITE_MODE)):
        raise Denied


def check_replaced(source: Node, target: Node) -> None:
    """Whether `source` may take the place of `target`. Raises NotDirectory, IsDirectory, NotEmpty."""
    if source.kind == DIRECTORY and target.kind != DIRECTORY:
        raise NotDirectory
    if source.kind != DIRECTORY and target.kind == DIRECTORY:
        raise IsDirectory
    if not target.is_empty():
        raise NotEmpty


def unlink(directory: Node, name: Text, node: Node) -> None:
    """Take a node out of its directory."""
    node.links = U64(0)
    directory.take_out(name)
