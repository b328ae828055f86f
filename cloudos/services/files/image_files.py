"""The files that came with the system image: trees of read-only nodes whose contents stay where the image lies."""

from __future__ import annotations

from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import NotFound
from cloudos.contracts.errors import NameTooLong
from cloudos.contracts.files import DIRECTORY, FILE
from cloudos.lang import U8, U32, U64, Slice, data
from cloudos.sdk.bundle import Bundle
from cloudos.sdk.collections.text import Text
from cloudos.services.files.memory_files import Node, Volume
from cloudos.services.files.paths import SLASH, Path, parse_path

DIRECTORY_MODE = 0o555
PROGRAM_MODE = 0o555
PLAIN_MODE = 0o444
ELF = data(b"\x7fELF")
SCRIPT = data(b"#!")


def image_tree(source: Bundle, volume: Volume) -> Node:
    """The directory of all FILE entries of a bundle. `volume` is charged with their lengths.

    An empty entry whose path ends with a slash is a directory. Of two entries of one path the first counts. Entries
    whose path is none, or needs a file to be a directory, are left out.
    """
    root = Node(volume, U64(DIRECTORY), U64(DIRECTORY_MODE), U64(0))
    for i in U64.range(source.count):
        entry = source.entry(i)
        if entry.kind == U32(EntryKind.FILE):
            _add(root, source.name(entry), source.data(entry))
    volume.limit = volume.used
    return root


def _add(root: Node, name: Slice[U8], content: Slice[U8]) -> None:
    absolute = _absolute(name)
    try:
        path = parse_path(absolute.content)
    except (NotFound, NameTooLong):
        return
    if path.depth == 0:
        return
    if path.directory:
        if content.length == 0:
            _directory_of(root, path, path.depth)
        return
    directory = _directory_of(root, path, path.depth - 1)
    if directory is None or directory.child(path.last()) is not None:
        return
    same = _same_content(directory, content)
    if same is not None:
        # Programs with many names: one file with many links, so that it is read and kept once.
        same.links += 1
        directory.put(path.last(), same)
        return
    node = Node(root.volume, U64(FILE), mode_of(content), content.length)
    root.volume.used += content.length
    node.fixed = content
    node.length = content.length
    directory.put(path.last(), node)


def _same_content(directory: Node, content: Slice[U8]) -> Node | None:
    """A file in the directory whose content is not only equal but the same bytes of the image."""
    children = directory.children
    if children is not None and content.length > 0:
        for child in children.values():
            if child.fixed.length == content.length and child.fixed.pointer == content.pointer:
                return child
    return None


def _absolute(name: Slice[U8]) -> Text:
    """A path with the leading slash that entries may lack."""
    if name.length > 0 and name[0] == SLASH:
        return Text.from_bytes(name)
    return Text("/") + Text.from_bytes(name)


def _directory_of(root: Node, path: Path, count: U64) -> Node | None:
    """The directory of the first `count` names, made with those above it; None where a file is in the way."""
    at = root
    for i in U64.range(count):
        found = at.child(path.names[i])
        if found is None:
            found = Node(root.volume, U64(DIRECTORY), U64(DIRECTORY_MODE), U64(0))
            at.put(path.names[i], found)
        elif found.kind != DIRECTORY:
            return None
        at = found
    return at


def has_files(node: Node) -> bool:
    """Whether there is a file in it, at any depth, or it is one."""
    if node.kind != DIRECTORY:
        return True
    children = node.children
    if children is None:
        return False
    for child in children.values():
        if has_files(child):
            return True
    return False


def mode_of(content: Slice[U8]) -> U64:
    """Permissions: programs and scripts may be executed, nothing may be written."""
    for_program = _begins(content, ELF) or _begins(content, SCRIPT)
    return U64(PROGRAM_MODE) if for_program else U64(PLAIN_MODE)


def _begins(content: Slice[U8], first: Slice[U8]) -> bool:
    return content.length >= first.length and content[0 : first.length].equals(first)
