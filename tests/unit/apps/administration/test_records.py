"""log, dmesg, audit."""

from __future__ import annotations

import pytest

from cloudos.contracts.errors import NoSpace
from tests.unit.apps.administration.machine import Machine, Result

INIT = "[    0.001500] info init: files: started\n"
NET = "[    2.000000] error net: no device\n"
KERNEL = "[   61.000123] debug kernel: timer \\x1b[2J calibrated\n"
LAST = "[100000.000000] warning net: still  none\n"
AUDIT = ["5 120 POLICY_LOADED #1\n", "6 400 DENIED\\x0a #2\n", "7 900 PROCESS_ENDED #9\n"]


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ([], INIT + NET + KERNEL + LAST),
        (["-n", "2"], KERNEL + LAST),
        (["-n", "0"], ""),
        (["-l", "warning"], NET + LAST),
        (["-l3"], NET),
        (["-l", "notice", "-n1"], LAST),
        (["-c", "net"], NET + LAST),
        (["-c", "net", "-n", "1"], LAST),
        (["-c", "nobody"], ""),
    ],
)
def test_log_selects(machine: Machine, arguments: list[str], output: str) -> None:
    assert machine.run("log", *arguments) == Result(output)


def test_log_follows(machine: Machine) -> None:
    machine.log.later = [(12, 10**9, 5, b"net", b"one"), (13, 2 * 10**9, 5, b"disk", b"two")]
    machine.log.later += [(14, 3 * 10**9, 5, b"net", b"three")]
    machine.log.patience = 5
    result = machine.run("log", "-f", "-c", "net", "-n", "1")
    # What follows until the service ends: that was the last record before, and those of the component.
    assert result.output == LAST + "[    1.000000] notice net: one\n[    3.000000] notice net: three\n"
    assert (result.status, result.errors) == (1, "log: Log.read: the service does not answer\n")
    assert machine.pauses == [250_000_000] * 4


def test_log_writes(machine: Machine) -> None:
    assert machine.run("log", "-w", "error", "two", "words") == Result("")
    assert machine.run("log", "-w7", "x" * 1000) == Result("")
    assert machine.log.written == [(3, b"two words"), (7, b"x" * 1000)]
    assert machine.run("log", "-w", "info", "x" * 1001) == Result("", 1, "log: a record has at most 1000 bytes\n")
    machine.log.refusal = NoSpace
    assert machine.run("log", "-w", "info", "x") == Result("", 1, "log: Log.write: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (["-l", "loud"], "log: 'loud' is no level: error, warning, notice, info, debug\n"),
        (["-l", "8"], "log: '8' is no level: error, warning, notice, info, debug\n"),
        (["-n", "x"], "log: 'x' is not a number\n"),
        (["text"], "usage: log [-f] [-n COUNT] [-l LEVEL] [-c COMPONENT]\n       log -w LEVEL TEXT...\n"),
        (["-w", "info"], "usage: log [-f] [-n COUNT] [-l LEVEL] [-c COMPONENT]\n       log -w LEVEL TEXT...\n"),
    ],
)
def test_log_refuses(machine: Machine, arguments: list[str], errors: str) -> None:
    assert machine.run("log", *arguments) == Result("", 1, errors)


def test_log_is_not_caught_by_a_service_that_goes_back(machine: Machine) -> None:
    machine.log.read = lambda position, level, into: type(machine.log).read(machine.log, position * 0, level, into)  # type: ignore
    assert machine.run("log").status == 1


def test_dmesg(machine: Machine) -> None:
    assert machine.run("dmesg") == Result(INIT + KERNEL)
    assert machine.run("dmesg", "-n", "1") == Result(KERNEL)
    machine.log.records = [record for record in machine.log.records if record[3] == b"net"]
    text = "dmesg: the log holds no records of init or of the kernel\n"
    assert machine.run("dmesg") == Result("", 0, text)


def test_audit_lists(machine: Machine) -> None:
    assert machine.run("audit") == Result("".join(AUDIT))
    assert machine.run("audit", "-n", "2") == Result("".join(AUDIT[1:]))
    assert machine.run("audit", "-n9") == Result("".join(AUDIT))


def test_audit_verifies(machine: Machine) -> None:
    assert machine.run("audit", "-v") == Result("3 records, 3 sound\n")
    machine.audit.sound = 1
    text = "audit: the chain is broken: only the first 1 records are as they were written\n"
    assert machine.run("audit", "-v") == Result("3 records, 1 sound\n", 1, text)


def test_audit_refuses(machine: Machine) -> None:
    assert machine.run("audit", "-n", "x") == Result("", 1, "audit: 'x' is not a number\n")
    assert machine.run("audit", "all").errors.startswith("usage: audit")
