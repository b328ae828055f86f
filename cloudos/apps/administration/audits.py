"""audit: the record of security events."""

from __future__ import annotations

from cloudos.apps.administration.access import LISTING, Failed, complain, fields, need, number
from cloudos.apps.administration.formats import printable
from cloudos.apps.options import Usage, parse
from cloudos.contracts.audits import Audit
from cloudos.lang import U8, U64, Error, error_code, free_slice, new_slice, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout

ALL = 0xFFFF_FFFF_FFFF_FFFF


def verify(service: Audit) -> U8:
    """Have the chain checked and say the counts. Raises Failed."""
    try:
        records, sound = service.verify()
    except Error:
        complain("audit", "Audit.verify", error_code())
        raise Failed from None
    write_text(stdout, f"{records} records, {sound} sound\n")
    if sound < records:
        print_error(f"audit: the chain is broken: only the first {sound} records are as they were written")
        return U8(1)
    return U8(0)


def read_all(service: Audit) -> List[Text]:
    """All records that are held, each of which begins with its number, oldest first. Raises Failed."""
    room = new_slice(U8, LISTING)
    records = List[Text]()
    next = U64(0)
    try:
        while True:
            count = service.read(next, room)
            if count == 0:
                return records
            record = Text.from_bytes(room[0:count])
            found = number(fields(record, U64(2))[0])
            if found < next or found == ALL:
                raise InvalidNumber
            records.append(record)
            next = found + 1
    except Error:
        complain("audit", "Audit.read", error_code())
        raise Failed from None
    finally:
        free_slice(room)


def audit(arguments: List[Text]) -> U8:
    """List the records; `-n` only the last; `-v`: check the chain, status 1 when it is broken."""
    options = parse(arguments, "vn:")
    if options.operands.length > 0:
        print_error("usage: audit [-n COUNT]\n       audit -v")
        raise Usage
    if options.has("v"):
        return verify(Audit(need("audit", "audit", "Audit.verify")))
    count = U64(ALL)
    value = options.value("n")
    if value is not None:
        try:
            count = number(value)
        except InvalidNumber:
            print_error(f"audit: '{value}' is not a number")
            raise Usage from None
    records = read_all(Audit(need("audit", "audit", "Audit.read")))
    for i in U64.range(records.length.saturating_sub(count), records.length):
        write_text(stdout, f"{printable(records[i].content)}\n")
    return U8(0)
