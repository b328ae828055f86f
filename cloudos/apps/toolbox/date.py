"""date: the time of day."""

from __future__ import annotations

from cloudos.apps.counts import is_number, to_count
from cloudos.apps.dates import DAY, NANOSECONDS, Date, date_of, days_since_1970, format_date
from cloudos.apps.inputs import reason
from cloudos.apps.options import Options, Usage, parse
from cloudos.lang import U8, U64, Error, error_code, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout
from cloudos.sdk.filesystem import now, status

PLUS = ord("+")


def two_digits(text: Text, at: U64) -> U64:
    """The number of two digits at a position; raises InvalidNumber."""
    if at + 2 > text.length:
        raise InvalidNumber
    return to_count(text.slice(at, at + 2))


def parse_time(text: Text) -> U64:
    """`@SECONDS`, or `YYYY-MM-DD` and perhaps ` HH:MM` or ` HH:MM:SS`, in nanoseconds; raises InvalidNumber."""
    if text.starts_with("@"):
        return to_count(text.slice(U64(1), text.length)) * NANOSECONDS
    if text.length < 10 or text[4] != 0x2D or text[7] != 0x2D:
        raise InvalidNumber
    year = to_count(text.slice(U64(0), U64(4)))
    month = two_digits(text, U64(5))
    day = two_digits(text, U64(8))
    if year < 1970 or month < 1 or month > 12 or day < 1 or day > 31:
        raise InvalidNumber
    seconds = days_since_1970(year, month, day) * DAY
    if date_of(seconds * NANOSECONDS).month != month:
        raise InvalidNumber
    if text.length > 10:
        if text.length != 16 and text.length != 19:
            raise InvalidNumber
        seconds += two_digits(text, U64(11)) * 3600 + two_digits(text, U64(14)) * 60
        if text.length == 19:
            seconds += two_digits(text, U64(17))
    return seconds * NANOSECONDS


def parse_stamp(text: Text) -> U64:
    """`[[CC]YY]MMDDhhmm[.SS]`, without a year of this one, in nanoseconds; raises InvalidNumber."""
    point = text.find(".")
    length = text.length if point is None else point
    if not is_number(text.slice(U64(0), length)) or (length != 8 and length != 10 and length != 12):
        raise InvalidNumber
    start = length - 8
    year = U64(0)
    if length == 12:
        year = to_count(text.slice(U64(0), U64(4)))
    elif length == 10:
        year = two_digits(text, U64(0))
        year += U64(2000) if year < 69 else U64(1900)
    else:
        year = this_year()
    second = Text("00") if point is None else text.slice(point + 1, text.length)
    month = text.slice(start, start + 2)
    day = text.slice(start + 2, start + 4)
    hour = text.slice(start + 4, start + 6)
    minute = text.slice(start + 6, start + 8)
    return parse_time(Text(f"{year}-{month}-{day} {hour}:{minute}:{second}"))


def this_year() -> U64:
    """The year of the clock; 1970 without one."""
    try:
        return date_of(now()).year
    except Error:
        return U64(1970)


def time_of(options: Options) -> U64:
    """The time that is to be shown; raises Usage after a complaint."""
    given = options.value("d")
    if given is not None:
        try:
            return parse_time(given)
        except InvalidNumber:
            print_error(f"date: invalid date '{given}'")
            raise Usage from None
    path = options.value("r")
    if path is not None:
        try:
            return status(path).modified
        except Error:
            print_error(f"date: {path}: {reason(error_code())}")
            raise Usage from None
    try:
        return now()
    except Error:
        print_error("date: there is no clock")
        raise Usage from None


def shown(date: Date, options: Options) -> Text:
    """The date in the format of the operand or of an option; raises Usage."""
    operands = options.operands
    if operands.length == 0:
        if options.has("R"):
            return format_date(date, Text("%a, %d %b %Y %H:%M:%S %z"))
        return format_date(date, Text("%a %b %e %H:%M:%S %Z %Y"))
    if operands.length > 1:
        print_error(f"date: extra operand '{operands[1]}'")
        raise Usage
    if operands[0].length == 0 or operands[0][0] != PLUS:
        print_error(f"date: invalid date '{operands[0]}'")
        raise Usage
    return format_date(date, operands[0].slice(U64(1), operands[0].length))


def date(arguments: List[Text]) -> U8:
    """Write the time of day in UTC, as `+FORMAT` says; `-d TIME` and `-r FILE`: another time."""
    try:
        options = parse(arguments, "ud:r:R")
        text = shown(date_of(time_of(options)), options)
    except Usage:
        return U8(1)
    write_text(stdout, f"{text}\n")
    return U8(0)
