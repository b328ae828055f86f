"""What a component or program was given when it was started: capabilities by name."""

from __future__ import annotations

from cloudos.abi.bundle import EntryKind
from cloudos.lang import U8, U32, U64, Slice
from cloudos.sdk.bundle import bundle
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text


def held(name: str) -> U64:
    """The handle that was given under this name; 0 when there is none."""
    wanted = Text(name)
    return held_as(wanted.content)


def held_as(name: Slice[U8]) -> U64:
    """`held` for a name that was computed."""
    number = bundle.find(EntryKind.HANDLE, name)
    if number is None:
        return U64(0)
    return handle_of(bundle.data(bundle.entry(number)))


def handle_of(content: Slice[U8]) -> U64:
    """The handle in an entry of the bundle, which may lie anywhere; 0 when it is none."""
    handle = U64(0)
    if content.length == 8:
        for index in U64.range(8):
            handle = handle | U64(content[index]) << index * 8
    return handle


def held_names() -> List[Text]:
    """The names of all capabilities that were given."""
    result = List[Text]()
    for i in U64.range(bundle.count):
        entry = bundle.entry(i)
        if entry.kind == U32(EntryKind.HANDLE):
            result.append(Text.from_bytes(bundle.name(entry)))
    return result


def is_component() -> bool:
    """Whether the process was started by init or by the loader, and not by the kernel as its first process."""
    found = False
    for i in U64.range(bundle.count):
        found = found or bundle.entry(i).kind == U32(EntryKind.HANDLE)
    return found


def has_console() -> bool:
    """Whether the standard streams are the machine's own console: the process was given no other, not even one."""
    return held("stdin") == 0 and held("stdout") == 0 and held("stderr") == 0
