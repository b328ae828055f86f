"""`cloudos fuzz`: what it makes of what the engine says, and how it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cloudos.host import fuzzing, state, testing
from cloudos.host.cli import cli
from cloudos.host.errors import ToolError

SAID = """\
INFO: Running with entropic power schedule (0xFF, 100).
#17\tNEW    cov: 155 ft: 567 corp: 43/9177b lim: 512 exec/s: 10 rss: 50Mb L: 3/4 MS: 1 ChangeBit-
=== Uncaught Python exception: ===
Panic: INDEX: index 1, length 1
Traceback (most recent call last):
==8378== ERROR: libFuzzer: fuzz target exited
stat::number_of_executed_units: 19
"""
ENGINE = """\
import pathlib, sys
{crash}
sys.stderr.write({said!r})
sys.exit({status})
"""


def test_executions_branches_and_the_traceback_are_taken() -> None:
    search = fuzzing.Search()
    fuzzing.follow(iter(SAID.splitlines(keepends=True)), search)
    assert (search.executions, search.branches) == (19, 155)
    assert search.problem == "Panic: INDEX: index 1, length 1\nTraceback (most recent call last):\n"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands in for the engine, and a state directory of its own."""
    program = tmp_path / "engine.py"
    monkeypatch.setattr(fuzzing, "prepare", lambda: None)
    monkeypatch.setattr(state, "directory", lambda: tmp_path)
    monkeypatch.setattr(fuzzing, "python", lambda *arguments: [sys.executable, str(program), *arguments])
    return program


def test_a_search_that_breaks_nothing_is_0(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine.write_text(ENGINE.format(crash="", said=SAID[: SAID.index("===")], status=0))
    assert fuzzing.fuzz("wiring", 1, 3) == 0
    assert "wiring: 17 executions" in capsys.readouterr().err


def test_what_crashes_is_named_with_the_command_that_repeats_it(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = f"pathlib.Path({str(tmp_path)!r}, 'fuzz/wiring/found/crash-1').write_bytes(b'restart')"
    engine.write_text(ENGINE.format(crash=crash, said=SAID, status=77))
    assert fuzzing.fuzz("wiring", 1, 3) == 1
    said = capsys.readouterr().err
    path = tmp_path / "fuzz" / "wiring" / "found" / "crash-1"
    assert f"bin/cloudos fuzz wiring --replay {path}" in said and "Panic: INDEX" in said
    assert path.read_bytes() == b"restart"


def test_an_engine_that_fails_is_told_with_its_last_words(engine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine.write_text(ENGINE.format(crash="", said="there is no target 'x'\n", status=1))
    assert fuzzing.fuzz("x", 1, 3) == 1
    assert "there is no target 'x'" in capsys.readouterr().err


def test_the_list_names_every_target(capfd: pytest.CaptureFixture[str]) -> None:
    assert CliRunner().invoke(cli, ["fuzz", "--list"], standalone_mode=False).return_value == 0
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()][:2] == ["system_calls", "contract_servers"]


def test_inputs_are_run_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(b"component a /a\n")
    command = ["fuzz", "wiring", "--replay", str(good)]
    assert CliRunner().invoke(cli, command, standalone_mode=False).return_value == 0
    assert "no crash" in capfd.readouterr().out
    bad.write_bytes(b"x")
    assert CliRunner().invoke(cli, ["fuzz", "nothing", "--replay", str(bad)], standalone_mode=False).return_value == 2


def test_it_wants_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "is_checkout", lambda: False)
    with pytest.raises(ToolError):
        fuzzing.prepare()
    with pytest.raises(ToolError):
        fuzzing.targets()


@pytest.mark.parametrize("arguments", [["all", "--long"], ["--long", "all"], ["--long"]])
def test_long_tests_are_a_variable_for_all_of_them(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None]] = []

    def run(kind: str, options: object) -> int:
        seen.append((kind, os.environ.get("CLOUDOS_LONG_TESTS")))
        return 0

    monkeypatch.delenv("CLOUDOS_LONG_TESTS", raising=False)
    monkeypatch.setattr(testing, "test", run)
    monkeypatch.setenv("CLOUDOS_LONG_TESTS", "")
    assert CliRunner().invoke(cli, ["test", *arguments], standalone_mode=False).return_value == 0
    assert seen == [("all", "1")]
