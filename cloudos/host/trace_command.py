"""`cloudos trace`: system calls, messages, faults, interrupts and scheduling of a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from cloudos.host.bootstrap import say
from cloudos.host.errors import ToolError
from cloudos.host.observer import runs, trace_files
from cloudos.host.observer.processes import identify
from cloudos.host.observer.tracing import KINDS, Entry, Tracer
from cloudos.host.profile_command import write


def kinds_of(text: str) -> set[str]:
    """The kinds of a list with commas; empty: all. Raises ToolError for one that there is not."""
    kinds = {part.strip() for part in text.split(",") if part.strip()} or set(KINDS)
    unknown = kinds - set(KINDS)
    if unknown:
        raise ToolError(f"--filter {', '.join(sorted(unknown))}: no such kind", f"there are {', '.join(KINDS)}")
    return kinds


def collect(request: runs.Request, kinds: set[str], process: str | None) -> tuple[list[Entry], int]:
    """Run, and give the entries that were asked for, and when the run was over. `process`: of those of this name alone.

    Raises ToolError, CompileError.
    """
    watched = runs.run(replace(request, traced=True))
    record = watched.record
    if record.lost["events"]:
        say(f"{record.lost['events']:,} events at the end found no room")
    names = {number: found.name for number, found in identify(record, watched.candidates).items()}
    if process is not None and process not in names.values():
        raise ToolError(f"no process '{process}' ran", f"there were: {', '.join(sorted(set(names.values())))}")
    entries = Tracer(names, request.architecture).trace(record.events, record.executed)
    return [entry for entry in entries if entry.kind in kinds and concerns(entry, process)], record.executed


def concerns(entry: Entry, process: str | None) -> bool:
    """Whether a process of this name has to do with an entry; None: any."""
    return process is None or any(one is not None and one.name == process for one in (entry.thread, entry.other))


def trace(request: runs.Request, kinds: str, process: str | None, text: str | None, chrome: Path | None) -> None:
    """Run, and write what was asked for: text to a file or "-", and a file for trace viewers.

    Raises ToolError, CompileError.
    """
    entries, end = collect(request, kinds_of(kinds), process)
    if chrome is not None:
        write(chrome, trace_files.chrome(entries, end))
    lines = trace_files.text(entries)
    if text is not None and text != "-":
        write(Path(text), "".join(f"{line}\n" for line in lines))
    elif text == "-":
        sys.stdout.writelines(f"{line}\n" for line in lines)
