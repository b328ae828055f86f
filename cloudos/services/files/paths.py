"""Paths: bytes that clients sent, checked and cut into names."""

from __future__ import annotations

from cloudos.abi.errors import NotFound
from cloudos.contracts.errors import NameTooLong
from cloudos.contracts.files import LONGEST_NAME, LONGEST_PATH
from cloudos.lang import U8, U64, Slice, managed
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.collections.text import Text

SLASH = 0x2F
DOT = 0x2E


@managed
class Path:
    """An absolute path without `.`, `..` and empty names."""

    names: List[Text]
    # It was written with a slash or a dot name at its end, so it can only name a directory.
    directory: bool
    # Its last name was `.` or `..`.
    dotted: bool

    @property
    def depth(self) -> U64:
        """How many names it has; 0 for the root."""
        return self.names.length

    def last(self) -> Text:
        """The last name; panics for the root."""
        return self.names[self.depth - 1]

    def begins_with(self, other: Path) -> bool:
        """Whether all names of `other` are the first ones of this path, or all of it."""
        return begins_with(self.names, other.names)


def begins_with(names: List[Text], first: List[Text]) -> bool:
    """Whether the names `first` stand at the beginning of `names`."""
    if first.length > names.length:
        return False
    for i in U64.range(first.length):
        if not names[i].content.equals(first[i].content):
            return False
    return True


def parse_path(content: Slice[U8]) -> Path:
    """The path that these bytes spell. `..` takes back one name, whether that exists or not; at the root it is nothing.

    Raises NotFound (it is relative, empty, or has a zero byte), NameTooLong.
    """
    if content.length > LONGEST_PATH:
        raise NameTooLong
    if content.length == 0 or content[0] != SLASH or find_byte(content, U8(0)) is not None:
        raise NotFound
    path = Path(List[Text](), True, False)
    start = U64(1)
    for position in U64.range(1, content.length + 1):
        if position == content.length or content[position] == SLASH:
            _add(path, content[start:position])
            start = position + 1
    return path


def _add(path: Path, name: Slice[U8]) -> None:
    """One more name as it was written. Raises NameTooLong."""
    if name.length == 0:
        path.directory = True
        return
    if name.length > LONGEST_NAME:
        raise NameTooLong
    dots = name.length <= 2 and name[0] == DOT and name[name.length - 1] == DOT
    path.directory = dots
    path.dotted = dots
    if not dots:
        path.names.append(Text.from_bytes(name))
    elif name.length == 2 and path.names.length > 0:
        path.names.pop()
