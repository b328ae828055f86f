"""The probe guest is real: under emulation it enters long mode and answers."""

from __future__ import annotations

import pytest

from cloudos.host import accelerator, guests, image, qemu


def test_the_probe_guest_runs_under_emulation() -> None:
    emulator = qemu.require("x86_64")
    found = accelerator.probe(emulator, "tcg", accelerator.EMULATED_CPU, limit=20)
    assert found.ran, found.problem


def test_the_real_kernel_runs_the_trial_program_under_emulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "TRIAL_LIMIT", 20.0)
    emulator, kernel = qemu.require("x86_64"), image.build_kernel("x86_64")
    found = accelerator.trial(emulator, accelerator.emulation(""), kernel)
    assert found.ran, found.problem
    other = guests.program().replace(b"\xbf\x2a", b"\xbf\x2b")  # exits with 43
    monkeypatch.setattr(guests, "program", lambda: other)
    assert not accelerator.trial(emulator, accelerator.emulation(""), kernel).ran


def test_a_guest_that_does_not_answer_is_not_taken_for_one_that_does() -> None:
    emulator = qemu.require("x86_64")
    code = guests.PROBE_CODE
    try:
        guests.PROBE_CODE = code[:-7] + b"\xb0\x2b" + code[-5:]  # the wrong answer
        assert not accelerator.probe(emulator, "tcg", accelerator.EMULATED_CPU, limit=20).ran
    finally:
        guests.PROBE_CODE = code
