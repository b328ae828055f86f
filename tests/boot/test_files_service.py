"""The file service in the machine, in a process of its own, through its contracts."""

from __future__ import annotations

from tests.boot.harness import ROOT, run

PROGRAM = ROOT / "tests" / "boot" / "programs" / "files_service.py"
CHECKS = 33


def test_the_file_service_serves() -> None:
    result = run(PROGRAM, options=("--timeout", "60")).check()
    lines = result.output.decode().splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == ["end"]
    assert len(lines) == CHECKS + 1
