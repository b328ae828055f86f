"""ps: programs that were started from files."""

from __future__ import annotations

from cloudos.apps.administration.columns import Table, table
from cloudos.apps.administration.formats import elapsed, human
from cloudos.apps.administration.system_lists import ProgramEntry, list_programs
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64, managed
from cloudos.sdk import List, Text, print_error
from cloudos.sdk.collections.parsing import parse_digits
from cloudos.sdk.errors import InvalidNumber

DEFAULT = "pid,ppid,pgid,state,mem,time,comm"
COMMA = ord(",")
KILO = 1024


@managed
class Format:
    """The columns: names as `-o` takes them, and headings."""

    names: List[Text]
    headings: List[Text]

    def add(self, part: Text) -> None:
        """One column, `name` or `name=heading`. Raises Usage for a name that is not known."""
        equals = part.find("=")
        name = part if equals is None else part.slice(U64(0), equals)
        heading = heading_of(name)
        if heading.length == 0:
            print_error(f"ps: unknown column '{name}'")
            raise Usage
        self.names.append(name)
        self.headings.append(heading if equals is None else part.slice(equals + 1, part.length))

    @property
    def right(self) -> U64:
        """The columns of numbers, a bit for each."""
        bits = U64(0)
        for i in U64.range(min(self.names.length, U64(64))):
            name = self.names[i]
            if not (name.equals("comm") or name.equals("args") or is_state(name)):
                bits = bits | U64(1) << i
        return bits


def is_state(name: Text) -> bool:
    return name.equals("state") or name.equals("stat") or name.equals("s")


def heading_of(name: Text) -> Text:
    """The heading of a column; empty for one that is not known."""
    if name.equals("pid") or name.equals("ppid") or name.equals("pgid"):
        return upper(name)
    if is_state(name):
        return Text("STATE")
    if name.equals("mem"):
        return Text("MEMORY")
    if name.equals("vsz"):
        return Text("VSZ")
    if name.equals("time"):
        return Text("TIME")
    if name.equals("etime"):
        return Text("ELAPSED")
    if name.equals("comm") or name.equals("args"):
        return Text("COMMAND")
    return Text("")


def upper(name: Text) -> Text:
    if name.equals("pid"):
        return Text("PID")
    return Text("PPID") if name.equals("ppid") else Text("PGID")


def cell(entry: ProgramEntry, name: Text) -> Text:
    """What a column shows of a program."""
    if name.equals("pid"):
        return Text(f"{entry.number}")
    if name.equals("ppid"):
        return Text(f"{entry.parent}")
    if name.equals("pgid"):
        return Text(f"{entry.group}")
    if is_state(name):
        return entry.state
    if name.equals("mem"):
        return human(entry.memory)
    if name.equals("vsz"):
        return Text(f"{(entry.memory + (KILO - 1)) // KILO}")
    if name.equals("time") or name.equals("etime"):
        return elapsed(entry.time)
    return entry.name


def format_of(options: Options) -> Format:
    """The columns that `-o` asks for. Raises Usage."""
    result = Format(List[Text](), List[Text]())
    values = options.all_values("o")
    if values.length == 0:
        values.append(Text(DEFAULT))
    for value in values:
        for part in separated(value):
            # All that follows an equals sign is the heading, commas and spaces too: POSIX, ps, option -o.
            result.add(part)
    return result


def separated(value: Text) -> List[Text]:
    """The parts of a list, between commas or white space; a part with `=` reaches to the end."""
    equals = value.find("=")
    tail = Text("")
    if equals is not None:
        start = equals
        while start > 0 and value[start - 1] != COMMA and value[start - 1] > 0x20:
            start -= 1
        tail = value.slice(start, value.length)
        value = value.slice(U64(0), start)
    result = List[Text]()
    for part in value.split(","):
        result.extend(part.words())
    if tail.length > 0:
        result.append(tail)
    return result


def wanted_numbers(options: Options) -> List[U64]:
    """The numbers of `-p`. Raises Usage."""
    result = List[U64]()
    for value in options.all_values("p"):
        for part in separated(value):
            try:
                result.append(parse_digits(part.content))
            except InvalidNumber:
                print_error(f"ps: '{part}' is not a program's number")
                raise Usage from None
    return result


def add_headings(shown: Table, format: Format) -> None:
    """The first row, unless all headings are empty."""
    length = U64(0)
    for heading in format.headings:
        length += heading.length
    if length > 0:
        shown.cells.extend(format.headings)


def ps(arguments: List[Text]) -> U8:
    """List programs; `-p` some, `-o` the columns, `-e` and `-A` change nothing. 1: there is none of `-p`."""
    options = parse(arguments, "eAp:o:")
    if options.operands.length > 0:
        print_error("usage: ps [-eA] [-p NUMBERS] [-o COLUMNS]")
        raise Usage
    format = format_of(options)
    numbers = wanted_numbers(options)
    shown = table(format.names.length, format.right)
    add_headings(shown, format)
    found = False
    for entry in list_programs("ps"):
        if numbers.length == 0 or entry.number in numbers:
            found = True
            for name in format.names:
                shown.add_text(cell(entry, name))
    shown.show()
    return U8(0) if found or numbers.length == 0 else U8(1)
