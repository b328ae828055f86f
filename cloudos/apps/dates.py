"""Dates of the proleptic Gregorian calendar in UTC, and their formats as strftime of POSIX writes them."""

from __future__ import annotations

from cloudos.lang import U8, U64, managed, write_text
from cloudos.sdk import ByteBuffer, Text

NANOSECONDS = 1_000_000_000
DAY = 86400  # seconds
PERCENT = ord("%")
DAYS_TO_1970 = 719_468  # from 1 March of year 0
ERA = 146_097  # days of 400 years


@managed
class Date:
    """A time taken apart."""

    seconds: U64  # since 1970
    nanosecond: U64
    year: U64
    month: U64  # 1 to 12
    day: U64  # 1 to 31
    hour: U64
    minute: U64
    second: U64
    weekday: U64  # 0: Sunday
    year_day: U64  # 0 to 365


def is_leap(year: U64) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def date_of(time: U64) -> Date:
    """The date of a time in nanoseconds since 1970."""
    seconds = time // NANOSECONDS
    days = seconds // DAY
    # The year begins in March here, so that the odd day of leap years is its last.
    shifted = days + DAYS_TO_1970
    era = shifted // ERA
    day_of_era = shifted % ERA
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (U64(1) if month <= 2 else U64(0))
    first = days_since_1970(year, U64(1), U64(1))
    rest = seconds % DAY
    return Date(
        seconds,
        time % NANOSECONDS,
        year,
        month,
        day,
        rest // 3600,
        rest // 60 % 60,
        rest % 60,
        (days + 4) % 7,
        days - first,
    )


def days_since_1970(year: U64, month: U64, day: U64) -> U64:
    """The number of a day, 1 January 1970 being 0; the year is 1970 at least."""
    shifted = year - (U64(1) if month <= 2 else U64(0))
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return (
        shifted // 400 * ERA
        + (shifted % 400 * 365 + shifted % 400 // 4 - shifted % 400 // 100)
        + day_of_year
        - DAYS_TO_1970
    )


def month_name(month: U64) -> Text:
    """The English name."""
    match month:
        case 1:
            return Text("January")
        case 2:
            return Text("February")
        case 3:
            return Text("March")
        case 4:
            return Text("April")
        case 5:
            return Text("May")
        case 6:
            return Text("June")
        case 7:
            return Text("July")
        case 8:
            return Text("August")
        case 9:
            return Text("September")
        case 10:
            return Text("October")
        case 11:
            return Text("November")
        case _:
            return Text("December")


def day_name(weekday: U64) -> Text:
    """The English name; 0: Sunday."""
    match weekday:
        case 0:
            return Text("Sunday")
        case 1:
            return Text("Monday")
        case 2:
            return Text("Tuesday")
        case 3:
            return Text("Wednesday")
        case 4:
            return Text("Thursday")
        case 5:
            return Text("Friday")
        case _:
            return Text("Saturday")


def short(name: Text) -> Text:
    return name.slice(U64(0), U64(3))


def iso_week(date: Date) -> tuple[U64, U64]:
    """Year and number of the week by ISO 8601: week 1 has the year's first Thursday."""
    weekday = (date.weekday + 6) % 7  # Monday: 0
    week = (date.year_day + 10 - weekday) // 7
    if week == 0:
        before = date.year - 1
        return before, (date.year_day + year_length(before) + 10 - weekday) // 7
    thursday = date.year_day + 3 - min(weekday, U64(3))
    if week == 53 and thursday >= year_length(date.year):
        return date.year + 1, U64(1)
    return date.year, week


def year_length(year: U64) -> U64:
    """How many days a year has."""
    return U64(366) if is_leap(year) else U64(365)


def format_date(date: Date, format: Text) -> Text:
    """The date as a format of strftime says; what is no conversion stays as it is."""
    result = ByteBuffer()
    at = U64(0)
    while at < format.length:
        if format[at] != PERCENT or at + 1 == format.length:
            result.append(format[at])
            at += 1
        elif _numbers(date, format[at + 1], result) or _texts(date, format[at + 1], result):
            at += 2
        else:
            result.append(format[at])
            at += 1
    return result.to_text()


def _numbers(date: Date, letter: U8, sink: ByteBuffer) -> bool:
    """Append a conversion that is a number; whether it is one."""
    twelve = (date.hour + 11) % 12 + 1
    match letter:
        case 0x59:  # Y
            write_text(sink, f"{date.year}")
        case 0x43:  # C
            write_text(sink, f"{date.year // 100:02}")
        case 0x79:  # y
            write_text(sink, f"{date.year % 100:02}")
        case 0x6D:  # m
            write_text(sink, f"{date.month:02}")
        case 0x64:  # d
            write_text(sink, f"{date.day:02}")
        case 0x65:  # e
            write_text(sink, f"{date.day:>2}")
        case 0x48:  # H
            write_text(sink, f"{date.hour:02}")
        case 0x6B:  # k
            write_text(sink, f"{date.hour:>2}")
        case 0x49:  # I
            write_text(sink, f"{twelve:02}")
        case 0x6C:  # l
            write_text(sink, f"{twelve:>2}")
        case 0x4D:  # M
            write_text(sink, f"{date.minute:02}")
        case 0x53:  # S
            write_text(sink, f"{date.second:02}")
        case 0x4E:  # N
            write_text(sink, f"{date.nanosecond:09}")
        case 0x73:  # s
            write_text(sink, f"{date.seconds}")
        case 0x6A:  # j
            write_text(sink, f"{date.year_day + 1:03}")
        case 0x77:  # w
            write_text(sink, f"{date.weekday}")
        case 0x75:  # u
            write_text(sink, f"{(date.weekday + 6) % 7 + 1}")
        case _:
            return _weeks(date, letter, sink)
    return True


def _weeks(date: Date, letter: U8, sink: ByteBuffer) -> bool:
    """Append a conversion that tells the week; whether it is one."""
    year, week = iso_week(date)
    match letter:
        case 0x55:  # U
            write_text(sink, f"{(date.year_day + 7 - date.weekday) // 7:02}")
        case 0x57:  # W
            write_text(sink, f"{(date.year_day + 7 - (date.weekday + 6) % 7) // 7:02}")
        case 0x56:  # V
            write_text(sink, f"{week:02}")
        case 0x47:  # G
            write_text(sink, f"{year}")
        case 0x67:  # g
            write_text(sink, f"{year % 100:02}")
        case _:
            return False
    return True


def _texts(date: Date, letter: U8, sink: ByteBuffer) -> bool:
    """Append any other conversion; whether it is one."""
    match letter:
        case 0x61:  # a
            write_text(sink, f"{short(day_name(date.weekday))}")
        case 0x41:  # A
            write_text(sink, f"{day_name(date.weekday)}")
        case 0x62 | 0x68:  # b, h
            write_text(sink, f"{short(month_name(date.month))}")
        case 0x42:  # B
            write_text(sink, f"{month_name(date.month)}")
        case 0x70:  # p
            write_text(sink, "AM" if date.hour < 12 else "PM")
        case 0x50:  # P
            write_text(sink, "am" if date.hour < 12 else "pm")
        case 0x5A:  # Z
            write_text(sink, "UTC")
        case 0x7A:  # z
            write_text(sink, "+0000")
        case 0x25:  # %
            write_text(sink, "%")
        case 0x6E:  # n
            write_text(sink, "\n")
        case 0x74:  # t
            write_text(sink, "\t")
        case _:
            return _compounds(date, letter, sink)
    return True


def _compounds(date: Date, letter: U8, sink: ByteBuffer) -> bool:
    """Append a conversion that stands for several; whether it is one."""
    match letter:
        case 0x54 | 0x58:  # T, X
            write_text(sink, f"{date.hour:02}:{date.minute:02}:{date.second:02}")
        case 0x52:  # R
            write_text(sink, f"{date.hour:02}:{date.minute:02}")
        case 0x46:  # F
            write_text(sink, f"{date.year}-{date.month:02}-{date.day:02}")
        case 0x44 | 0x78:  # D, x
            write_text(sink, f"{date.month:02}/{date.day:02}/{date.year % 100:02}")
        case 0x63:  # c
            write_text(sink, f"{format_date(date, Text('%a %b %e %T %Y'))}")
        case 0x72:  # r
            write_text(sink, f"{format_date(date, Text('%I:%M:%S %p'))}")
        case _:
            return False
    return True
