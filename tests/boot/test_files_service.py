"""The file service in the machine, in a process of its own, through its contracts."""

from __future__ import annotations

from pathlib import Path

from tests.boot.harness import ROOT, run

PROGRAM = ROOT / "tests" / "boot" / "programs" / "files_service.py"
CHECKS = 37


def test_the_file_service_serves(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(i % 251 for i in range(100_000)))
    (tmp_path / "motd").write_bytes(b"welcome\n")
    options = ["--bare", "--timeout", "60"]
    for name, path in (("large", "/share/large"), ("motd", "/etc/motd")):
        options += ["--file", f"{tmp_path / name}:{path}"]
    result = run(PROGRAM, options=options).check()
    lines = result.output.decode().splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == ["end"]
    assert len(lines) == CHECKS + 1
