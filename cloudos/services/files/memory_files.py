"""Files and directories in memory, and what all file systems here are made of: `Volume`, `Node`.

Contents lie in chunks of 4 KB that are found by their number, so appending moves nothing and holes cost nothing. All
that a volume holds is charged to it and given back when it goes: at the last link of a file, or when the last stream
to it closes, whichever is later.
"""

from __future__ import annotations

from cloudos.abi.errors import Denied, NotFound
from cloudos.contracts.errors import NoSpace, NotDirectory
from cloudos.contracts.files import DIRECTORY
from cloudos.contracts.streams import Status
from cloudos.lang import U8, U64, Slice, data, free_slice, managed, new_slice
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.map import Map, stored_hash
from cloudos.sdk.collections.text import Text
from cloudos.sdk.errors import KeyMissing
from cloudos.sdk.heap import has_room
from cloudos.services.files.times import TIME

CHUNK = 4096
# What a chunk and a file cost, in bytes, with the tables that find them and the longest name.
CHUNK_COST = CHUNK + 128
NODE_COST = 768
# What must be left of the memory of the service besides what is asked for, in bytes.
ROOM = 4096
LONGEST_FILE = 1 << 40
# Permissions of the owner.
READ_MODE = 0o400
WRITE_MODE = 0o200
SEARCH_MODE = 0o100
ALL_MODES = 0o777


@managed
class Volume:
    """What one file system may hold and holds, in bytes."""

    # The number of its mount.
    number: U64
    limit: U64
    read_only: bool
    used: U64
    # The number of the node that was made last.
    nodes: U64

    def __init__(self, number: U64, limit: U64, read_only: bool) -> None:
        self.number = number
        self.limit = limit
        self.read_only = read_only
        self.used = U64(0)
        self.nodes = U64(0)

    def take(self, amount: U64) -> bool:
        """Charge so many bytes; False, and nothing charged, when there are not so many left."""
        if self.used > self.limit or amount > self.limit - self.used:
            return False
        self.used += amount
        return True


@managed
class Chunk:
    """4 KB of a file, zeroed. Who makes one has charged its cost."""

    volume: Volume
    content: Slice[U8]

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.content = new_slice(U8, CHUNK)

    def drop(self) -> None:
        free_slice(self.content)
        self.volume.used -= CHUNK_COST


@managed
class Node:
    """A file, directory or device. `cost` was charged to the volume."""

    volume: Volume
    kind: U64
    mode: U64
    cost: U64
    number: U64
    modified: U64
    links: U64
    length: U64
    # Of a device: which one it is.
    device: U64
    # Of a file of the image: all of its content.
    fixed: Slice[U8]
    chunks: Map[U64, Chunk] | None
    children: Map[Text, Node] | None

    def __init__(self, volume: Volume, kind: U64, mode: U64, cost: U64) -> None:
        self.volume = volume
        self.kind = kind
        self.mode = mode & ALL_MODES
        self.cost = cost
        volume.nodes += 1
        self.number = volume.nodes
        self.modified = TIME.now()
        self.links = U64(1)
        self.length = U64(0)
        self.device = U64(0)
        self.fixed = data(b"")
        self.chunks = None
        self.children = None

    def drop(self) -> None:
        self.volume.used -= self.cost

    def allows(self, mode: U64) -> bool:
        """Whether the owner may do this."""
        return self.mode & mode == mode

    def touch(self) -> None:
        """It changes now."""
        self.modified = TIME.now()

    def status(self) -> Status:
        """What is known of it."""
        length = self.length
        return Status(self.kind, self.mode, length, self.modified, self.number, self.volume.number, self.links)

    # Contents.

    def read_at(self, position: U64, into: Slice[U8]) -> U64:
        """Copy bytes from a position on; how many, 0 at the end."""
        if position >= self.length:
            return U64(0)
        count = min(into.length, self.length - position)
        if self.fixed.length > 0:
            into[0:count].copy_from(self.fixed[position : position + count])
            return count
        done = U64(0)
        while done < count:
            offset = (position + done) % CHUNK
            part = min(U64(CHUNK) - offset, count - done)
            target = into[done : done + part]
            chunk = self.chunk((position + done) // CHUNK)
            if chunk is None:
                target.fill(U8(0))
            else:
                target.copy_from(chunk.content[offset : offset + part])
            done += part
        return count

    def write_at(self, position: U64, source: Slice[U8]) -> U64:
        """Store bytes at a position, which may be beyond the end; how many. Raises NoSpace when not even one."""
        if source.length == 0:
            return U64(0)
        if position >= LONGEST_FILE:
            raise NoSpace
        count = min(source.length, U64(LONGEST_FILE) - position)
        done = U64(0)
        while done < count:
            offset = (position + done) % CHUNK
            part = min(U64(CHUNK) - offset, count - done)
            chunk = self.made_chunk((position + done) // CHUNK)
            if chunk is None:
                break
            chunk.content[offset : offset + part].copy_from(source[done : done + part])
            done += part
        if done == 0:
            raise NoSpace
        self.length = max(self.length, position + done)
        self.touch()
        return done

    def resize(self, length: U64) -> None:
        """Make it so long; what is added is zero and costs nothing yet. Raises NoSpace: longer than any file may be."""
        if length > LONGEST_FILE:
            raise NoSpace
        chunks = self.chunks
        if length < self.length and chunks is not None:
            if length == 0:
                self.chunks = None
            else:
                remove_from(chunks, (length + (CHUNK - 1)) // CHUNK)
                # Behind the end all is zero, for when the file grows again.
                last = self.chunk(length // CHUNK)
                if last is not None and length % CHUNK > 0:
                    last.content[length % CHUNK : U64(CHUNK)].fill(U8(0))
        self.length = length
        self.touch()

    def chunk(self, number: U64) -> Chunk | None:
        """The chunk of this number, None where nothing was written."""
        chunks = self.chunks
        if chunks is None:
            return None
        position = chunks.locate(number, stored_hash(number))
        return None if position is None else chunks.entry_values[position]

    def made_chunk(self, number: U64) -> Chunk | None:
        """The chunk of this number, made if need be; None when there is no room."""
        found = self.chunk(number)
        if found is not None:
            return found
        chunks = self.chunks
        if chunks is None:
            chunks = Map[U64, Chunk]()
        if not has_place(U64(CHUNK) + chunks.growth()) or not self.volume.take(U64(CHUNK_COST)):
            return None
        self.chunks = chunks
        made = Chunk(self.volume)
        chunks[number] = made
        return made

    # Directories.

    def child(self, name: Text) -> Node | None:
        """What a directory has under a name."""
        children = self.children
        if children is None:
            return None
        position = children.locate(name, stored_hash(name))
        return None if position is None else children.entry_values[position]

    def search(self) -> None:
        """Go through it. Raises NotDirectory, Denied."""
        if self.kind != DIRECTORY:
            raise NotDirectory
        if not self.allows(U64(SEARCH_MODE)):
            raise Denied

    def step(self, name: Text) -> Node:
        """What it has under a name, for who may search it. Raises NotDirectory, Denied, NotFound."""
        self.search()
        found = self.child(name)
        if found is None:
            raise NotFound
        return found

    def is_empty(self) -> bool:
        """Whether a directory has nothing in it."""
        children = self.children
        return children is None or children.length == 0

    def has_place(self) -> bool:
        """Whether the memory of the service has room for one more entry of a directory."""
        children = self.children
        return has_place(U64(0) if children is None else children.growth())

    def put(self, name: Text, node: Node) -> None:
        """Give a directory an entry, in place of one of that name."""
        children = self.children
        if children is None:
            children = Map[Text, Node]()
            self.children = children
        children[name] = node
        self.touch()

    def take_out(self, name: Text) -> None:
        """Remove an entry, if there is one. The node lives on while somebody holds it."""
        children = self.children
        if children is None:
            return
        try:
            children.pop(name)
        except KeyMissing:
            return
        self.touch()

    def names(self, position: U64, into: Slice[U8]) -> U64:
        """Names of entries, each with a zero byte, in the order in which they were added; how many bytes.

        Removed entries keep their place until entries are added or somebody begins at position 0: who lists and removes
        what it was given misses nothing.
        """
        children = self.children
        if children is None:
            return U64(0)
        if position == 0 and children.used > children.length:
            children.rebuild()
        used = U64(0)
        at = children.next_position(position)
        while at < children.used:
            name = children.entry_keys[at].content
            if name.length + 1 > into.length - used:
                break
            into[used : used + name.length].copy_from(name)
            into[used + name.length] = U8(0)
            used += name.length + 1
            at = children.next_position(at + 1)
        return used


def remove_from(chunks: Map[U64, Chunk], first: U64) -> None:
    """Remove the chunks from number `first` on."""
    doomed = List[U64]()
    for number in chunks:
        if number >= first:
            doomed.append(number)
    for number in doomed:
        try:
            chunks.pop(number)
        except KeyMissing:
            pass


def has_place(amount: U64) -> bool:
    """Whether there is room for a block of so many bytes, and for some small ones: what was freed may not be of the
    size that is needed next, and to run out of memory would end the service."""
    return has_room(U64(ROOM) + amount, max(U64(ROOM), amount))


def make_node(volume: Volume, kind: U64, mode: U64) -> Node | None:
    """A new file or directory, charged to the volume; None when there is no room."""
    if not has_place(U64(0)) or not volume.take(U64(NODE_COST)):
        return None
    return Node(volume, kind, mode, U64(NODE_COST))
