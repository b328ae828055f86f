"""Hardware virtualisation is used only when a guest ran on it, and the verdict is kept only as long as it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudos.host import accelerator, guests, state
from cloudos.host.accelerator import ProbeResult
from cloudos.host.qemu import Qemu

QEMU = Qemu("/usr/bin/true", "7.2.0", "identity")


def no_kernel() -> Path:
    """Stands for the kernel's file, which is only handed on."""
    return Path("kernel.elf")


class Host:
    """A machine with a /dev/kvm that behaves as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.there = self.allowed = True
        self.results: list[ProbeResult] = []
        self.probed: list[str] = []
        monkeypatch.setattr("os.path.exists", lambda path: self.there)
        monkeypatch.setattr("os.access", lambda path, mode: self.allowed)
        self.trial_result = ProbeResult(True, 0.3, "")
        monkeypatch.setattr(accelerator, "probe", self.probe)
        monkeypatch.setattr(accelerator, "trial", lambda qemu, chosen, kernel: self.trial_result)

    def probe(self, qemu: Qemu, name: str, cpu: str) -> ProbeResult:
        self.probed.append(cpu)
        return self.results[len(self.probed) - 1]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    monkeypatch.setenv("CLOUDOS_STATE", str(tmp_path))
    state.directory.cache_clear()
    yield Host(monkeypatch)
    state.directory.cache_clear()


def test_a_guest_that_ran_decides_for_kvm(host: Host) -> None:
    host.results = [ProbeResult(True, 0.21, "")]
    chosen = accelerator.choose(QEMU, no_kernel)
    assert (chosen.name, chosen.cpu) == ("kvm", "host")
    assert "0.21 s" in chosen.reason


def test_the_second_processor_model_is_tried_when_the_first_fails(host: Host) -> None:
    host.results = [ProbeResult(False, 0.1, "failed to set MSR 0x10a"), ProbeResult(True, 0.2, "")]
    chosen = accelerator.choose(QEMU, no_kernel)
    assert (chosen.name, chosen.cpu) == ("kvm", "host,-arch-capabilities")


def test_a_slow_or_broken_kvm_means_emulation_and_says_why(host: Host) -> None:
    host.results = [ProbeResult(False, accelerator.PROBE_LIMIT, "too slow")]
    slow = accelerator.choose(QEMU, no_kernel)
    assert (slow.name, slow.cpu) == ("tcg", accelerator.EMULATED_CPU) and "too slow" in slow.reason
    host.results, host.probed = [ProbeResult(False, 0.1, "first"), ProbeResult(False, 0.1, "second")], []
    assert "second" in accelerator.choose(QEMU, no_kernel, fresh=True).reason


def test_a_kvm_on_which_the_real_kernel_fails_is_not_used(host: Host) -> None:
    host.results = [ProbeResult(True, 0.2, "")] * 2
    host.trial_result = ProbeResult(False, 0.4, "the kernel did not run")
    chosen = accelerator.choose(QEMU, no_kernel)
    assert chosen.name == "tcg" and "the kernel did not run" in chosen.reason


def test_without_a_device_or_permission_nothing_is_probed(host: Host) -> None:
    host.there = False
    assert "no /dev/kvm" in accelerator.choose(QEMU, no_kernel).reason
    host.there, host.allowed = True, False
    assert "permission" in accelerator.choose(QEMU, no_kernel).reason
    assert host.probed == []


def test_the_verdict_is_kept_until_something_changes(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.results = [ProbeResult(True, 0.2, "")] * 5
    for _ in range(3):
        assert accelerator.choose(QEMU, no_kernel).name == "kvm"
    assert len(host.probed) == 1
    accelerator.choose(Qemu(QEMU.path, "8.0.0", QEMU.identity), no_kernel)
    assert len(host.probed) == 2
    monkeypatch.setattr(accelerator, "boot_identity", lambda: "after a restart")
    accelerator.choose(Qemu(QEMU.path, "8.0.0", QEMU.identity), no_kernel)
    assert len(host.probed) == 3
    accelerator.choose(Qemu(QEMU.path, "8.0.0", QEMU.identity), no_kernel, fresh=True)
    assert len(host.probed) == 4


def test_the_probe_image_is_what_qemu_loads() -> None:
    data = guests.probe()
    assert data[:4] == b"\x7fELF"
    assert data.endswith(guests.PROBE_CODE) and len(data) == 0x1000 + len(guests.PROBE_CODE)
    assert b"Xen\0" + guests.LOAD_ADDRESS.to_bytes(4, "little") in data


def test_a_qemu_that_fails_is_reported_with_its_last_line(tmp_path: Path) -> None:
    fake = tmp_path / "qemu"
    fake.write_text("#!/bin/sh\necho first >&2; echo 'no such accelerator' >&2; exit 1\n")
    fake.chmod(0o755)
    found = accelerator.probe(Qemu(str(fake), "", ""), "kvm", "host")
    assert (found.ran, found.problem) == (False, "no such accelerator")
    fake.write_text("#!/bin/sh\nexec sleep 5\n")
    assert "did not finish" in accelerator.probe(Qemu(str(fake), "", ""), "kvm", "host", limit=0.1).problem
