"""What `doctor` says of a machine on which something is missing."""

from __future__ import annotations

import shutil

import pytest

from cloudos.host import accelerator, doctor, qemu
from cloudos.host.accelerator import Accelerator
from cloudos.host.qemu import Qemu


def states(findings: list[doctor.Finding]) -> dict[str, str]:
    return {finding.name: finding.status for finding in findings}


@pytest.mark.parametrize(("architecture", "other"), (("x86_64", "aarch64"), ("aarch64", "x86_64")))
def test_the_emulator_of_the_architecture_is_needed(
    architecture: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(qemu, "find", lambda name: asked.append(name))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = doctor.examine(architecture)
    assert asked == [architecture]
    assert states(found)["qemu"] == "missing" and not doctor.healthy(found)
    assert states(found)[f"qemu {other}"] == "absent"
    detail = next(finding.detail for finding in found if finding.name == "qemu")
    assert detail.endswith(f"apt-get install {qemu.PACKAGES[architecture]}")


def test_what_only_the_other_architecture_needs_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Qemu("/usr/bin/qemu-system-aarch64", "7.2.0", "same", "aarch64")
    chosen = Accelerator("tcg", "max", "emulation")
    monkeypatch.setattr(qemu, "find", lambda name: found)
    monkeypatch.setattr(accelerator, "choose", lambda emulator, kernel, fresh: chosen)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    rows = doctor.examine("aarch64")
    assert doctor.healthy(rows) and states(rows)["qemu x86_64"] == "absent"
