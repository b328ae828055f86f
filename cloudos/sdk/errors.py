"""Errors that the SDK itself raises; those of the system are in `cloudos.abi.errors`. Their codes start at 200."""

from __future__ import annotations

from typing import ClassVar

from cloudos.lang import Error


class KeyMissing(Error):
    """A `Map` has no such key."""

    code: ClassVar[int] = 200


class InvalidNumber(Error):
    """A text does not spell a number, or the number does not fit into 64 bits."""

    code: ClassVar[int] = 201


class BadBundle(Error):
    """What the kernel handed over at the start is not a boot bundle of this version."""

    code: ClassVar[int] = 202
