"""The files that came with the image. They are read-only, and reading one costs no system call."""

from __future__ import annotations

from cloudos.abi.bundle import EntryKind
from cloudos.abi.errors import NotFound
from cloudos.lang import U8, U32, U64, Slice, managed
from cloudos.sdk.collections.bytes import Bytes
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.collections.text import Text
from cloudos.sdk.errors import BadBundle
from cloudos.sdk.image_bundle import image_bundle

NEWLINE = 0x0A


@managed
class File:
    """An open file and the position in it."""

    content: Slice[U8]  # the whole file: memory of the image, valid for as long as the process
    position: U64

    def __init__(self, content: Slice[U8]) -> None:
        self.content = content
        self.position = U64(0)

    @property
    def length(self) -> U64:
        """Size in bytes."""
        return self.content.length

    def read(self, into: Slice[U8]) -> U64:
        """Read bytes until `into` is full or the file ends; returns how many. 0 means the end of the file."""
        taken = min(into.length, self.content.length - self.position)
        stop = self.position + taken
        into[0:taken].copy_from(self.content[self.position : stop])
        self.position = stop
        return taken

    def read_line(self) -> Text | None:
        """The next line without its newline; None at the end of the file."""
        rest = self.content[self.position : self.content.length]
        if rest.length == 0:
            return None
        newline = find_byte(rest, U8(NEWLINE))
        if newline is None:
            self.position = self.content.length
            return Text.from_bytes(rest)
        self.position += newline + 1
        return Text.from_bytes(rest[0:newline])

    def read_all(self) -> Bytes:
        """A copy of the bytes from the position to the end."""
        rest = self.content[self.position : self.content.length]
        self.position = self.content.length
        return Bytes(rest)


def open_file(path: Text) -> File:
    """Open the file that the image has under exactly this path; raises NotFound."""
    try:
        image = image_bundle()
    except BadBundle:
        raise NotFound
    number = image.find(EntryKind.FILE, path.content)
    if number is None:
        raise NotFound
    return File(image.data(image.entry(number)))


def file_paths() -> List[Text]:
    """The paths of all files in the image but the programs of the system itself, which are below `/system`."""
    result = List[Text]()
    try:
        image = image_bundle()
    except BadBundle:
        return result
    for i in U64.range(image.count):
        entry = image.entry(i)
        if entry.kind == U32(EntryKind.FILE):
            path = Text.from_bytes(image.name(entry))
            if not path.starts_with("/system/"):
                result.append(path)
    return result
