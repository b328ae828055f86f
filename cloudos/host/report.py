"""What the user reads when something went wrong: tracebacks of Python lines, and the compiler's refusals."""

from __future__ import annotations

import contextlib
import linecache
from collections.abc import Iterable, Sequence
from pathlib import Path

from cloudos.host.records import Log, Record, Stop
from cloudos.host.symbols import Place, Site, Symbols, enclosing_function
from cloudos.host.unwind import Stack, return_addresses

PANICS = {
    1: "",
    2: "integer overflow",
    3: "division by zero",
    4: "shift count out of range",
    5: "value does not fit the type it is converted to",
    6: "index out of range",
    7: "null pointer",
    8: "assertion failed",
    9: "unreachable code was reached",
    10: "value is not a member of the enumeration",
    11: "memory was read before it was written",
    12: "memory was used after it was freed",
    13: "out of memory",
    14: "access outside of memory that belongs to the program",
    15: "stack overflow",
}
"""What each panic kind says (cloudos.lang.PanicKind)."""

FAULTS = {
    2: "interrupted",
    4: "illegal or privileged instruction",
    5: "breakpoint",
    6: "panic",
    7: "misaligned memory access",
    8: "arithmetic fault",
    9: "stopped",
    11: "bad memory access",
}
"""What each fault number says; the numbers are those of POSIX signals."""

BREAKPOINT = 5
MOST_FRAMES = 64
"""The kernel reports at most this many frames, the innermost ones."""

SHOWN_REPEATS = 3
GENERATED = "<generated"
"""Names of files of functions made while a module was imported begin like this; they have no source to show."""

ENTRY_FILE = "cloudos/sdk/start.py"


Roots = Sequence[Path]
"""Directories in which the files that debug information names are looked for, in order."""


def find_source(name: str, roots: Roots) -> str:
    """The path of a file named in debug information, relative to the current directory when it lies there."""
    for root in roots:
        candidate = root / name
        if candidate.is_file():
            with contextlib.suppress(ValueError):
                return str(candidate.relative_to(Path.cwd()))
            return str(candidate)
    return name


def traceback(places: Iterable[Place], roots: Roots, cut: bool = False) -> str:
    """Lines in Python's own form, outermost call first, from places given innermost first; `cut`: there were more."""
    entries = [entry(place, roots) for place in places]
    text = ["Traceback (most recent call last):"]
    if cut:
        text.append(f"  [calls outside of the innermost {MOST_FRAMES} are not shown]")
    previous, repeated = "", 0
    for current in reversed(entries):
        repeated = repeated + 1 if current == previous else 0
        if repeated < SHOWN_REPEATS:
            text.append(current)
        previous = current
        if repeated >= SHOWN_REPEATS:
            note = f"  [Previous line repeated {repeated - SHOWN_REPEATS + 1} more times]"
            if text[-1].startswith("  [Previous"):
                text.pop()
            text.append(note)
    return "\n".join(text)


def entry(place: Place, roots: Roots) -> str:
    """One level of a traceback."""
    if not place.line:
        return f"  {place.file}"
    path = find_source(place.file, roots)
    function = enclosing_function(path, place.line) or place.function
    text = f'  File "{path}", line {place.line}' + (f", in {function}" if function else "")
    source = linecache.getline(path, place.line).strip()
    return f"{text}\n    {source}" if source else text


def stack(stop: Stop, symbols: Symbols | None) -> list[Place]:
    """The places of a stop, innermost first.

    A record with an address of its own names the instruction itself, or after a breakpoint the one behind it; all
    others are return addresses, which may already belong to the next line: the call is the byte before.
    """
    if symbols is None:
        return []
    places: list[Place] = []
    fault_address = stop.record.number("ip")
    addresses = list(stop.frames)
    if fault_address is not None and addresses[:1] != [fault_address]:
        addresses.insert(0, fault_address)
    for index, address in enumerate(addresses):
        exact = index == 0 and fault_address is not None and stop.record.number("number") != BREAKPOINT
        found = symbols.places(address if exact else address - 1)
        places += found or [Place(f"<machine code at {address:#x}>", 0)]
    return places


def inner_part(places: Sequence[Place]) -> list[Place]:
    """The places of the program itself: not what leads to its `main`, generated functions, or the compiler's C."""
    shown = [place for place in places if not place.file.startswith(GENERATED) and not place.file.endswith(".c")]
    while len(shown) > 1 and (not shown[-1].line or Path(shown[-1].file).as_posix().endswith(ENTRY_FILE)):
        shown.pop()
    return shown or list(places)


def panic_text(stop: Stop, symbols: Symbols | None) -> tuple[str, Place | None]:
    """What a panic record says, and the line of its site."""
    word = stop.record.number("site")
    if word is None:
        return stop.record.text or "panic", None
    kind = PANICS.get(Site.decode(word).kind, f"panic kind {Site.decode(word).kind}")
    text = ": ".join(part for part in (kind, stop.record.text) if part)
    return text or "panic", symbols.site(word) if symbols else None


def from_site(places: Sequence[Place], site: Place | None) -> list[Place]:
    """The call stack of a panic, whose innermost level is the site: what lies above it only reports the panic."""
    if site is None:
        return list(places)
    for index, place in enumerate(places):
        if Path(place.file).name == Path(site.file).name and place.line == site.line:
            return list(places[index:])
    return [site, *places]


def ending(log: Log, symbols: Symbols | None, roots: Roots) -> str:
    """Traceback and last line for a program that the kernel ended, from its panic or fault records."""
    if log.panic is not None:
        text, site = panic_text(log.panic, symbols)
        stop = log.panic if log.panic.frames or log.fault is None else Stop(log.panic.record, log.fault.frames)
        places = inner_part(from_site(stack(stop, symbols), site))
        return f"{traceback(places, roots, len(stop.frames) >= MOST_FRAMES)}\npanic: {text}"
    if log.fault is None:
        return ""
    record = log.fault.record
    number = record.number("number") or 0
    text = FAULTS.get(number, f"fault {number}")
    address = record.number("address")
    kind = record.fields.get("kind")
    # x86 does not tell which address was not canonical.
    if number in (7, 11) and address is not None and (address or kind != "bad-address"):
        text += f" at {address:#x}"
    cut = len(log.fault.frames) >= MOST_FRAMES
    return f"{traceback(inner_part(stack(log.fault, symbols)), roots, cut)}\nfault: {text}" + (
        f" ({kind})" if kind else ""
    )


def kernel_panic(stop: Stop, symbols: Symbols | None, roots: Roots) -> str:
    """The kernel's own panic."""
    stop = kernel_stop(stop, symbols)
    text, site = panic_text(stop, symbols)
    if stop.record.number("site") is None:
        fields = stop.record.fields
        vector, error, address = (fields.get(name, "?") for name in ("trap", "error", "address"))
        text = f"trap {vector}, error {error}, address {address}"
    return f"{traceback(from_site(stack(stop, symbols), site), roots)}\nkernel panic: {text}"


def kernel_stop(stop: Stop, symbols: Symbols | None) -> Stop:
    """What the kernel wrote down, explained: the site of the check that failed, return addresses for stack words."""
    ip, sp, fp = (stop.record.number(name) for name in ("ip", "sp", "fp"))
    if symbols is None or ip is None or sp is None or fp is None:
        return stop
    fields, text = dict(stop.record.fields), stop.record.text
    if ip in symbols.sites and "site" not in fields:
        ip, site, text = symbols.sites[ip]
        fields |= {"site": str(site), "ip": hex(ip)}
    record = Record(stop.record.name, fields, text)
    innermost = Stack(ip, sp, fp, stop.frames, stop.registers.get("x30"))
    return Stop(record, [ip, *return_addresses(symbols.elf, innermost)])
