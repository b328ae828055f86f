"""The probe guest is real: under emulation it enters long mode and answers."""

from __future__ import annotations

from cloudos.host import accelerator, qemu


def test_the_probe_guest_runs_under_emulation() -> None:
    emulator = qemu.require("x86_64")
    found = accelerator.probe(emulator, "tcg", accelerator.EMULATED_CPU, limit=20)
    assert found.ran, found.problem


def test_a_guest_that_does_not_answer_is_not_taken_for_one_that_does() -> None:
    emulator = qemu.require("x86_64")
    code = accelerator.PROBE_CODE
    try:
        accelerator.PROBE_CODE = code[:-7] + b"\xb0\x2b" + code[-5:]  # the wrong answer
        assert not accelerator.probe(emulator, "tcg", accelerator.EMULATED_CPU, limit=20).ran
    finally:
        accelerator.PROBE_CODE = code
