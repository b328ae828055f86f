"""Paths as texts."""

from __future__ import annotations

from cloudos.lang import U64
from cloudos.sdk import Text

SLASH = ord("/")


def without_slashes(path: Text) -> Text:
    """The path without slashes at its end, but at least one byte of it."""
    end = path.length
    while end > 1 and path[end - 1] == SLASH:
        end -= 1
    return path.slice(U64(0), end)


def last_slash(path: Text) -> U64 | None:
    """The position of the last slash."""
    found: U64 | None = None
    for i in U64.range(path.length):
        if path[i] == SLASH:
            found = i
    return found


def base_name(path: Text) -> Text:
    """The last component of a path."""
    whole = without_slashes(path)
    at = last_slash(whole)
    if at is None or whole.equals("/"):
        return whole
    return whole.slice(at + 1, whole.length)


def directory_name(path: Text) -> Text:
    """All but the last component of a path, `.` when there is no other."""
    whole = without_slashes(path)
    at = last_slash(whole)
    if at is None:
        return Text(".")
    return without_slashes(whole.slice(U64(0), max(at, U64(1))))


def join(directory: Text, name: Text) -> Text:
    """The path of a name in a directory."""
    return Text(f"{directory}{name}") if directory.ends_with("/") else Text(f"{directory}/{name}")
