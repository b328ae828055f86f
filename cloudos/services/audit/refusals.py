"""What the kernel's record of a refused system call says: the operation, the capability, and the right.

The tables are made from the declarations while the service is built.
"""

from __future__ import annotations

from typing import Literal

from cloudos.abi.errors import numbered
from cloudos.abi.system_calls import SYSTEM_CALLS, SystemCall
from cloudos.lang import U8, U16, U64, Array, Slice, data, write_text
from cloudos.sdk import ByteBuffer


def _need(call: SystemCall) -> str:
    """What the call's first handle must name and allow."""
    for name, needs in call.needs.items():
        rights = "|".join(str(right.name) for right in needs.rights)
        return f"{name} to be {needs.kind.name}[{rights}]"
    return "a handle"


def _table(texts: list[str]) -> tuple[bytes, list[int]]:
    """Texts one after the other, and where each begins and the last ends."""
    ends = [0]
    for text in texts:
        ends.append(ends[-1] + len(text.encode()))
    return "".join(texts).encode(), ends


_CALLS, _CALL_ENDS = _table([call.name for call in SYSTEM_CALLS])
_NEEDS, _NEED_ENDS = _table([_need(call) for call in SYSTEM_CALLS])
_NAMES = {code: error.__name__ for code, error in numbered()}
_ERRORS, _ERROR_ENDS = _table([_NAMES.get(code, "unknown") for code in range(32)])


def _places(ends: list[int]) -> Array[U16, Literal[80]]:
    places = Array[U16, Literal[80]]()
    for index, end in enumerate(ends):
        places[index] = U16(end)
    return places


CALLS, NEEDS, ERRORS = data(_CALLS), data(_NEEDS), data(_ERRORS)
CALL_PLACES, NEED_PLACES, ERROR_PLACES = _places(_CALL_ENDS), _places(_NEED_ENDS), _places(_ERROR_ENDS)
COUNT = len(SYSTEM_CALLS)
ERROR_COUNT = 32


def part(texts: Slice[U8], places: Array[U16, Literal[80]], number: U64) -> Slice[U8]:
    """One text of a table."""
    return texts[U64(places[number]) : U64(places[number + 1])]


def write_refusal(line: ByteBuffer, detail: U64) -> None:
    """`call handle N: Error, needs NAME to be KIND[RIGHT]`; see REFUSED in `cloudos.abi.audit`."""
    number, error, handle = detail & 0xFF, detail >> 8 & 0xFF, detail >> 32
    if number >= COUNT or error >= ERROR_COUNT:
        write_text(line, "unknown")
        return
    line.write(part(CALLS, CALL_PLACES, number))
    write_text(line, f" handle {handle}: ")
    line.write(part(ERRORS, ERROR_PLACES, error))
    write_text(line, ", needs ")
    line.write(part(NEEDS, NEED_PLACES, number))
