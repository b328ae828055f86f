"""The name space that the service begins with, from its arguments and from the files of the image."""

from __future__ import annotations

from cloudos.abi import initial
from cloudos.abi.errors import BadArgument
from cloudos.contracts.errors import NoSpace
from cloudos.contracts.files import DIRECTORY
from cloudos.lang import U64, struct
from cloudos.sdk.bundle import Bundle
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.errors import InvalidNumber
from cloudos.sdk.quotas import usage
from cloudos.services.files.devices import device_tree
from cloudos.services.files.image_files import has_files, image_tree
from cloudos.services.files.memory_files import Node, Volume, make_node
from cloudos.services.files.mounts import Mount, Names

# Bytes that the root may hold unless an argument says otherwise.
ROOT_LIMIT = 2 << 20


def standard_names(arguments: List[Text], image: Bundle, entropy: U64) -> Names:
    """A memory file system at `/`, the directories of the image, `/dev`, and `/tmp` if it has a limit.

    Arguments: `root=BYTES`, `tmp=BYTES`, or `N%` of the service's quota; the first is the program's name. Raises
    BadArgument for others, and when the root cannot even hold the mount points.
    """
    limits = Limits(U64(ROOT_LIMIT), U64(0))
    for i in U64.range(1, arguments.length):
        limits.set(arguments[i])
    names = Names(List[Mount]())
    try:
        names.mount("memory", Text(""), memory_root(U64(0), limits.root))
        mount_image(names, image)
        names.mount("devices", Text("dev"), device_tree(Volume(names.mounts.length, U64(0), True), entropy))
        if limits.tmp > 0:
            names.mount("memory", Text("tmp"), memory_root(names.mounts.length, limits.tmp))
    except NoSpace:
        raise BadArgument
    return names


@struct
class Limits:
    """Bytes that the file systems in memory may hold."""

    root: U64
    tmp: U64

    def set(self, argument: Text) -> None:
        """Take an argument. Raises BadArgument."""
        parts = argument.split("=")
        if parts.length != 2:
            raise BadArgument
        value = amount(parts[1])
        if parts[0].equals("root"):
            self.root = value
        elif parts[0].equals("tmp"):
            self.tmp = value
        else:
            raise BadArgument


def amount(text: Text) -> U64:
    """Bytes, as a number or a part of the quota. Raises BadArgument."""
    percent = text.ends_with("%")
    try:
        value = (text.slice(U64(0), text.length - 1) if percent else text).to_integer()
    except InvalidNumber:
        raise BadArgument
    if value < 0 or (percent and value > 100):
        raise BadArgument
    if not percent:
        return U64(value)
    _, limit = usage(U64(initial.QUOTA))
    return limit // 100 * U64(value)


def memory_root(number: U64, limit: U64) -> Node:
    """The root of an empty file system in memory."""
    return Node(Volume(number, limit, False), U64(DIRECTORY), U64(0o755), U64(0))


def mount_image(names: Names, image: Bundle) -> None:
    """Mount each directory at the top of the image that has files; other things at the top become the root's.

    Directories without files are there to be filled: they can be written. Raises NoSpace.
    """
    volume = Volume(names.mounts.length, U64(0), True)
    children = image_tree(image, volume).children
    if children is None:
        return
    root = names.mounts[0].root
    for name, node in children.items():
        if node.kind != DIRECTORY:
            root.put(name, node)
        elif has_files(node):
            names.mount("image", name, node)
        else:
            copy_directory(root, name, node)


def copy_directory(into: Node, name: Text, origin: Node) -> None:
    """Make directories like those of a tree without files. Raises NoSpace."""
    made = make_node(into.volume, U64(DIRECTORY), U64(0o755))
    if made is None:
        raise NoSpace
    into.put(name, made)
    children = origin.children
    if children is not None:
        for below, node in children.items():
            copy_directory(made, below, node)
