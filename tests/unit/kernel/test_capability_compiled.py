"""A million derivations, and as many closings and revocations, compiled: nothing is left over."""

from __future__ import annotations

import ctypes
import mmap
from pathlib import Path

import pytest

from cloudos.compiler.api import compile_host
from cloudos.kernel.hal import mmu
from cloudos.kernel.hal.x86_64 import processor
from cloudos.kernel.memory import frames
from cloudos.kernel.objects import cleanup
from cloudos.kernel.sched import requests
from cloudos.kernel.sched.requests import Own
from cloudos.lang import place
from tests.unit.kernel import capability_stress as stress
from tests.unit.kernel.capability_machine import as_built
from tests.unit.kernel.simulated_machine import erase

MEMORY = 16 << 20
ALIGNMENT = 2 << 20
MILLION = 1_000_000


def test_a_million_derivations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmu, "direct", stress.host_direct)
    monkeypatch.setattr(mmu, "direct_to_physical", stress.host_direct_to_physical)
    # A process of the host has nothing that a processor keeps for itself.
    own = place(Own())
    for module in (frames, requests):
        monkeypatch.setattr(module, "OWN", own)
    monkeypatch.setattr(processor, "OWN", own.machine)
    erase(stress.WORLD)
    with as_built():
        cleanup.KNOWN.objects = stress.Things()
        library = compile_host([stress.start, stress.run, stress.finish], tmp_path / "stress.so")
    memory = mmap.mmap(-1, MEMORY + ALIGNMENT)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert library.call(stress.start, -base % ALIGNMENT + base, MEMORY, 2026).values == ()  # type: ignore[union-attr]
    stale, revoked, failed = library.call(stress.run, MILLION).values  # type: ignore[union-attr]
    assert isinstance(stale, int) and stale > MILLION // 10
    assert isinstance(revoked, int) and revoked > MILLION // 20
    assert isinstance(failed, int) and failed > MILLION // 100
    assert library.call(stress.finish).values == (0,)  # type: ignore[union-attr]
