"""What `cloudos bench` makes of numbers: comparison with the baseline and with Linux, the page, the archive."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.host import baseline, bench_commands, bench_page, comparison, cpio, debian, elf, linux, plots, targets
from cloudos.host.bench import Report
from cloudos.host.comparison import Compared, Comparison
from cloudos.host.errors import ToolError

ROWS = {"round_trip": 400, "boot_to_user": 90_000}


def report(**instructions: int) -> Report:
    return Report("x86_64", "7.2", bytes={"kernel": 50_000}, instructions={**ROWS, **instructions})


def verdicts(before: Report, after: Report) -> dict[str, str]:
    rows = baseline.compare(before.as_object(), after.as_object())
    return {row.measure: row.verdict for row in rows}


def test_the_same_numbers_are_the_same() -> None:
    assert set(verdicts(report(), report()).values()) == {baseline.SAME}


@pytest.mark.parametrize(
    ("now", "verdict"), [(412, baseline.SAME), (413, baseline.WORSE), (388, baseline.SAME), (387, baseline.BETTER)]
)
def test_three_percent_are_tolerated(now: int, verdict: str) -> None:
    assert verdicts(report(), report(round_trip=now))["round_trip"] == verdict


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_only_what_is_larger_by_more_fails(before: int, after: int) -> None:
    rows = baseline.compare({"instructions": {"a": before}}, {"instructions": {"a": after}})
    assert bool(baseline.failed(rows)) == (100 * after > 103 * before)


def test_a_number_that_is_gone_fails_and_a_new_one_is_told() -> None:
    before, after = report(old=1), report(fresh=2)
    assert verdicts(before, after)["old"] == baseline.MISSING
    assert verdicts(before, after)["fresh"] == baseline.NEW
    failures = baseline.failed(baseline.compare(before.as_object(), after.as_object()))
    assert [row.measure for row in failures] == ["old"]


def test_another_firmware_excuses_only_what_it_is_part_of() -> None:
    after = report(round_trip=500, boot_to_user=200_000)
    after.qemu = "9.0"
    found = verdicts(report(), after)
    assert found["boot_to_user"] == baseline.OTHER and found["round_trip"] == baseline.WORSE


def test_bytes_count_too() -> None:
    after = report()
    after.bytes["kernel"] = 52_000
    assert verdicts(report(), after)["bytes.kernel"] == baseline.WORSE


def test_the_check_says_what_became_worse(capsys: pytest.CaptureFixture[str]) -> None:
    output = bench_commands.Output("table", None)
    assert bench_commands.shown("x86_64", report().as_object(), report(), output) == 0
    assert "3 numbers compared" in capsys.readouterr().out
    assert bench_commands.shown("x86_64", report().as_object(), report(round_trip=500), output) == 1
    shown = capsys.readouterr().out
    assert "round_trip" in shown and "+25.0%" in shown and "WORSE" in shown and "boot_to_user" not in shown
    assert "1 worse or missing" in shown


def test_a_baseline_that_cannot_be_read_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "path", lambda arch: tmp_path / f"{arch}.json")
    for content in (None, "[]", "{"):
        if content is not None:
            (tmp_path / "x86_64.json").write_text(content)
        with pytest.raises(ToolError) as caught:
            baseline.load("x86_64")
        assert "--update-baseline" in caught.value.hint


def test_the_baselines_meet_the_targets() -> None:
    for arch in ("x86_64", "aarch64"):
        kept = baseline.load(arch)
        stored = Report(**kept)
        assert kept == stored.as_object()
        assert targets.missed(stored) == {}


def test_a_missed_target_is_found() -> None:
    assert targets.missed(report(round_trip=441)) == {"round_trip": 441}
    assert targets.missed(report(page_fault_anonymous=1112)) == {}
    assert targets.missed(report(page_fault_anonymous=1113)) == {"page_fault_anonymous": 1113}


def compared(ours: int, theirs: int) -> Compared:
    (row,) = comparison.compared({"round_trip": ours}, {"pipe_round_trip": theirs}, {})
    return row


def test_ratios_are_not_rounded_up_to_the_target() -> None:
    assert compared(100, 2500).target == "25: met"
    row = compared(1000, 24_990)
    assert row.ratio == 25.0 and row.target == "25: missed"
    assert not Comparison("x86_64", "", "", rows=[row]).met
    assert Comparison("x86_64", "", "", rows=[compared(100, 2500)]).met


def test_each_pair_names_rows_of_the_programs() -> None:
    ours = baseline.load("x86_64")["instructions"].keys() | {"memory_used"}
    theirs = "".join(path.read_text() for path in linux.source().parent.glob("*.py"))
    assert [pair.ours for pair in comparison.PAIRS if pair.ours not in ours] == []
    names = [pair.linux for pair in comparison.PAIRS if pair.linux != "memory_used"]
    assert [name for name in names if f'"{name}"' not in theirs] == []


def test_output_of_the_program_is_read() -> None:
    shown = "Probing EDD\r\nfirst 12\r\nsecond 3\r\ncomplete 1\r\n"
    assert linux.parse(shown) == {"first": 12, "second": 3}


def test_a_program_that_stops_early_gives_no_numbers() -> None:
    with pytest.raises(ToolError, match="panic at line 7: wrong"):
        linux.parse("first 12\npanic at line 7: wrong\n")


def unpacked(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Name, mode and content of each entry, read as the format says: everything begins at a multiple of four."""
    found, at = [], 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701" and at % 4 == 0
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size]
        start = -(-(at + 110 + name_size) // 4) * 4
        found.append((name[:-1].decode(), mode, archive[start : start + size]))
        assert name[-1:] == b"\0"
        at = -(-(start + size) // 4) * 4
    return found


@given(st.dictionaries(st.text("abc/", min_size=1, max_size=9), st.binary(max_size=9), max_size=4))
def test_an_archive_is_what_the_format_says(files: dict[str, bytes]) -> None:
    *entries, last = unpacked(cpio.archive(files))
    assert entries == [(name, 0o100755, content) for name, content in files.items()]
    assert last == ("TRAILER!!!", 0, b"")


def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    drawn: list[tuple[str, object]] = []
    monkeypatch.setattr(plots, "bars", lambda path, *rest, **named: drawn.append((path.name, rest)))
    one = Comparison("x86_64", "linux-image-1 1.2", "7.2", rows=[compared(100, 2500)])
    files = bench_page.write(tmp_path, {"x86_64": report()}, {"x86_64": one}, "2026-01-02, CloudOS 1 (abc)")
    assert [name for name, _ in drawn] == [bench_page.RATIOS, bench_page.COSTS]
    return files[0].read_text()


def test_the_page_says_of_what_and_when_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page(tmp_path, monkeypatch)
    for part in (bench_page.COMMAND, "2026-01-02, CloudOS 1 (abc)", "QEMU 7.2", "linux-image-1 1.2"):
        assert part in text
    assert "| round trip, pipe | 100 | 2,500 | 25.0 |  | 25: met |" in text
    assert "| `round_trip` | 400 | 440 |" in text
    assert f"({bench_page.RATIOS})" in text and f"({bench_page.COSTS})" in text


def test_drawings_have_bars_with_numbers(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "one.svg"
    plots.bars(path, "title", "unit", ["first", "second"], {"x86_64": [10.0, None], "aarch64": [2e6, 123.0]}, "note")
    text = path.read_text()
    for part in ("title", "unit", "first", "second", "2.0M", "123", "note", "aarch64"):
        assert part in text


@given(st.integers(0, 2000).map(lambda count: 4 * count), st.binary(min_size=4, max_size=16))
def test_the_first_instructions_are_replaced(distance: int, code: bytes) -> None:
    """On AArch64 those behind the branch over the header; nothing else changes, and the file stays as long."""
    body = bytearray(b"\x11" * 8192)
    body[0:4] = (0x14000000 | distance // 4).to_bytes(4, "little")
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x8000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 128, 0x8000, 0x8000, len(body), len(body), 4096)
    content = (header + segment).ljust(128, b"\0") + bytes(body)
    place = 128 + distance if distance else 128
    changed = elf.overwritten(content, code)
    if distance + len(code) <= len(body):
        assert changed[place : place + len(code)] == code and len(changed) == len(content)
        assert changed[:place] == content[:place] and changed[place + len(code) :] == content[place + len(code) :]


def test_apt_is_told_of_a_state_of_its_own(tmp_path: Path) -> None:
    """The machine's own lists and architectures stay out of it, and its sources in force."""
    path = debian.configuration(tmp_path, "arm64")
    shown = subprocess.run(["apt-config", "-c", path, "dump"], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        pytest.skip("there is no apt here")
    settings = dict(line.rstrip(";").split(" ", 1) for line in shown.stdout.splitlines())
    assert settings["APT::Architecture"] == '"arm64"'
    assert settings["Dir::State"] == f'"{tmp_path}/state"' and settings["Dir::Cache"] == f'"{tmp_path}/cache"'
    listed = [line for line in shown.stdout.splitlines() if line.startswith("APT::Architectures:: ")]
    assert listed == ['APT::Architectures:: "arm64";']


def test_a_kernel_that_was_fetched_is_used(tmp_path: Path) -> None:
    assert debian.recorded(tmp_path) is None
    file = tmp_path / "kernel"
    (tmp_path / "kernel.json").write_text(json.dumps({"package": "p", "version": "1", "path": str(file)}))
    assert debian.recorded(tmp_path) is None
    file.write_bytes(b"")
    assert debian.recorded(tmp_path) == debian.Kernel("p", "1", str(file))


def test_the_newest_kernel_is_what_the_package_depends_on() -> None:
    text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n"
    found = debian.NEWEST.search(text)
    assert found and found[1] == "linux-image-6.1.0-56-cloud-amd64"
    assert debian.NEWEST.search("linux-image-virtual\n  Depends: linux-firmware\n") is None
