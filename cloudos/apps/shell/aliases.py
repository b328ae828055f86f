"""`alias`, `unalias`, and what is done with the name of a command that is an alias (POSIX.1-2017, 2.3.1)."""

from __future__ import annotations

from cloudos.apps.shell.output import quoted, say
from cloudos.apps.shell.state import State
from cloudos.lang import U64, managed
from cloudos.sdk import ByteBuffer, KeyMissing, List, Map, Text


@managed
class Replacement:
    """An alias whose text is being read: where that ends. Within it the name means the command."""

    name: Text
    end: U64


@managed
class Replacements:
    """Aliases at work in one text."""

    aliases: Map[Text, Text]
    active: List[Replacement]
    # Where the text of an alias ends that has a blank at its end: the word there may be an alias, too.
    follows: U64

    def __init__(self, aliases: Map[Text, Text]) -> None:
        self.aliases = aliases
        self.active = List[Replacement]()
        self.follows = U64(0)

    def value(self, name: Text, position: U64) -> Text | None:
        """What to read in place of a name whose first byte is at a position; None: it stays."""
        while self.active.length > 0 and self.active[self.active.length - 1].end <= position:
            self.active.pop()
        for one in self.active:
            if one.name == name:
                return None
        try:
            return self.aliases[name]
        except KeyMissing:
            return None

    def put(self, buffer: ByteBuffer, start: U64, stop: U64, name: Text, value: Text) -> None:
        """Put the value in the place of the name in the buffer."""
        rest = Text.from_bytes(buffer.content()[stop : buffer.length])
        head = Text.from_bytes(buffer.content()[0:start])
        buffer.clear()
        buffer.write(head.content)
        buffer.write(value.content)
        buffer.write(rest.content)
        for one in self.active:
            one.end = one.end - (stop - start) + value.length
        end = start + value.length
        self.active.append(Replacement(name, end))
        blank = value.length > 0 and (value[value.length - 1] == 0x20 or value[value.length - 1] == 0x09)
        self.follows = end if blank else U64(0)


def alias(state: State, fields: List[Text]) -> None:
    """`alias [name[=value] …]`."""
    if fields.length == 1:
        names = List[Text]()
        for name in state.aliases:
            names.append(name)
        names.sort()
        for name in names:
            show(state, name)
        return
    for number in U64.range(1, fields.length):
        field = fields[number]
        equals = field.find("=", U64(1))
        if equals is None:
            show(state, field)
        else:
            state.aliases[field.slice(U64(0), equals)] = field.slice(equals + 1, field.length)


def show(state: State, name: Text) -> None:
    """One alias as the shell reads it back; status 1 when there is none."""
    try:
        say(state, f"{name}={quoted(state.aliases[name])}")
    except KeyMissing:
        state.complain(f"alias: {name} not found")
        state.status = U64(1)


def unalias(state: State, fields: List[Text]) -> None:
    """`unalias -a`, `unalias name …`."""
    for number in U64.range(1, fields.length):
        if fields[number].equals("-a"):
            state.aliases.clear()
        elif fields[number] in state.aliases:
            state.aliases.pop(fields[number])
        else:
            state.complain(f"unalias: {fields[number]} not found")
            state.status = U64(1)
