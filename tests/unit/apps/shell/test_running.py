"""Ways to start a shell, scripts from standard input, jobs, and what stays within a subshell."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

import pytest

from cloudos.lang import U64
from cloudos.sdk.host_programs import HostSystem
from tests.unit.apps.shell.hosting import Outcome, run_apart, run_dash, run_shell


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty working directory."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        (["-c", "echo $0 $1 $#", "name", "a", "b"], b""),
        (["-c", "exit 9"], b""),
        (["-e", "-c", "false; echo no"], b""),
        (["-eu", "-c", "echo a; echo $x"], b""),
        (["-n", "-c", "echo no"], b""),
        (["-c"], b""),
        (["-s"], b"echo $#\n"),
        ([], b"if true\nthen echo multi\nfi"),
        ([], b"echo before\nfi\necho never\n"),
        (["./script", "x", "y z"], b"input"),
    ],
)
def test_starts_as_dash_does(work: Path, arguments: list[str], given: bytes) -> None:
    (work / "script").write_text('echo "$# $2"; cat; return 5')
    (work / "script").chmod(0o755)
    assert run_shell(arguments, work, given) == run_dash(arguments, work, given)


def test_commands_read_what_follows_them_in_the_script(work: Path) -> None:
    # POSIX wants this; dash reads ahead and leaves them nothing.
    found = run_shell([], work, b"echo a\nread x\nthis is read\necho [$x]\ncat\nrest of it\n")
    assert found == Outcome(b"a\n[this is read]\nrest of it\n", 0)


def test_a_script_that_is_not_there(work: Path) -> None:
    assert run_shell(["./nothing"], work) == Outcome(b"", 127)


def test_a_file_without_a_first_line_is_a_script(work: Path) -> None:
    (work / "s").write_text("echo $0 $1; x=changed; exit 3\n")
    (work / "s").chmod(0o755)
    found = run_shell(["-c", "x=kept; ./s a; echo $? $x; ./s b | cat"], work)
    assert found == Outcome(b"./s a\n3 kept\n./s b\n", 0)


def test_jobs(work: Path) -> None:
    script = "sleep 0.2 & jobs; wait %1; jobs; (exit 3) & wait $!; echo $?; sleep 30 & kill $!; wait $!; echo $?"
    found = run_shell(["-c", script], work)
    assert found == Outcome(b"[1] + Running                    sleep 0.2\n3\n143\n", 0)


def test_subshells_change_nothing_outside(work: Path) -> None:
    script = """
    f() { echo outer; }
    x=1; set -- a b
    (x=2; y=3; cd /; f() { echo inner; }; set -f; shift; exec >/dev/null; trap 'echo t' EXIT; exit 7)
    echo $? $x $y $# $PWD $-; f
    """
    assert run_shell(["-c", script], work) == Outcome(b"7 1 2 %s\nouter\n" % bytes(work), 0)


def test_too_many_functions_within_functions_is_an_error(work: Path) -> None:
    assert run_shell(["-c", "f() { f; }; f; echo no"], work) == Outcome(b"", 2)
    assert run_shell(["-c", "(f() { f; }; f); echo $?"], work) == Outcome(b"2\n", 0)


def test_no_descriptor_is_left_open(work: Path) -> None:
    script = """
    for i in 1 2 3; do
        echo a | cat | while read x; do echo $x; done >f
        x=$(cat <f; echo b | cat); exec 3<f; exec 3<&-
        cat <<E >/dev/null
$(seq 2000)
E
        nosuch | cat; { echo a; } >/nonexistent/x; (exit 1); eval 'echo x >g'
    done
    """
    run_shell(["-c", script], work)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    run_shell(["-c", script], work)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_signal_that_comes_just_after_wait_has_looked_ends_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[bool] = []

    def signals(system: HostSystem, patience: U64) -> U64:
        """One comes after the first look that waits: the next look of any kind sees it."""
        time.sleep(int(patience) / 1e9)
        comes = looks[-1:] == [True] and looks.count(True) == 1
        looks.append(patience != 0)
        return U64(1 << 15 if comes else 0)

    monkeypatch.setattr(HostSystem, "signals", signals)
    found = run_apart(["-c", "trap 'echo got' TERM; sleep 2 & wait $!; echo $?"], work)
    assert found.output == b"got\n143\n"


def test_the_shell_of_a_test_leaves_no_signal_handled(work: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run_shell(["-c", "trap 'echo got' TERM"], work)
    assert signal.getsignal(signal.SIGTERM) is before
