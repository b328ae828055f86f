"""Errors that the SDK itself raises; those of the system are in `cloudos.abi.errors`."""

from __future__ import annotations

from cloudos.lang import Error


class KeyMissing(Error):
    """A `Map` has no such key."""


class InvalidNumber(Error):
    """A text does not spell a number, or the number does not fit into 64 bits."""


class BadBundle(Error):
    """What the kernel handed over at the start is not a boot bundle of this version."""
