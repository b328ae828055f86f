"""kill, reboot, poweroff, hostname, clear, more, help; and the program as a whole."""

from __future__ import annotations

import pytest

from cloudos.abi.errors import Denied
from cloudos.apps.administration.table import NAMES
from tests.unit.apps.administration.machine import HANDLES, Machine, Result

PAGE = b"""# ps

## NAME

ps - list `programs`

## OPTIONS

- `-p LIST`: only those programs whose numbers are in the list.

    code   stays

The end.
"""
SHELL = b"""# sh

## NAME

sh - run commands

## BUILTINS

- `cd DIR` - change
- `exit` - end

## FILES

- a - b
"""
LINES = [f"line {number}\n" for number in range(30)]
PROMPT = "\x1b[7m--More--\x1b[0m\r\x1b[K"


@pytest.mark.parametrize(
    ("arguments", "killed"),
    [
        (["7"], [(7, False, 15)]),
        (["7", "1"], [(7, False, 15), (1, False, 15)]),
        (["-9", "7"], [(7, False, 9)]),
        (["-KILL", "7"], [(7, False, 9)]),
        (["-s", "kill", "7"], [(7, False, 9)]),
        (["-sSIGINT", "7"], [(7, False, 2)]),
        (["-HUP", "-7"], [(7, True, 1)]),
        (["-s", "TERM", "--", "-7"], [(7, True, 15)]),
        (["--", "-7"], [(7, True, 15)]),
        (["-segv", "7"], [(7, False, 11)]),
        (["-0", "7", "1"], []),
        (["-s", "0", "--", "-7"], []),
    ],
)
def test_kill(machine: Machine, arguments: list[str], killed: list[tuple[int, bool, int]]) -> None:
    assert machine.run("kill", *arguments) == Result("")
    assert machine.programs.killed == killed


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (["99"], "kill: 99: no such program runs\n"),
        (["-0", "12"], "kill: 12: no such program runs\n"),
        (["x"], "kill: x: not a program's number\n"),
        (["0"], "kill: 0: one's own group, or all programs, cannot be named\n"),
        (["--", "-1"], "kill: -1: one's own group, or all programs, cannot be named\n"),
        (["-URG", "7"], "kill: SIGURG: programs are not told this\n"),
        (["-17", "7"], "kill: SIGCHLD: programs are not told this\n"),
        (["-s", "FOO", "7"], "kill: FOO: there is no such signal\n"),
        (["-32", "7"], "kill: 32: there is no such signal\n"),
        (["-l", "32"], "kill: 32: there is no such signal\n"),
        ([], "usage: kill [-s NAME | -NAME | -N] PID...\n       kill -l [STATUS]\n"),
        (["-7"], "usage: kill [-s NAME | -NAME | -N] PID...\n       kill -l [STATUS]\n"),
        (["-s"], "usage: kill [-s NAME | -NAME | -N] PID...\n       kill -l [STATUS]\n"),
    ],
)
def test_kill_refuses(machine: Machine, arguments: list[str], errors: str) -> None:
    assert machine.run("kill", *arguments) == Result("", 1, errors)
    assert machine.programs.killed == []


def test_kill_goes_on_after_a_failure(machine: Machine) -> None:
    assert machine.run("kill", "99", "7") == Result("", 1, "kill: 99: no such program runs\n")
    assert machine.programs.killed == [(7, False, 15)]


def test_kill_tells_of_a_refusal(machine: Machine) -> None:
    machine.programs.refusal = Denied
    assert machine.run("kill", "7") == Result("", 1, "kill: 7: the service refuses it to this program\n")


def test_names_of_signals(machine: Machine) -> None:
    names = machine.run("kill", "-l").output.split()
    assert (names[0], names[8], names[14], len(names)) == ("HUP", "KILL", "TERM", 31)
    assert machine.run("kill", "-l", "9", "143", "int") == Result("KILL\nTERM\n2\n")


def test_the_machine_ends_when_the_terminal_has_sent_all(machine: Machine) -> None:
    machine.console.leaving = [900, 900, 40, 0]
    assert machine.run("poweroff") == Result("")
    assert machine.console.leaving == [] and machine.pauses == [1_000_000] * 3
    machine.console.leaving = [1] * 100_000
    assert machine.run("poweroff") == Result("")
    assert sum(machine.pauses) == 10_000_000_000, "a terminal that takes nothing holds up the end"
    assert machine.supervisor.commands == [("shut_down", False)] * 2


def test_the_end_of_the_machine(machine: Machine) -> None:
    assert machine.run("reboot") == Result("")
    assert machine.run("poweroff") == Result("")
    assert machine.supervisor.commands == [("shut_down", True), ("shut_down", False)]
    assert machine.run("poweroff", "now") == Result("", 1, "usage: poweroff\n")
    machine.supervisor.refusal = Denied
    text = "reboot: Supervisor.shut_down: the service refuses it to this program\n"
    assert machine.run("reboot") == Result("", 1, text)


def test_hostname(machine: Machine) -> None:
    assert machine.run("hostname") == Result("", 1, "hostname: /etc/hostname: not found\n")
    machine.files.files[b"/etc/hostname"] = b""
    assert machine.run("hostname") == Result("", 1, "hostname: /etc/hostname is empty\n")
    machine.files.files[b"/etc/hostname"] = b"cloud\nmore\n"
    assert machine.run("hostname") == Result("cloud\n")


def test_clear(machine: Machine) -> None:
    assert machine.run("clear") == Result("\x1b[H\x1b[2J\x1b[3J")


def test_more_copies_when_nobody_watches(machine: Machine) -> None:
    machine.files.files[b"/long"] = b"\0" + "".join(LINES).encode()
    assert machine.run("more", "/long") == Result("\0" + "".join(LINES))
    assert machine.run("more", feed=b"given") == Result("given")
    assert machine.run("more", "/none", "/long") == Result(
        "\0" + "".join(LINES), 1, "more: /none: No such file or directory\n"
    )


def test_more_waits_for_keys(machine: Machine) -> None:
    machine.terminal = True
    machine.files.files[b"/long"] = "".join(LINES).encode()
    machine.console.keys = b"x \rq"
    expected = "".join([*LINES[:9], PROMPT, *LINES[9:18], PROMPT, LINES[18], PROMPT])
    assert machine.run("more", "/long") == Result(expected)
    assert machine.console.modes == [True, False]


def test_more_counts_rows_of_long_lines(machine: Machine) -> None:
    machine.terminal = True
    machine.console.columns, machine.console.rows = 10, 4
    long, after = "é" * 11 + "\n", "a\tb\n"
    machine.files.files[b"/long"] = (long + after + after).encode()
    machine.console.keys = b" "
    assert machine.run("more", "/long") == Result(long + after + PROMPT + after)


def test_more_shows_a_line_that_is_larger_than_the_screen(machine: Machine) -> None:
    machine.terminal = True
    machine.console.columns, machine.console.rows = 10, 3
    machine.files.files[b"/long"] = b"1\n" + b"x" * 100
    machine.console.keys = b"\r"
    assert machine.run("more", "/long") == Result("1\n" + PROMPT + "x" * 100 + "\n")


@pytest.mark.parametrize("key", [b"q", b"\x03", b"\x04", b""])
def test_more_stops(machine: Machine, key: bytes) -> None:
    machine.terminal = True
    machine.console.keys = key
    assert machine.run("more", feed="".join(LINES).encode()).output == "".join(LINES[:9]) + PROMPT
    assert machine.console.modes == [True, False]


def test_help_lists_pages_and_builtins(machine: Machine) -> None:
    machine.files.files = {b"/usr/share/man/sh.md": SHELL, b"/usr/share/man/ps.md": PAGE, b"/usr/share/man/x": b"y"}
    heading = "Utilities; `help NAME` tells more of one:\n\n"
    tail = "\nThe shell itself knows:\n\ncd DIR  change\nexit    end\n"
    assert machine.run("help") == Result(heading + "ps  list programs\nsh  run commands\n" + tail)
    del machine.files.files[b"/usr/share/man/sh.md"]
    assert machine.run("help") == Result(heading + "ps  list programs\n")


def test_help_without_pages(machine: Machine) -> None:
    assert machine.run("help") == Result("", 1, "help: /usr/share/man: No such file or directory\n")


def test_help_shows_a_page(machine: Machine) -> None:
    machine.files.files[b"/usr/share/man/ps.md"] = PAGE
    machine.console.columns = 30
    assert machine.run("help", "ps").output == (
        "ps\n\nNAME\n\n    ps - list programs\n\nOPTIONS\n\n"
        "    - -p LIST: only those\n      programs whose numbers\n      are in the list.\n\n"
        "        code   stays\n\n    The end.\n"
    )
    machine.terminal = True
    shown = machine.run("help", "ps").output
    assert shown.startswith("\x1b[1mps\x1b[0m\n\n\x1b[1mNAME\x1b[0m\n\n    ps - list \x1b[1mprograms\x1b[0m\n")
    assert "    - \x1b[1m-p\x1b[0m \x1b[1mLIST\x1b[0m: only those\n      programs" in shown


def test_marks_take_no_room_on_a_line(machine: Machine) -> None:
    machine.files.files[b"/usr/share/man/x.md"] = b"`123` `567` `901` `345` next\n"
    machine.console.columns = 20
    assert machine.run("help", "x") == Result("    123 567 901 345\n    next\n")


@pytest.mark.parametrize("name", ["nope", "../man/ps", "/etc/passwd"])
def test_help_of_what_has_no_page(machine: Machine, name: str) -> None:
    machine.files.files[b"/usr/share/man/ps.md"] = PAGE
    assert machine.run("help", name) == Result("", 1, f"help: there is no manual page for '{name}'\n")


NEEDS = {
    "ps": "programs", "top": "supervisor", "kill 7": "programs", "free": "supervisor", "df": "files", "mount": "files",
    "log": "log", "log -w info x": "log", "dmesg": "log", "audit": "audit", "audit -v": "audit",
    "services": "supervisor", "services stop x": "supervisor", "caps": "supervisor", "uptime": "programs",
    "reboot": "supervisor", "poweroff": "supervisor", "help": "files", "hostname": "files", "policy": "policy",
}  # fmt: skip


@pytest.mark.parametrize("line", NEEDS)
def test_a_missing_capability_is_named(machine: Machine, line: str) -> None:
    machine.without = set(HANDLES)
    result = machine.run(*line.split())
    name = line.split()[0]
    prefix = f'{name}: not permitted: this program holds no capability "{NEEDS[line]}" (for '
    assert (result.output, result.status) == ("", 1)
    assert result.errors.startswith(prefix)
    assert result.errors.endswith(")\n")


def test_only_these_need_no_capability() -> None:
    assert set(NAMES) - {line.split()[0] for line in NEEDS} == {"clear", "more"}


def test_the_program_finds_the_utility(machine: Machine) -> None:
    assert machine.call("administration", "clear") == machine.run("clear")
    assert machine.call("/usr/bin/clear") == machine.run("clear")
    assert machine.call("/x/administration", "nope") == Result("", 127, "administration: nope: not found\n")
    assert machine.call("administration") == Result("", 127, "usage: administration UTILITY [ARGUMENT]...\n")
    assert machine.call("/bin/ps", "-z").errors == "ps: invalid option -- 'z'\n"
