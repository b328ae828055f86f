"""What a quota says of itself."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import BadAddress, BadHandle, Denied, PeerGone, WrongKind
from cloudos.lang import U8, U64, Array, Ptr, UserPtr, place, struct, zeroed
from cloudos.sdk import system


@struct
class Words:
    """Room for what quota_inspect writes."""

    values: Array[U64, Literal[2]] = zeroed()


WORDS = place(Words())


def usage(quota: U64) -> tuple[U64, U64]:
    """Bytes of a quota that are used, and its limit; zeros when there is none."""
    try:
        system.quota_inspect(quota, UserPtr.at(U8, Ptr.to(WORDS).address.value))
        return WORDS.values[0], WORDS.values[1]
    except (BadAddress, BadHandle, WrongKind, Denied, PeerGone):
        return U64(0), U64(0)
