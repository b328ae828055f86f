"""The command line: what belongs to the tool, what to the program, and the status of every refusal."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cloudos.host import build as build_module
from cloudos.host import cli, image
from cloudos.host import run as run_module
from cloudos.host.machine import describe, parse_memory
from cloudos.host.run import Request


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Collects what `run` was asked for instead of running it."""
    seen: list[Request] = []

    def record(request: Request) -> int:
        seen.append(request)
        return 0

    monkeypatch.setattr(run_module, "run", record)
    return seen


def invoke(*arguments: str) -> int:
    return CliRunner().invoke(cli.cli, list(arguments)).exit_code


def test_options_before_the_program_are_the_tools_and_all_after_it_are_the_programs(requests: list[Request]) -> None:
    assert invoke("run", "--cpus", "2", "prog.py", "--cpus", "3", "-n", "5", "--", "--help", "-") == 0
    assert requests[0].options.processors == 2
    assert requests[0].inputs == image.Inputs("prog.py", ("--cpus", "3", "-n", "5", "--", "--help", "-"))


def test_build_takes_its_options_on_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[object, ...]] = []

    def record(*arguments: object) -> list[Path]:
        seen.append(arguments)
        return []

    monkeypatch.setattr(build_module, "build", record)
    assert invoke("build", "prog.py", "-o", "dir", "x", "--", "-y") == 0
    assert invoke("build", "-o", "dir", "prog.py", "x", "--", "-y") == 0
    expected = (Path("prog.py"), "x86_64", image.Inputs("prog.py", ("x", "-y")), Path("dir"))
    assert seen == [expected, expected]


def test_the_defaults(requests: list[Request]) -> None:
    assert invoke("run", "prog.py") == 0
    request = requests[0]
    assert (request.architecture, request.options.machine, request.options.memory) == ("x86_64", "microvm", 1 << 30)
    assert (request.limits.seconds, request.limits.log_to_stderr, request.gdb) == (None, False, False)


def test_variables_and_files(requests: list[Request], tmp_path: Path) -> None:
    odd = tmp_path / "a:b"
    odd.write_text("")
    assert (
        invoke("run", "-e", "A=b=c", "-e", "B=", "--file", "x:/data/x", "--file", "y", "--file", str(odd), "p.py") == 0
    )
    inputs = requests[0].inputs
    assert inputs.environment == (("A", "b=c"), ("B", ""))
    assert inputs.files == ((Path("x"), "/data/x"), (Path("y"), "y"), (odd, str(odd)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--nonsense", "p.py"],
        ["run", "--cpus", "0", "p.py"],
        ["run", "--cpus", "256", "p.py"],
        ["run", "--memory", "lots", "p.py"],
        ["run", "--memory", "1K", "p.py"],
        ["run", "--timeout", "0", "p.py"],
        ["run", "--timeout", "-1", "p.py"],
        ["run", "--timeout", "nan", "p.py"],
        ["run", "--timeout", "inf", "p.py"],
        ["run", "--timeout", "1e300", "p.py"],
        ["run", "--timeout", "soon", "p.py"],
        ["run", "-e", "novalue", "p.py"],
        ["run", "-e", "=x", "p.py"],
        ["run", "--file", "x:", "p.py"],
        ["run", "--file", ":x", "p.py"],
        ["run", "--arch", "m68k", "p.py"],
        ["build", "p.py"],
        ["frobnicate"],
    ],
)
def test_bad_usage_is_refused_and_nothing_runs(
    requests: list[Request], arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["cloudos", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 125
    assert "Error:" in capsys.readouterr().err
    assert requests == []


def test_a_missing_program_is_127_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["cloudos", "run", str(tmp_path / "none.py")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 127
    assert capsys.readouterr().err.startswith(f"cloudos: {tmp_path}/none.py: no such file\nhelp: ")


def test_a_defect_of_the_tool_is_125(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(request: Request) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(run_module, "run", broken)
    monkeypatch.setattr("sys.argv", ["cloudos", "run", "p.py"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 125
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64M", 64 << 20),
        ("1G", 1 << 30),
        ("2048k", 2 << 20),
        ("64mb", 64 << 20),
        ("64MiB", 64 << 20),
        ("4194304", 4 << 20),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "1X", "0", "1M", "2T", "٣M", "1 000M", "b"])
def test_what_is_no_size_or_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_memory(text)


def test_sizes_for_people() -> None:
    assert [describe(size) for size in (100, 2048, 3 << 20, 1536 << 20)] == ["100 bytes", "2 KB", "3 MB", "1.5 GB"]


def test_a_name_that_no_file_can_have_is_split_like_any_other() -> None:
    assert cli.split_file("x:" + "y" * 5000) == (Path("x"), "y" * 5000)


def test_closed_standard_streams_become_the_null_device() -> None:
    """In a process of its own; with output closed, messages must not go to where output was meant to go."""
    import subprocess
    import sys

    command = 'exec "$0" -c "from cloudos.host.cli import main; main()" "$@" <&- >&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, "run", "none.py"], capture_output=True, check=False, text=True
    )
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr.startswith("cloudos: none.py: no such file")
    command = command.replace("<&- >&-", "2>&-")
    silent = subprocess.run(["sh", "-c", command, sys.executable, "run", "none.py"], capture_output=True, check=False)
    assert (silent.returncode, silent.stdout) == (127, b"")


def test_split_file_refuses_nothing_on_either_side() -> None:
    for text in ("", ":", "a:", ":a"):
        with pytest.raises(click.UsageError):
            cli.split_file(text)
