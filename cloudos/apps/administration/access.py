"""What every utility here needs: its capabilities by name, errors as texts, and lists from services."""

from __future__ import annotations

from cloudos.apps.inputs import reason
from cloudos.lang import U8, U32, U64, Error, Slice
from cloudos.sdk import List, Text, print_error
from cloudos.sdk.collections.parsing import parse_digits
from cloudos.sdk.collections.slices import find_byte
from cloudos.sdk.component import held

LISTING = 4032  # bytes: the most that one answer of a service carries
SPACE = ord(" ")

__all__ = ["LISTING", "Failed", "add_items", "complain", "fields", "need", "number", "problem"]


class Failed(Error):
    """The utility cannot go on; standard error says why."""


def need(utility: str, capability: str, operation: str) -> U64:
    """The handle of a capability. Raises Failed, after saying which operation needs it, when there is none."""
    handle = held(capability)
    if handle == 0:
        name, wanted, purpose = Text(utility), Text(capability), Text(operation)
        print_error(f'{name}: not permitted: this program holds no capability "{wanted}" (for {purpose})')
        raise Failed
    return handle


def complain(utility: str, what: str, code: U32) -> None:
    """Say what failed, an operation or an operand, and why: `code` is the number of the error."""
    name, subject = Text(utility), Text(what)
    print_error(f"{name}: {subject}: {problem(code)}")


def problem(code: U32) -> Text:
    """The text for the number of an error that a service raised."""
    match code:
        case 4:
            return Text("not found")
        case 5:
            return Text("the service refuses it to this program")
        case 9:
            return Text("the service has no memory left")
        case 300:
            return Text("the service does not answer")
        case 201:
            return Text("the service's answer makes no sense")
        case 301 | 302:
            return Text("the service does not know this operation")
        case _:
            return reason(code)


def add_items(content: Slice[U8], items: List[Text]) -> bool:
    """Add texts that each end with a zero byte; whether there was any."""
    start = U64(0)
    while start < content.length:
        end = find_byte(content[start : content.length], U8(0))
        if end is None:
            break
        items.append(Text.from_bytes(content[start : start + end]))
        start += end + 1
    return start > 0


def fields(line: Text, count: U64) -> List[Text]:
    """The fields between single spaces, the last of which holds all that is left; fewer when there are fewer."""
    result = List[Text]()
    start = U64(0)
    while result.length + 1 < count:
        space = find_byte(line.content[start : line.length], U8(SPACE))
        if space is None:
            break
        result.append(line.slice(start, start + space))
        start += space + 1
    result.append(line.slice(start, line.length))
    return result


def number(text: Text) -> U64:
    """A decimal number without a sign; raises InvalidNumber."""
    return parse_digits(text.content)
