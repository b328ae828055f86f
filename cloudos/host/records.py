"""The kernel's log as it comes over the first serial port: messages for people, and records for the tool.

A record is a line that begins with `@`:

    @exit status=N                                       the program ended by itself
    @fault number=N kind=NAME ip=0x… address=0x… sp=0x…  the kernel ended it; N is the POSIX signal number
    @panic site=0x… message=TEXT                         the program panicked; TEXT reaches to the end of the line
    @frame ip=0x…                                        after @fault or @panic: a return address, innermost first
                                                         after @kernel-panic: a word of the stack, from sp on
    @kernel-panic site=0x… message=TEXT                  a defect of the kernel that it noticed itself, before the next
    @kernel-panic trap=N error=0x… ip=0x… address=0x… sp=0x… fp=0x…
                                                         a fault in the kernel, or a check that failed: then a trapping
                                                         instruction at ip says which; N is the processor's vector;
                                                         the next line has the registers, NAME=0x…
    @ready                                               the program channel may be written to from now on
    @refused reason=TEXT                                 the kernel cannot load the program
    @program                                             a process is the first one now: until then it was init
    @off                                                 the machine is about to stop
    @restart                                             the machine is about to reset: all that was said is over
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FIELD = re.compile(r"(status|number|kind|ip|address|sp|fp|site|trap|error)=(\S+)(?: |$)")
REGISTER = re.compile(r" +(\w+)=(0x[0-9a-f]+)")
LONGEST_LINE = 64 * 1024
KEPT_LINES = 200


@dataclass(frozen=True)
class Record:
    """One record: its name without `@`, its fields, and the text after them."""

    name: str
    fields: dict[str, str]
    text: str = ""

    def number(self, name: str) -> int | None:
        """A field as a number, decimal or 0x…; None when absent or not a number."""
        try:
            return int(self.fields[name], 0)
        except (KeyError, ValueError):
            return None


def parse(line: str) -> Record:
    """The record in a line that begins with `@`. Fields end at the first word that is not a known NAME=VALUE."""
    name, _, rest = line[1:].partition(" ")
    fields: dict[str, str] = {}
    while (found := FIELD.match(rest)) and found[1] not in fields:
        fields[found[1]] = found[2]
        rest = rest[found.end() :]
    return Record(name, fields, rest.removeprefix("message=").removeprefix("reason="))


@dataclass
class Stop:
    """Why the program or the kernel stopped: the record that says so and the return addresses that followed it."""

    record: Record
    frames: list[int] = field(default_factory=list)
    registers: dict[str, int] = field(default_factory=dict)


@dataclass
class Log:
    """Collects the log; `lines` keeps the last messages for error reports."""

    lines: list[str] = field(default_factory=list)
    status: int | None = None
    fault: Stop | None = None
    panic: Stop | None = None
    kernel_panic: Stop | None = None
    ready: bool = False
    refused: str = ""
    off: bool = False
    handed_over: bool = False
    restarts: int = 0
    # It has begun again without having said so before: it has crashed.
    lost: bool = False
    pending: bytes = b""
    latest: Stop | None = None

    def feed(self, data: bytes) -> list[str]:
        """Take bytes as they come; the result is the complete messages among them, records left out."""
        *lines, self.pending = (self.pending + data).split(b"\n")
        if len(self.pending) > LONGEST_LINE:
            lines, self.pending = [*lines, self.pending], b""
        messages = []
        for raw in lines:
            line = raw.decode("utf-8", "backslashreplace").rstrip("\r")
            if line.startswith("@"):
                self.note(parse(line))
            elif line:
                messages.append(line)
                self.note_registers(line)
        self.lines = (self.lines + messages)[-KEPT_LINES:]
        return messages

    def note(self, record: Record) -> None:
        """Keep what a record says. The first stop of each kind counts: later ones are its consequences."""
        stop = Stop(record)
        if record.name == "exit":
            self.status = record.number("status")
        elif record.name == "fault":
            self.fault, self.latest = self.fault or stop, stop
        elif record.name == "panic":
            self.panic, self.latest = self.panic or stop, stop
        elif record.name == "kernel-panic":
            self.note_kernel_panic(stop)
        elif record.name == "frame" and self.latest is not None:
            address = record.number("ip")
            if address is not None:
                self.latest.frames.append(address)
        elif record.name == "ready":
            self.lost = self.lost or self.ready
            self.ready = True
        elif record.name == "refused":
            self.refused = record.text or "no reason given"
        elif record.name == "program":
            self.handed_over = True
        elif record.name == "off":
            self.off = True
        elif record.name == "restart":
            self.restarts += 1
            self.status = self.fault = self.panic = self.latest = None
            self.ready = self.handed_over = False

    def note_registers(self, line: str) -> None:
        """Keep the registers of the kernel, which follow the record of its panic."""
        stop = self.kernel_panic
        if stop is not None and not stop.registers and not stop.frames and line.startswith(" "):
            stop.registers.update((name, int(value, 16)) for name, value in REGISTER.findall(line))

    def note_kernel_panic(self, stop: Stop) -> None:
        """Keep what the kernel says about itself: a message and a site may come before the trap."""
        first = self.kernel_panic
        if first is not None and "ip" not in first.record.fields:
            fields = first.record.fields | stop.record.fields
            stop = Stop(Record(first.record.name, fields, first.record.text))
            first = None
        self.kernel_panic, self.latest = first or stop, stop
