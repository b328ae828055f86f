"""Drivers in user space: the real-time clock and a serial port, with interrupts, on both machines."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.boot.harness import PATIENCE, ROOT

PROGRAM = ROOT / "tests" / "boot" / "programs" / "devices.py"
RUN = """
import sys
from cloudos.host import cli, machine
plain = machine.command
added = ["-icount", "shift=0,sleep=off", "-rtc", "clock=vm"]
added += ["-chardev", "null,id=third", "-device", "isa-serial,chardev=third,index=2,iobase=0x3e8,irq=5"]
machine.command = lambda *given: [*plain(*given), *added]
sys.argv = ["cloudos", "run", "--bare", "--timeout", "60", "--memory", "64M", "--machine", *sys.argv[1:]]
sys.exit(cli.main())
"""


@pytest.mark.one_machine("devices of PCs, with counted instructions; test_aarch64.py has others")
@pytest.mark.parametrize("kind", ("microvm", "q35"))
def test_programs_drive_devices(kind: str) -> None:
    line = [sys.executable, "-c", RUN, kind, str(PROGRAM)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == ["end"]
    assert len(lines) == 12
