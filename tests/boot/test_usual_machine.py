"""CLOUDOS_ARCH and CLOUDOS_CPUS reach the machines of the tool, and those of tests that name none."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.host import counted, image, usual
from cloudos.host.errors import ToolError
from tests.boot.harness import run

PROGRAM = Path(__file__).parent / "programs" / "usual_machine.py"
OPTIONS = ("--bare", "--timeout", "60")


def test_programs_run_on_the_machine_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for architecture, processors in (("aarch64", 3), ("x86_64", 2)):
        monkeypatch.setenv(usual.ARCHITECTURE, architecture)
        monkeypatch.setenv(usual.PROCESSORS, str(processors))
        expected = f"{architecture} {processors}\n"
        assert run(PROGRAM, options=OPTIONS).check().output.decode() == expected
        assert counted.run(image.build(PROGRAM)).output == expected
        # An option says it for one run.
        assert run(PROGRAM, options=(*OPTIONS, "--cpus", "1")).check().output.decode() == f"{architecture} 1\n"


def test_without_a_name_it_is_one_x86_64_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (usual.ARCHITECTURE, usual.PROCESSORS):
        monkeypatch.delenv(name, raising=False)
    assert run(PROGRAM, options=OPTIONS).check().output == b"x86_64 1\n"


def test_what_is_no_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(usual.PROCESSORS, "none")
    assert "CLOUDOS_CPUS" in run(PROGRAM, options=OPTIONS).check(125).errors
    with pytest.raises(ToolError, match="CLOUDOS_CPUS=none"):
        usual.processors()
    monkeypatch.setenv(usual.ARCHITECTURE, "vax")
    with pytest.raises(ToolError, match="CLOUDOS_ARCH=vax"):
        usual.architecture()
