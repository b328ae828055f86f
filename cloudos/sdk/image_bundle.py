"""The boot bundle, for processes that hold its memory as `image`; the first process has it as its own bundle."""

from __future__ import annotations

from cloudos.abi.errors import BadAddress, BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, WrongKind
from cloudos.lang import U64, place
from cloudos.sdk.bundle import Bundle, bundle
from cloudos.sdk.component import held
from cloudos.sdk.errors import BadBundle
from cloudos.sdk.memory import READ, Memory

IMAGE = place(Bundle())


def image_bundle() -> Bundle:
    """The boot bundle, shown in this process at the first call; its own bundle when it does not hold `image`.

    Raises BadBundle: the memory cannot be shown, or is no bundle.
    """
    handle = held("image")
    if handle == 0:
        return bundle
    if IMAGE.count == 0:
        memory = Memory(handle)
        try:
            length = memory.inspect().length
            IMAGE.attach(memory.map(U64(0), length, U64(READ)), length)
        except (BadAddress, BadArgument, BadHandle, Denied, OutOfMemory, QuotaExceeded, WrongKind):
            raise BadBundle
    return IMAGE
