"""Records and texts that others made: log records, audit records, the kernel's log, manual pages, kept memory.

Readers raise their declared error or give something; the audit service, over any memory that init kept for it, starts,
records and verifies; the real-time clock's kept time is believed only when it is sound.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress

from cloudos.apps.administration import audits, help, pages, records
from cloudos.apps.administration.access import Failed
from cloudos.contracts.audits import Audit
from cloudos.contracts.logs import Log
from cloudos.drivers.rtc.kept import TOLERANCE, Kept, continued
from cloudos.host import audit as host_audit
from cloudos.host import records as host_records
from cloudos.lang import U8, U64, Slice
from cloudos.sdk import Text, console, lines, local_calls, models
from cloudos.sdk.files import File
from cloudos.sdk.local_system import LocalModel, MemoryObject
from cloudos.sdk.service import server
from cloudos.services.audit.main import new_audit
from tests.fuzz.services import literal, unmap_all
from tests.fuzz.target import Feed

SERVICE, STATE, KERNEL = 1, 3, 2
STATE_LENGTH = 4096
ANCHOR, CHECKED = 128, 96
MOST_RECORDS = 3


class Answers:
    """A log and an audit service that give the lines of the input."""

    def __init__(self, feed: Feed) -> None:
        self.left = feed.rest().split(b"\n")

    def next(self, into: Slice[U8]) -> U64:
        """The next line; 0 after the last."""
        line = self.left.pop(0)[: int(into.length)] if self.left else b""
        into[0 : len(line)].copy_from(literal(line))
        return U64(len(line))


class LogAnswers(Answers):
    """Implements `Log`."""

    def read(self, position: U64, level: U64, into: Slice[U8]) -> U64:
        return self.next(into)

    def write(self, level: U64, text: Slice[U8]) -> None:
        return

    def note(self, level: U64, text: Slice[U8]) -> None:
        return


class AuditAnswers(Answers):
    """Implements `Audit`."""

    def read(self, position: U64, into: Slice[U8]) -> U64:
        return self.next(into)

    def verify(self) -> tuple[U64, U64]:
        return U64(1), U64(1)


def fuzz(data: bytes) -> None:
    """Read one of them."""
    feed = Feed(data)
    form = feed.number() % 7
    local_calls.reset()
    model = LocalModel()
    models.install(model)
    console.stdout.used = console.stderr.used = U64(0)
    try:
        (log, audit, kernel_log, exported, page, kept, clock)[form](feed, model)
    finally:
        console.stdout.used = console.stderr.used = U64(0)
        unmap_all(model)
        local_calls.reset()
        models.install(models.SystemModel())


def log(feed: Feed, model: LocalModel) -> None:
    """`log` and `dmesg`."""
    local_calls.install(SERVICE, server((Log, LogAnswers(feed))).__dispatch__)  # type: ignore[attr-defined]
    reading = records.Reading(Text("log"), Log(U64(SERVICE)), U64(0), U64(7))
    with suppress(Failed):
        while (record := reading.read()) is not None:
            records.show(record)


def audit(feed: Feed, model: LocalModel) -> None:
    """`audit`."""
    local_calls.install(SERVICE, server((Audit, AuditAnswers(feed))).__dispatch__)  # type: ignore[attr-defined]
    with suppress(Failed):
        audits.read_all(Audit(U64(SERVICE)))


def kernel_log(feed: Feed, model: LocalModel) -> None:
    """What the tool makes of the first serial port, which programs can write to as well."""
    made = host_records.Log()
    while feed.left:
        made.feed(feed.take(feed.number() & 63))
    assert len(made.lines) <= host_records.KEPT_LINES


def exported(feed: Feed, model: LocalModel) -> None:
    """Lines of audit records that somebody kept."""
    text = feed.rest().decode("utf-8", "replace")
    with suppress(host_audit.BadLine):
        host_audit.verify([host_audit.parse(line) for line in text.splitlines() if line.strip()], count=2)


def page(feed: Feed, model: LocalModel) -> None:
    """`help`: any file as a manual page."""
    width, bold = feed.number(), bool(feed.number() & 1)
    content = feed.rest()
    shown = pages.layout(U64(width), bold)
    for line in lines(File(literal(content))):
        shown.line(line)
    shown.end()
    help.summary(File(literal(content)))
    help.builtins(File(literal(content)))


def kept(feed: Feed, model: LocalModel) -> None:
    """The audit service over kept memory: two anchors, each with a check that holds or not, and entries."""
    content = bytearray()
    for _ in range(2):
        sound = feed.number() & 1
        anchor = b"AUDITS\x00\x01" + feed.take(CHECKED - 8)
        if sound:
            # The numbers in an anchor are likelier to be near each other than any.
            anchor = anchor[:16] + struct.pack("<QQ", number(feed), number(feed)) + anchor[32:]
        anchor = anchor.ljust(CHECKED, b"\0")
        content += anchor + (hashlib.sha256(anchor).digest() if sound else feed.take(32).ljust(32, b"\0"))
    content += feed.take(400)
    model.memories[STATE] = MemoryObject(bytearray(content.ljust(STATE_LENGTH, b"\0")[:STATE_LENGTH]))
    model.audit_records = [bytes([one]) * 48 for one in range(MOST_RECORDS)]
    made = new_audit(U64(KERNEL), U64(STATE))
    local_calls.install(SERVICE, server((Audit, made)).__dispatch__)  # type: ignore[attr-defined]
    made.drain()
    count, sound_count = Audit(U64(SERVICE)).verify()
    assert sound_count <= count


def number(feed: Feed) -> int:
    """The number of an entry."""
    form = feed.number()
    return form if form < 128 else (1 << 64) - 1 - (form - 128) if form < 192 else feed.number(8)


def clock(feed: Feed, model: LocalModel) -> None:
    """The kept time of the real-time clock."""
    magic = int.from_bytes(b"rtc\x00\x00\x00\x00\x01", "little") if feed.number() & 1 else feed.number(8)
    ahead, shown = feed.number(8), feed.number(8)
    check = ~ahead & (1 << 64) - 1 if feed.number() & 1 else feed.number(8)
    found = int(continued(Kept(U64(magic), U64(ahead), U64(check)), U64(shown)))
    assert found == shown or abs(found - shown) <= TOLERANCE
