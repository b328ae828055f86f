"""`cloudos trace`: all system calls of a program, who told whom what, and files that viewers can read."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cloudos.host import image
from cloudos.host.errors import ToolError
from cloudos.host.observer import runs, trace_files
from cloudos.host.observer.tracing import FAULT, KINDS, MESSAGE, SCHEDULE, SYSTEM_CALL, Entry
from cloudos.host.trace_command import collect, kinds_of
from tests.boot.harness import ROOT, cloudos

PROGRAM = ROOT / "tests" / "boot" / "programs" / "watched.py"


@cache
def trace(architecture: str, alone: bool) -> tuple[list[Entry], int]:
    inputs = image.Inputs("watched", ("5",))
    request = runs.Request(architecture, PROGRAM, inputs, alone=alone, output=runs.ERRORS)
    return collect(request, set(KINDS), None)


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_system_calls_of_a_program(architecture: str) -> None:
    entries, end = trace(architecture, True)
    calls = [entry for entry in entries if entry.kind == SYSTEM_CALL]
    null = [entry for entry in calls if entry.text == "system_null() = 0"]
    assert len(null) == 100
    lengths = {entry.end - entry.start for entry in null if entry.end is not None}
    assert max(lengths) < 60 and len(lengths) < 10, "most take as long as each other"
    (write,) = (entry for entry in calls if entry.text.startswith("console_write(stream=1,"))
    assert write.details["length"] == write.details["result"]
    assert calls[-1].text == "process_exit(status=0)" and calls[-1].end is None
    assert all(0 <= entry.start <= (entry.end or end) <= end for entry in entries)
    assert [entry.start for entry in entries] == sorted(entry.start for entry in entries)
    faults = [entry for entry in entries if entry.kind == FAULT]
    assert any("execute of an absent page" in entry.text for entry in faults)
    assert any("write of an absent page" in entry.text for entry in faults)


def test_a_bad_access_is_seen(tmp_path: Path) -> None:
    program = tmp_path / "bad.py"
    program.write_text(
        "from __future__ import annotations\n\nfrom cloudos.lang import U64, Ptr, VirtAddr\n\n\n"
        "def main() -> None:\n    Ptr.at(U64, VirtAddr(U64(0x10))).value = U64(1)\n"
    )
    request = runs.Request("x86_64", program, image.Inputs("bad"), alone=True, output=runs.ERRORS)
    entries, _ = collect(request, {FAULT}, "program")
    assert entries[-1].end is None and entries[-1].text.startswith("page fault, write of an absent page at 0x4")


def test_messages_between_components() -> None:
    entries, _ = trace("x86_64", False)
    messages = [entry for entry in entries if entry.kind == MESSAGE]
    shown = [entry.text for entry in messages]
    start = next(
        index for index, text in enumerate(shown) if text.startswith("runner → loader: Program.start (1 word)")
    )
    assert any(text.startswith("loader → runner: reply done (1 word)") for text in shown[start:])
    assert any(text.startswith("runner → init: Supervisor.hand_over (1 handle)") for text in shown)
    assert not [text for text in shown if text.startswith("unknown")]
    named = [entry for entry in messages if "label 0x" not in entry.text]
    assert len(named) > 0.9 * len(messages)
    ran = [entry for entry in entries if entry.kind == SCHEDULE and entry.end is not None]
    assert ran[0].text == "boot" and {"init runs", "loader runs", "program runs"} <= {entry.text for entry in ran}
    # One at a time, and always somebody or nobody.
    assert all(one.end == other.start for one, other in pairwise(ran))


def test_filters() -> None:
    output = (
        cloudos("trace", "--bare", "--filter", "syscall", "--process", "program", PROGRAM, "3").check().output.decode()
    )
    kinds = {line.split()[1] for line in output.splitlines()}
    assert kinds == {"syscall"} and output.count("system_null() = 0") == 100
    assert cloudos("trace", "--filter", "nothing", PROGRAM).check(125).errors.startswith("cloudos: --filter nothing")
    with pytest.raises(ToolError, match="no such kind"):
        kinds_of("syscall,calls")
    assert kinds_of(" fault,message") == {FAULT, MESSAGE}


def test_the_file_for_viewers_nests() -> None:
    entries, end = trace("x86_64", False)
    found: dict[str, Any] = json.loads(trace_files.chrome(entries, end))
    check_nesting(found["traceEvents"])
    names = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in found["traceEvents"]
        if event["name"] == "thread_name"
    }
    assert {"init", "loader", "runner", "program"} <= set(names.values())
    spans = [event for event in found["traceEvents"] if event["ph"] == "X"]
    assert {(event["pid"], event["tid"]) for event in spans} <= {*names, (0, 0)}
    assert len(spans) == len([entry for entry in entries if entry.kind != MESSAGE])


def check_nesting(events: list[dict[str, Any]]) -> None:
    """On each track every span ends before the next begins, or is inside it; each arrow has both ends, in order."""
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            assert event["dur"] >= 0 and event["ts"] >= 0
            tracks.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for spans in tracks.values():
        open_until: list[float] = []
        for start, stop in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= start + 1e-6:
                open_until.pop()
            assert not open_until or stop <= open_until[-1] + 1e-6
            open_until.append(stop)
    starts = {event["id"]: event["ts"] for event in events if event["ph"] == "s"}
    ends = {event["id"]: event["ts"] for event in events if event["ph"] == "f"}
    assert starts.keys() == ends.keys() and starts
    assert all(starts[number] <= ends[number] for number in starts)
