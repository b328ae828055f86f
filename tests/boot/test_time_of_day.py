"""The real-time clock of the machine, which QEMU sets to the host's time in UTC."""

from __future__ import annotations

import time

import pytest

from tests.boot.harness import ROOT, run

PROGRAM = ROOT / "tests" / "boot" / "programs" / "time_of_day.py"


@pytest.mark.one_architecture("the clock of PCs; test_run_services.py asks that of others")
@pytest.mark.parametrize("kind", ("microvm", "q35"))
def test_the_driver_finds_the_hosts_time(kind: str) -> None:
    start = int(time.time())
    result = run(PROGRAM, options=("--bare", "--timeout", "60", "--machine", kind)).check()
    seconds, goes_on = result.output.decode().split()
    assert start - 1 <= int(seconds) <= int(time.time()) + 1
    assert goes_on == "True"
