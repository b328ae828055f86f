"""Arguments and environment variables of a program."""

from __future__ import annotations

from cloudos.abi.bundle import EntryKind
from cloudos.contracts.errors import ServiceError
from cloudos.contracts.files import TERMINAL
from cloudos.contracts.streams import Stream
from cloudos.lang import U32, U64, data
from cloudos.sdk.bundle import bundle
from cloudos.sdk.collections.list import List
from cloudos.sdk.collections.text import Text
from cloudos.sdk.component import held


def args() -> List[Text]:
    """The program's arguments; the first is its own name."""
    result = List[Text]()
    for i in U64.range(bundle.count):
        entry = bundle.entry(i)
        if entry.kind == U32(EntryKind.ARGUMENT):
            result.append(Text.from_bytes(bundle.data(entry)))
    return result


def variable(name: str) -> Text | None:
    """The value of an environment variable, None when it is not set."""
    return value_of(Text(name))


def value_of(name: Text) -> Text | None:
    """`variable` for a name that was computed."""
    number = bundle.find(EntryKind.ENVIRONMENT, name.content)
    if number is None:
        return None
    return Text.from_bytes(bundle.data(bundle.entry(number)))


def variable_names() -> List[Text]:
    """The names of all environment variables."""
    result = List[Text]()
    for i in U64.range(bundle.count):
        entry = bundle.entry(i)
        if entry.kind == U32(EntryKind.ENVIRONMENT):
            result.append(Text.from_bytes(bundle.name(entry)))
    return result


def is_terminal(descriptor: U64 = U64(1)) -> bool:
    """Whether a standard stream, 0 to 2, is a terminal, so that a person waits for it.

    The service behind the stream knows; of a program without services the host says it of its output, by setting TERM.
    """
    handle = held("stdin") if descriptor == 0 else held("stdout") if descriptor == 1 else held("stderr")
    if handle != 0:
        try:
            return Stream(handle).status().kind == TERMINAL
        except ServiceError:
            return False
    return bundle.find(EntryKind.ENVIRONMENT, data(b"TERM")) is not None
