"""How ls orders and writes its entries."""

from __future__ import annotations

from cloudos.apps.counts import spaces
from cloudos.apps.dates import date_of, format_date
from cloudos.apps.modes import mode_text
from cloudos.contracts.files import DEVICE, DIRECTORY, PIPE, TERMINAL
from cloudos.lang import U64, Error, managed, write_text
from cloudos.sdk import InvalidNumber, List, Text, stdout, variable
from cloudos.sdk.filesystem import now, status

HALF_YEAR = 15_778_476 * 1_000_000_000  # nanoseconds: half of a Gregorian year of 365.2425 days
TAB = 8  # columns between stops
SCREEN = 80  # columns, when COLUMNS does not say


@managed
class Listing:
    """What the options ask for. An order of entries."""

    long: bool
    columns: bool
    marks: bool  # -F
    slashes: bool  # -p
    human: bool
    by_time: bool
    by_size: bool
    reverse: bool
    numbers: bool  # -i
    unsorted: bool

    def less(self, left: Entry, right: Entry) -> bool:
        """Whether an entry comes before another."""
        if self.reverse:
            return self.first(right, left)
        return self.first(left, right)

    def first(self, left: Entry, right: Entry) -> bool:
        if self.by_time and left.modified != right.modified:
            return left.modified > right.modified
        if self.by_size and left.length != right.length:
            return left.length > right.length
        return left.name < right.name

    def size(self, length: U64) -> Text:
        """A number of bytes, with `-h` in the largest unit of which there is one, rounded up."""
        if not self.human or length < 1024:
            return Text(f"{length}")
        unit = U64(1024)
        index = U64(0)
        while length > unit * 1023 and index < 5:
            unit = unit * 1024
            index += 1
        letters = Text("KMGTPE")
        tenths = (length * 10 + unit - 1) // unit if length < 1 << 60 else length // unit * 10
        if tenths < 100:
            return Text(f"{tenths // 10}.{tenths % 10}{letters[index]:c}")
        return Text(f"{(length + unit - 1) // unit}{letters[index]:c}")


@managed
class Entry:
    """One file in a listing."""

    name: Text
    kind: U64
    mode: U64
    length: U64
    modified: U64
    links: U64
    number: U64

    def shown(self, listing: Listing) -> Text:
        """The name, with what `-i`, `-p` and `-F` add."""
        name = self.name
        if listing.numbers:
            name = Text(f"{self.number} {name}")
        if self.kind == DIRECTORY and (listing.marks or listing.slashes):
            return Text(f"{name}/")
        if not listing.marks:
            return name
        if self.kind == PIPE:
            return Text(f"{name}|")
        if self.kind != DEVICE and self.kind != TERMINAL and self.mode & 0o111 != 0:
            return Text(f"{name}*")
        return name


def entry_of(name: Text, path: Text) -> Entry:
    """The entry of a file; raises what `status` does."""
    found = status(path)
    return Entry(name, found.kind, found.mode, found.length, found.modified, found.links, found.number)


def kind_letter(kind: U64) -> Text:
    """The first letter of a long line."""
    if kind == DIRECTORY:
        return Text("d")
    if kind == DEVICE or kind == TERMINAL:
        return Text("c")
    return Text("p") if kind == PIPE else Text("-")


def time_text(modified: U64, today: U64) -> Text:
    """The time of the last change: the time of day when it was in the last half year, else the year."""
    recent = modified <= today and today - modified < HALF_YEAR
    return format_date(date_of(modified), Text("%b %e %H:%M") if recent else Text("%b %e  %Y"))


def owner() -> Text:
    """There is one user; the environment may give him a name."""
    user = variable("USER")
    return Text("root") if user is None else user


def write_long(entries: List[Entry], listing: Listing) -> None:
    """One line for each entry, its columns as wide as they have to be."""
    links = U64(1)
    sizes = U64(1)
    numbers = U64(1)
    for entry in entries:
        links = max(links, Text(f"{entry.links}").length)
        sizes = max(sizes, listing.size(entry.length).length)
        numbers = max(numbers, Text(f"{entry.number}").length)
    today = U64(0)
    try:
        today = now()
    except Error:  # without a clock all dates show their year
        today = U64(0)
    user = owner()
    for entry in entries:
        count = Text(f"{entry.links}")
        size = listing.size(entry.length)
        write_text(stdout, f"{kind_letter(entry.kind)}{mode_text(entry.mode)} ")
        spaces(stdout, count.length, links)
        write_text(stdout, f"{count} {user} {user} ")
        spaces(stdout, size.length, sizes)
        write_text(stdout, f"{size} {time_text(entry.modified, today)} {entry.shown(listing)}\n")


def screen_width() -> U64:
    """How many columns a line may have."""
    text = variable("COLUMNS")
    if text is None:
        return U64(SCREEN)
    try:
        value = text.to_integer()
        return U64(value) if value > 0 else U64(SCREEN)
    except InvalidNumber:
        return U64(SCREEN)


def widths(names: List[Text], rows: U64) -> List[U64]:
    """How wide the columns are when there are so many rows, two spaces included."""
    result = List[U64]()
    for i in U64.range(names.length):
        if i % rows == 0:
            result.append(U64(0))
        result[i // rows] = max(result[i // rows], names[i].length + 2)
    return result


def write_columns(entries: List[Entry], listing: Listing) -> None:
    """Names in as many columns as fit, downwards first."""
    names = List[Text]()
    for entry in entries:
        names.append(entry.shown(listing))
    if names.length == 0:
        return
    rows = U64(1)
    while rows < names.length and sum_of(widths(names, rows)) - 2 > screen_width() - 1:
        rows += 1
    columns = widths(names, rows)
    for row in U64.range(rows):
        start = U64(0)
        for column in U64.range(columns.length):
            at = column * rows + row
            if at >= names.length:
                break
            write_text(stdout, f"{names[at]}")
            if at + rows < names.length:
                indent(start + names[at].length, start + columns[column])
            start += columns[column]
        write_text(stdout, "\n")


def indent(begin: U64, end: U64) -> None:
    """Go to a column, by tabulators where they save more than one space."""
    at = begin
    while at < end:
        if end // TAB > (at + 1) // TAB:
            write_text(stdout, "\t")
            at += TAB - at % TAB
        else:
            write_text(stdout, " ")
            at += 1


def sum_of(numbers: List[U64]) -> U64:
    total = U64(0)
    for number in numbers:
        total += number
    return total
