"""The time that the clock's registers show, as seconds since 1970."""

from __future__ import annotations

from cloudos.lang import U8, U64, struct

PM = 0x80
NOON = 12
DAY = 86_400  # seconds
# Without a century register: years below are of this century, the others of the last.
PIVOT = 70


@struct
class Reading:
    """The registers as they were read; `century` is 0 when the clock does not keep it."""

    second: U8 = U8(0)
    minute: U8 = U8(0)
    hour: U8 = U8(0)
    day: U8 = U8(0)
    month: U8 = U8(0)
    year: U8 = U8(0)
    century: U8 = U8(0)

    def equals(self, other: Reading) -> bool:
        """Whether two readings are the same."""
        same_time = self.second == other.second and self.minute == other.minute and self.hour == other.hour
        same_date = self.day == other.day and self.month == other.month and self.year == other.year
        return same_time and same_date and self.century == other.century


def decimal(value: U8) -> U64 | None:
    """The number that two decimal digits of four bits each stand for; None when one of them is no digit."""
    if value & 15 > 9 or value >> 4 > 9:
        return None
    return U64(value >> 4) * 10 + U64(value & 15)


def number(value: U8, binary: bool) -> U64:
    """A register's number; one that no field can have (255) when it has none."""
    if binary:
        return U64(value)
    found = decimal(value)
    return U64(255) if found is None else found


def hour_of(value: U8, binary: bool, by_24: bool) -> U64:
    """The hour from 0 on; 255 for none. With 12 hours a day bit 7 says afternoon, and 12 stands before 1."""
    if by_24:
        return number(value, binary)
    hour = number(value & ~U8(PM), binary)
    if hour == 0 or hour > NOON:
        return U64(255)
    return hour % NOON + (U64(NOON) if value & PM != 0 else U64(0))


def full_year(reading: Reading, binary: bool) -> U64:
    """The year, from 1970 to 2169; 0 for none. A century that cannot be is taken for one that is not kept."""
    year = number(reading.year, binary)
    if year > 99:
        return U64(0)
    century = number(reading.century, binary)
    whole = century * 100 + year
    if 1970 <= whole < 2170:
        return whole
    return year + (U64(2000) if year < PIVOT else U64(1900))


def is_leap(year: U64) -> bool:
    """Whether a year of the Gregorian calendar has 366 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def length_of_month(year: U64, month: U64) -> U64:
    """How many days a month, from 1 on, has."""
    match month:
        case 2:
            return U64(29) if is_leap(year) else U64(28)
        case 4 | 6 | 9 | 11:
            return U64(30)
        case _:
            return U64(31)


def days_before(year: U64, month: U64, day: U64) -> U64:
    """Days from 1970-01-01 to a date."""
    days = day - 1
    for other in U64.range(1970, year):
        days += U64(366) if is_leap(other) else U64(365)
    for earlier in U64.range(1, month):
        days += length_of_month(year, earlier)
    return days


def seconds_of(reading: Reading, binary: bool, by_24: bool) -> U64 | None:
    """Seconds since 1970, taking the clock's time for UTC; None when the registers show no time."""
    second, minute = number(reading.second, binary), number(reading.minute, binary)
    hour = hour_of(reading.hour, binary, by_24)
    year, month, day = full_year(reading, binary), number(reading.month, binary), number(reading.day, binary)
    if second > 59 or minute > 59 or hour > 23 or year == 0 or month == 0 or month > 12:
        return None
    if day == 0 or day > length_of_month(year, month):
        return None
    return days_before(year, month, day) * DAY + hour * 3600 + minute * 60 + second
