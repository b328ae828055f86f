"""Verify audit records outside the machine: `python -m cloudos.host.audit FILE --count N --last HASH`.

FILE has the lines that `Audit.read` gave, in order. Count and last hash, noted elsewhere, show whether lines lack
at the end. The hash of the first line is computed from `--before`, by default that of a chain's beginning.
"""

from __future__ import annotations

import hashlib
import re
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cloudos.abi.objects import Event

START = bytes(32)
RECORD = struct.Struct("<QQQQQBBB5x")
OWN = ("LOST", "BROKEN")
LINE = re.compile(
    r"(?P<number>\d+) (?P<time>\d+) (?P<event>\w+) #(?P<record>\d+) subject=(?P<subject>\d+) object=(?P<object>\d+)"
    r" labels=(?P<from>\d+)>(?P<to>\d+) detail=(?P<detail>\d+)(?:\([^()]*\))? hash=(?P<hash>[0-9a-f]{64})"
)


class BadLine(ValueError):
    """A line is not one of an audit record; the message says which."""


@dataclass(frozen=True)
class Exported:
    """One record: its number in the chain, its 48 bytes, its hash."""

    number: int
    record: bytes
    hash: bytes


@dataclass(frozen=True)
class Verdict:
    """How many records there are, how many are sound from the first on, and what is wrong: "" when nothing is."""

    count: int
    sound: int
    problem: str = ""


def parse(line: str) -> Exported:
    """The record that a line says. Raises BadLine."""
    found = LINE.fullmatch(line.strip())
    if found is None:
        raise BadLine(f"not a line of an audit record: {line.strip()[:60]!r}")
    name = found["event"]
    if name in OWN:
        event = 0
    elif name.startswith("EVENT_"):
        event = int(name.removeprefix("EVENT_"))
    elif name in Event.__members__:
        event = int(Event[name])
    else:
        raise BadLine(f"no such event: {name}")
    fields = [int(found[key]) for key in ("record", "time", "subject", "object", "detail")]
    try:
        record = RECORD.pack(*fields, event, int(found["from"]), int(found["to"]))
    except struct.error as error:
        raise BadLine(f"a number is too large: {line.strip()[:60]!r}") from error
    return Exported(int(found["number"]), record, bytes.fromhex(found["hash"]))


def verify(
    entries: Sequence[Exported], *, count: int | None = None, last: bytes | None = None, before: bytes = START
) -> Verdict:
    """Compute the chain anew. `count`: the number of the last record; `last`: its hash."""
    hash = before
    for index, entry in enumerate(entries):
        if index and entry.number != entries[index - 1].number + 1:
            return Verdict(len(entries), index, f"record {entry.number} follows {entries[index - 1].number}")
        hash = hashlib.sha256(hash + entry.record).digest()
        if hash != entry.hash:
            return Verdict(len(entries), index, f"record {entry.number} is not the one that was written")
    sound = len(entries)
    if count is not None and (entries[-1].number if entries else 0) != count:
        return Verdict(len(entries), sound, f"the last record is not number {count}")
    if last is not None and hash != last:
        return Verdict(len(entries), max(sound - 1, 0), "the last hash is another one")
    return Verdict(len(entries), sound)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--count", type=int, help="Number of the last record.")
@click.option("--last", help="Hash of the last record, 64 hexadecimal digits.")
@click.option("--before", default=START.hex(), help="Hash before the first record.")
def main(file: Path, count: int | None, last: str | None, before: str) -> None:
    """Verify the audit records in FILE."""
    try:
        entries = [parse(line) for line in file.read_text().splitlines() if line.strip()]
        end = bytes.fromhex(last) if last is not None else None
        verdict = verify(entries, count=count, last=end, before=bytes.fromhex(before))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{verdict.sound} of {verdict.count} records are sound" + f": {verdict.problem}" * bool(verdict.problem))
    sys.exit(1 if verdict.problem else 0)


if __name__ == "__main__":
    main()
