"""log and dmesg: the records of all components."""

from __future__ import annotations

from cloudos.apps.administration.access import LISTING, Failed, complain, fields, need, number
from cloudos.apps.administration.formats import printable
from cloudos.apps.options import Options, Usage, parse
from cloudos.contracts.logs import DEBUG, ERROR, INFORMATION, NOTICE, WARNING, Log
from cloudos.lang import U8, U64, Error, error_code, free_slice, managed, new_slice, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout, system

RECORD_FIELDS = U64(5)
MICROSECOND = 1000  # nanoseconds
SECOND = 1_000_000  # microseconds
PAUSE = 250_000_000  # nanoseconds between two looks for new records
LONGEST = 1000  # bytes of a record
ALL = 0xFFFF_FFFF_FFFF_FFFF


@managed
class Record:
    """One record: `time` in nanoseconds since the machine started."""

    number: U64
    time: U64
    level: U64
    component: Text
    text: Text


@managed
class Reading:
    """Reads records in order. `next` is the least number of those that were not read yet."""

    utility: Text
    service: Log
    next: U64
    level: U64

    def read(self) -> Record | None:
        """The next record, None while there is none. Raises Failed."""
        room = new_slice(U8, LISTING)
        try:
            count = self.service.read(self.next, self.level, room)
            if count == 0:
                return None
            record = parse_record(Text.from_bytes(room[0:count]))
            if record.number < self.next or record.number == ALL:
                raise InvalidNumber
            self.next = record.number + 1
            return record
        except Error:
            complain(f"{self.utility}", "Log.read", error_code())
            raise Failed from None
        finally:
            free_slice(room)


def parse_record(line: Text) -> Record:
    """What `Log.read` gives; raises InvalidNumber."""
    parts = fields(line, RECORD_FIELDS)
    if parts.length != RECORD_FIELDS:
        raise InvalidNumber
    return Record(number(parts[0]), number(parts[1]), number(parts[2]), parts[3], parts[4])


def level_name(level: U64) -> Text:
    """The name of a level of RFC 5424."""
    if level == ERROR:
        return Text("error")
    if level == WARNING:
        return Text("warning")
    if level == NOTICE:
        return Text("notice")
    if level == INFORMATION:
        return Text("info")
    if level == DEBUG:
        return Text("debug")
    return Text(f"level{level}")


def level_number(utility: str, name: Text) -> U64:
    """The number of a level, given by name or number. Raises Usage."""
    for level in U64.range(ERROR, DEBUG + 1):
        if level_name(level) == name or name.equals(f"{level}"):
            return level
    prefix = Text(utility)
    print_error(f"{prefix}: '{name}' is no level: error, warning, notice, info, debug")
    raise Usage


def count_of(utility: str, options: Options) -> U64:
    """The number of `-n`, or all. Raises Usage."""
    value = options.value("n")
    if value is None:
        return U64(ALL)
    try:
        return number(value)
    except InvalidNumber:
        prefix = Text(utility)
        print_error(f"{prefix}: '{value}' is not a number")
        raise Usage from None


def show(record: Record) -> None:
    """Write one record as a line."""
    microseconds = record.time // MICROSECOND
    write_text(stdout, f"[{microseconds // SECOND:>5}.{microseconds % SECOND:06}] ")
    write_text(stdout, f"{level_name(record.level)} {printable(record.component.content)}: ")
    write_text(stdout, f"{printable(record.text.content)}\n")


def show_last(records: List[Record], count: U64) -> None:
    """Write the last so many records."""
    for i in U64.range(records.length.saturating_sub(count), records.length):
        show(records[i])


def write_record(level: U64, words: List[Text]) -> U8:
    """`log -w`: write a record. Raises Failed."""
    text = Text(" ").join(words)
    if text.length > LONGEST:
        print_error(f"log: a record has at most {LONGEST} bytes")
        raise Failed
    service = Log(need("log", "log", "Log.write"))
    try:
        service.write(level, text.content)
        return U8(0)
    except Error:
        complain("log", "Log.write", error_code())
        raise Failed from None


def follow(reading: Reading, component: Text) -> None:
    """Write records as they come, for ever. Raises Failed when the service fails."""
    while True:
        record = reading.read()
        if record is None:
            stdout.flush()
            system.thread_sleep(U64(PAUSE))
        elif component.length == 0 or record.component == component:
            show(record)


def log(arguments: List[Text]) -> U8:
    """Show records: `-n` the last, `-l` at least so urgent, `-c` of one component, `-f` those to come; `-w`: write."""
    options = parse(arguments, "n:l:c:fw:")
    written = options.value("w")
    if (written is None) != (options.operands.length == 0):
        print_error("usage: log [-f] [-n COUNT] [-l LEVEL] [-c COMPONENT]\n       log -w LEVEL TEXT...")
        raise Usage
    if written is not None:
        return write_record(level_number("log", written), options.operands)
    asked = options.value("l")
    level = U64(DEBUG) if asked is None else level_number("log", asked)
    named = options.value("c")
    component = Text("") if named is None else named
    count = count_of("log", options)
    reading = Reading(Text("log"), Log(need("log", "log", "Log.read")), U64(0), level)
    records = List[Record]()
    while True:
        record = reading.read()
        if record is None:
            break
        if component.length == 0 or record.component == component:
            records.append(record)
    show_last(records, count)
    if options.has("f"):
        follow(reading, component)
    return U8(0)


def dmesg(arguments: List[Text]) -> U8:
    """Show what init and the kernel reported."""
    options = parse(arguments, "n:")
    if options.operands.length > 0:
        print_error("usage: dmesg [-n COUNT]")
        raise Usage
    count = count_of("dmesg", options)
    reading = Reading(Text("dmesg"), Log(need("dmesg", "log", "Log.read")), U64(0), U64(DEBUG))
    records = List[Record]()
    while True:
        record = reading.read()
        if record is None:
            break
        if record.component.equals("init") or record.component.equals("kernel"):
            records.append(record)
    if records.length == 0:
        print_error("dmesg: the log holds no records of init or of the kernel")
    show_last(records, count)
    return U8(0)
