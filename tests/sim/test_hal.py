"""The simulated machine has what generic code asks of an architecture. mypy checks the types, this the names."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sim.accounting import FRAMES, MMU, check_frames
from tests.sim.harness import MB, run, simulation
from tests.sim.world import MODULES, PACKAGE, SIMULATED, machine, user

ROOT = Path(__file__).resolve().parents[2]
KERNEL = ROOT / "cloudos" / "kernel"

if TYPE_CHECKING:
    from cloudos.kernel.hal import interface
    from cloudos.kernel.hal.simulated import console, cpu, interrupts, power, timer, user_access

    TIMER: interface.Timer = timer
    INTERRUPTS: interface.Interrupts = interrupts
    CPU: interface.Cpu = cpu
    CONSOLE: interface.Console = console
    USER_ACCESS: interface.UserAccess = user_access
    POWER: interface.Power = power


def asked_for(path: Path) -> set[tuple[str, str]]:
    """Pairs of hardware module and name that a file of the kernel uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == f"{PACKAGE}.hal"
        for alias in node.names
    }
    return {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
    }


def test_everything_that_the_kernel_asks_for_is_there() -> None:
    files = [path for path in KERNEL.rglob("*.py") if "hal" not in path.relative_to(KERNEL).parts]
    names = set().union(*(asked_for(path) for path in files))
    assert ("mmu", "direct") in names and ("trap", "set_frame") in names
    missing = [f"{module}.{name}" for module, name in names if not hasattr(MODULES[f"{SIMULATED}.{module}"], name)]
    assert missing == []


# The machine notices what a kernel may do wrong.


def use_and_give_back(bundle: int, length: int) -> user.UserCode:
    """Touch a page, so that its translation is kept, and unmap it."""
    start = yield from user.succeed("memory_map", 4096)
    yield user.Write(start, b"x")
    yield from user.succeed("memory_unmap", start, 4096)
    return 0


def test_a_forgotten_invalidation_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MMU.cpu, "invalidate_page", lambda address: None)
    with pytest.raises(AssertionError, match="its translation was kept"):
        run(use_and_give_back)


def test_a_lost_frame_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FRAMES.FrameAllocator, "free", lambda allocator, frame, order: None)
    with pytest.raises(AssertionError, match="frames leaked"):
        run(use_and_give_back)


def test_a_frame_given_back_too_early_is_noticed() -> None:
    def check(simulation: machine.Simulation) -> None:
        if simulation.entries > 2:
            FRAMES.FRAMES.free(FRAMES.PhysAddr(simulation.board.root), FRAMES.U64(0))
            check_frames(simulation)

    with pytest.raises(AssertionError, match="in use and free"):
        simulation(use_and_give_back, after_entry=check).run()


def test_memory_that_was_never_written_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudos.lang import Panic

    monkeypatch.setattr(FRAMES.cpu, "zero", lambda address, length: None)

    def program(bundle: int, length: int) -> user.UserCode:
        start = yield from user.succeed("memory_map", 4096)
        yield user.Read(start, 8)
        return 0

    with pytest.raises(Panic):
        run(program, memory=8 * MB)
