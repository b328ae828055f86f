"""Pathnames that match a pattern."""

from __future__ import annotations

from cloudos.apps.shell.characters import DOT, SLASH
from cloudos.apps.shell.environment import exists, is_directory, list_names
from cloudos.apps.shell.pattern import QUOTED, Marked, matches
from cloudos.apps.shell.state import State
from cloudos.lang import U64
from cloudos.sdk import List, Text


def find_paths(pattern: Marked, state: State) -> List[Text]:
    """All paths that match, in byte order; none when there are none."""
    found = List[Text]()
    extend(Text(""), pattern, U64(0), state, found)
    found.sort()
    return found


def extend(base: Text, pattern: Marked, start: U64, state: State, found: List[Text]) -> None:
    """Paths that begin with `base` and go on as the pattern does from `start`."""
    stop = start
    while stop < pattern.length and not is_slash(pattern, stop):
        stop += 1
    behind = stop
    while behind < pattern.length and is_slash(pattern, behind):
        behind += 1
    slashes = pattern.part(stop, behind).text()
    part = pattern.part(start, stop)
    if not part.has_pattern():
        step(base + part.text(), slashes, pattern, behind, state, found)
        return
    hidden = starts_with_dot(part)
    for name in list_names(state.absolute(base)):
        if (name[0] == DOT) == hidden and matches(part, name.content):
            step(base + name, slashes, pattern, behind, state, found)


def step(path: Text, slashes: Text, pattern: Marked, start: U64, state: State, found: List[Text]) -> None:
    """Go on behind one name of the path, if it is there."""
    if start < pattern.length:
        if path.length == 0 or is_directory(state.absolute(path)):
            extend(path + slashes, pattern, start, state, found)
    elif slashes.length > 0:
        if is_directory(state.absolute(path)):
            found.append(path + slashes)
    elif exists(state.absolute(path)):
        found.append(path)


def is_slash(pattern: Marked, at: U64) -> bool:
    """Whether a name ends there."""
    return pattern.bytes[at] == SLASH and pattern.marks[at] <= QUOTED


def starts_with_dot(part: Marked) -> bool:
    """Whether the pattern asks for hidden names: its first byte is a dot."""
    for at in U64.range(part.length):
        if part.marks[at] <= QUOTED:
            return part.bytes[at] == DOT
    return False
