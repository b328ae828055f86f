"""audit: the record of security events."""

from __future__ import annotations

from cloudos.apps.administration.access import LISTING, Failed, complain, need, number
from cloudos.apps.administration.formats import printable
from cloudos.apps.options import Usage, parse
from cloudos.contracts.audits import Audit
from cloudos.lang import U8, U64, Error, error_code, free_slice, new_slice, write_text
from cloudos.sdk import InvalidNumber, List, Text, print_error, stdout


def verify(service: Audit) -> U8:
    """Have the chain checked and say the counts. Raises Failed."""
    try:
        records, sound = service.verify()
    except Error:
        complain("audit", "Audit.verify", error_code())
        raise Failed from None
    write_text(stdout, f"{records} records, {sound} sound\n")
    if sound < records:
        print_error(f"audit: the chain is broken: what stands behind record {sound} cannot be trusted")
        return U8(1)
    return U8(0)


def show_all(service: Audit, first: U64) -> None:
    """Write records from a position on. Raises Failed."""
    room = new_slice(U8, LISTING)
    try:
        position = first
        while True:
            count = service.read(position, room)
            if count == 0:
                return
            write_text(stdout, f"{printable(room[0:count])}\n")
            position += 1
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
    service = Audit(need("audit", "audit", "Audit.read"))
    first = U64(0)
    value = options.value("n")
    if value is not None:
        try:
            count = number(value)
        except InvalidNumber:
            print_error(f"audit: '{value}' is not a number")
            raise Usage from None
        try:
            records, _ = service.verify()
            first = records.saturating_sub(count)
        except Error:
            complain("audit", "Audit.verify", error_code())
            raise Failed from None
    show_all(service, first)
    return U8(0)
