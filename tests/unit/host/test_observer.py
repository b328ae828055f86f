"""What is made of the plugin's records: profiles, flame graphs, names of processes, traces."""

from __future__ import annotations

import json
import struct
import xml.etree.ElementTree
from pathlib import Path

from cloudos.abi import tags
from cloudos.host.observer import arena, flame, trace_files, watching
from cloudos.host.observer.arena import Seen
from cloudos.host.observer.processes import FNV_BASIS, FNV_PRIME, Candidate, identify
from cloudos.host.observer.profiles import MOST_DEPTH, Frame, Profile, Tree, totals_of
from cloudos.host.observer.tracing import FAULT, INTERRUPT, MESSAGE, SCHEDULE, SYSTEM_CALL, Entry, Tracer
from cloudos.host.observer.watching import Block, Count, Event, Record
from cloudos.lang import offset_of, size_of

SVG = "{http://www.w3.org/2000/svg}"
MAIN, WORK, COPY = (Frame("p", "p.py", name) for name in ("main", "work", "copy"))


def tree(*calls: tuple[tuple[Frame, ...], int]) -> Tree:
    root = Tree(Frame("", "", "all"))
    for path, own in calls:
        at = root.child(Frame("", "", "process"))
        for frame in path:
            at = at.child(frame)
        at.own += own
    return root


def profile(*calls: tuple[tuple[Frame, ...], int]) -> Profile:
    return Profile(sum(own for _, own in calls), tree(*calls), (), {})


def test_totals_count_what_is_called_and_recursion_once() -> None:
    found = profile(((MAIN,), 5), ((MAIN, WORK), 10), ((MAIN, WORK, COPY, WORK), 20), ((COPY,), 1))
    costs = {cost.frame.function: (cost.own, cost.total) for cost in found.functions()}
    assert costs == {"main": (5, 35), "work": (30, 30), "copy": (1, 21)}
    assert [cost.frame for cost in found.functions()] == [WORK, MAIN, COPY]
    assert totals_of(found.tree)[found.tree] == found.total


def test_very_deep_recursion_has_an_end() -> None:
    found = profile(((WORK,) * 5000, 7))
    assert max(one.depth for one in found.tree.all()) == MOST_DEPTH
    assert [(cost.own, cost.total) for cost in found.functions()] == [(7, 7)]


def test_boxes_stand_on_their_callers_and_say_what_they_are() -> None:
    found = profile(((MAIN,), 200), ((MAIN, WORK), 500), ((MAIN, COPY), 300), ((MAIN, COPY, WORK), 1))
    root = xml.etree.ElementTree.fromstring(flame.draw(found, "a <title> & more"))
    boxes: dict[str, dict[str, float]] = {}
    for group in root.iter(f"{SVG}g"):
        title, rect = group.findtext(f"{SVG}title") or "", group.find(f"{SVG}rect")
        assert rect is not None
        place = {key: float(rect.attrib[key]) for key in ("x", "y", "width", "height")}
        boxes.setdefault(title.split(" ")[0].rstrip(":"), place)
    assert set(boxes) == {"all", "process", "main", "work", "copy"}
    work, copy, main = boxes["work"], boxes["copy"], boxes["main"]
    assert abs(work["width"] / copy["width"] - 500 / 301) < 0.01
    assert work["y"] == copy["y"] == main["y"] - main["height"]
    assert copy["x"] == main["x"] and abs(work["x"] - copy["x"] - copy["width"]) < 0.02
    assert work["x"] + work["width"] <= main["x"] + main["width"]
    assert "a <title> & more" in [one.text for one in root.iter(f"{SVG}text")]
    assert any("work (p, p.py): 500 instructions, 49.95 %" in (one.text or "") for one in root.iter(f"{SVG}title"))


def test_what_the_tool_reads_is_what_the_plugin_writes() -> None:
    """The formats of the tool, against the layout of the structures."""
    for structure, form, names in (
        (arena.Block, watching.BLOCK, ("address", "first", "count", "digest", "ending", "executed")),
        (arena.Node, watching.NODE, ("parent", "site")),
        (arena.Counter, watching.COUNTER, ("node", "block", "executed", "count")),
        (arena.Event, watching.EVENT, ("kind", "thread", "owner", "time", "values")),
    ):
        content = bytearray(size_of(structure))
        for number, name in enumerate(names, 1):
            content[offset_of(structure, name)] = number
        assert form.unpack_from(content)[: len(names)] == tuple(range(1, len(names) + 1))


def executable(path: Path, address: int, code: bytes) -> Path:
    """An ELF file with one segment, as far as `Code` reads it."""
    header = bytearray(64)
    header[32:40] = (64).to_bytes(8, "little")
    header[54:58] = struct.pack("<HH", 56, 1)
    path.write_bytes(bytes(header) + struct.pack("<IIQQQQQQ", 1, 5, 120, address, 0, len(code), len(code), 1) + code)
    return path


def block(address: int, code: bytes, starts: tuple[int, ...]) -> Block:
    digest = FNV_BASIS
    for byte in code:
        digest = (digest ^ byte) * FNV_PRIME & (1 << 64) - 1
    return Block(tuple(address + start for start in starts), digest)


def test_processes_are_told_by_their_code(tmp_path: Path) -> None:
    one = Candidate("one", executable(tmp_path / "one", 0x400000, b"\x90\x48\x89\xc7\xc3"))
    two = Candidate("two", executable(tmp_path / "two", 0x400000, b"\x90\x48\x89\xc6\xc3"))
    shared, own, other = (
        block(0x400000, b"\x90", (0,)), block(0x400000, b"\x90\x48\x89\xc6\xc3", (0, 1, 4)), block(0x1000, b"\1", (0,)),
    )  # fmt: skip
    nodes = ((0, 0), (0, 7), (0, 8), (2, 0x400004), (0, 9))
    counts = (Count(1, shared, 1, 5), Count(3, own, 3, 1), Count(3, shared, 1, 1), Count(4, other, 1, 1))
    found = identify(Record(counts, nodes, (), 1, {}), [one, two])
    assert {number: process.name for number, process in found.items()} == {7: "one", 8: "two", 9: "process 9"}
    assert found[8].elf == two.elf and found[9].elf is None


# Traces


def number_of(name: str) -> int:
    from cloudos.host.observer.contract_names import calls

    return next(number for number, call in calls().items() if call.name == name)


def enter(time: int, owner: int, name: str, *arguments: int, endpoint: int = 0) -> Event:
    values = [number_of(name), *arguments, *[0] * 19][:20]
    values[7:9] = [endpoint, 3 if endpoint else 0]
    values[12] = 0x400100
    return Event(Seen.CALL, owner << 12, owner, time, tuple(values))


def resume(time: int, owner: int, *results: int, client: int = 0, ip: int = 0x400100) -> Event:
    values = [*results, *[0] * 20][:20]
    if client:
        values[13:15] = [client << 12, client]
    values[15] = ip
    return Event(Seen.RESUME, owner << 12, owner, time, tuple(values))


def traced(*events: Event, end: int = 1000) -> list[Entry]:
    return Tracer({1: "server", 2: "client"}, "x86_64").trace(events, end)


def test_calls_messages_and_turns_of_a_round_trip() -> None:
    asks = 1 << 48 | 1 << 32 | 12 << tags.BYTES_SHIFT | 2
    entries = traced(
        resume(10, 1), enter(20, 1, "message_receive", 5, 0, endpoint=0x77),
        resume(30, 2), enter(40, 2, "message_call", 9, asks, 1, 2, endpoint=0x77),
        resume(50, 1, 0, 0, 6, asks, 0x123, 1, 2, client=2),
        enter(60, 1, "message_reply_receive", 5, 0, endpoint=0x77),
        resume(70, 2, 0, 0, 0, 0),
    )  # fmt: skip
    calls = [(entry.start, entry.end, str(entry.thread)) for entry in entries if entry.kind == SYSTEM_CALL]
    assert calls == [(20, 50, "server"), (40, 70, "client"), (60, None, "server")]
    request, reply = [entry for entry in entries if entry.kind == MESSAGE]
    assert (str(request.thread), str(request.other), request.start, request.end) == ("client", "server", 40, 50)
    assert request.text.startswith("client → server: ") and "(2 words, 12 bytes)" in request.text
    assert reply.text == "server → client: reply done (empty)" and (reply.start, reply.end) == (60, 70)
    turns = [(entry.start, entry.end, entry.text) for entry in entries if entry.kind == SCHEDULE]
    assert turns == [
        (0, 10, "boot"), (10, 30, "server runs"), (30, 50, "client runs"), (50, 70, "server runs"),
        (70, 1000, "client runs"),
    ]  # fmt: skip


def test_messages_without_reply_find_their_sender() -> None:
    entries = traced(
        enter(5, 2, "message_send", 9, 1, 44, endpoint=0x70), resume(6, 2),
        enter(10, 2, "message_send", 9, 1, 44, endpoint=0x77), resume(15, 2),
        enter(20, 1, "message_receive", 5, 0, endpoint=0x77), resume(30, 1, 0, 0, 6, 1, 0, 44),
    )  # fmt: skip
    (message,) = [entry for entry in entries if entry.kind == MESSAGE]
    assert (message.start, message.end, str(message.thread), str(message.other)) == (10, 30, "client", "server")


def test_what_the_kernel_tells_and_what_fails_and_what_is_repeated() -> None:
    entries = traced(
        enter(10, 1, "message_receive", 5, 0, endpoint=0x77), resume(20, 1, 0, 0, 0, tags.SIGNALS_TAG),
        enter(30, 1, "message_receive", 5, 0, endpoint=0x77), resume(40, 1, 7, 0),
        enter(50, 1, "memory_unmap", 4096, 8192), resume(60, 1, 0, 0, ip=0x4000FE),
        enter(70, 1, "memory_unmap", 4096, 8192), resume(80, 1, 0, 0),
    )  # fmt: skip
    (message,) = [entry for entry in entries if entry.kind == MESSAGE]
    assert message.text == "kernel → server: signals (1 word)" and message.thread is None
    results = [entry.details["result"] for entry in entries if entry.kind == SYSTEM_CALL]
    assert results == ["done", "BadHandle", "to be made again", "0"]
    assert entries[-1].text == "memory_unmap(address=0x1000, length=0x2000) = 0"


def trap(architecture: str, vector: int, error: int) -> tuple[str, str]:
    event = Event(Seen.TRAP, 1 << 12, 1, 5, (vector, error, 0x400200, *[0] * 17))
    entry = Tracer({1: "p"}, architecture).trace([event], 10)[0]
    return entry.kind, entry.text


def test_traps_are_named() -> None:
    assert trap("x86_64", 14, 6) == (FAULT, "page fault, write of an absent page at 0x400200")
    assert trap("x86_64", 14, 21) == (FAULT, "page fault, execute of a protected page at 0x400200")
    assert trap("x86_64", 80, 0) == (INTERRUPT, "timer at 0x400200")
    assert trap("x86_64", 36, 0) == (INTERRUPT, "interrupt line 4 at 0x400200")
    assert trap("x86_64", 27, 0) == (FAULT, "exception 27 at 0x400200")
    assert trap("aarch64", 27, 0) == (INTERRUPT, "timer at 0x400200")
    assert trap("aarch64", 1024, 0x24 << 26 | 64 | 0x0F) == (FAULT, "page fault, write of a protected page at 0x400200")
    assert trap("aarch64", 1024, 0x20 << 26 | 0x07) == (FAULT, "page fault, execute of an absent page at 0x400200")


def test_threads_of_a_process_have_numbers_and_idle_is_nobodys() -> None:
    second = Event(Seen.RESUME, 999, 1, 30, (0,) * 20)
    entries = traced(resume(10, 1), Event(Seen.IDLE, 0, 0, 20, (0,) * 20), second, end=50)
    assert [entry.text for entry in entries] == ["boot", "server runs", "idle", "server/2 runs"]


def test_text_and_file_for_viewers() -> None:
    entries = traced(enter(10, 2, "memory_map", 4096), resume(25, 2, 0, 0x2000000000))
    assert "            10  syscall   client: memory_map(length=0x1000) = 0x2000000000  [+15]" in list(
        trace_files.text(entries)
    )
    events = json.loads(trace_files.chrome(entries, 1000))["traceEvents"]
    (call,) = [event for event in events if event.get("cat") == SYSTEM_CALL]
    assert (call["name"], call["ph"], call["ts"], call["dur"]) == ("memory_map", "X", 0.01, 0.015)
    named = {event["args"]["name"] for event in events if event["ph"] == "M" and event["pid"] == call["pid"]}
    assert named == {"client"}
