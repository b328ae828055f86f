"""Messages, handles, threads and processes by the thousand or the million, each checked, and all given back."""

from __future__ import annotations

from tests.stress.harness import run, size


def test_every_message_comes_once_and_whole() -> None:
    each = size(7_000, 333_334)
    assert run("messages.py", each, 1).lines["messages"] == 3 * each


def test_handles_are_where_the_model_has_them() -> None:
    lines = run("derivations.py", size(15_000, 1_000_000), 1).lines
    assert lines["operations"] >= size(15_000, 1_000_000)
    assert min(lines["derived"], lines["closed"], lines["revoked"], lines["lost"]) > 0


def test_threads_and_processes_end_in_every_state() -> None:
    lines = run("churn.py", size(84, 840), 1).lines
    assert lines["processes"] >= 1_000 and lines["threads"] >= 10_000
    assert lines["cancelled"] > 0 and lines["gone"] > 0


def test_memory_holds_what_the_model_says() -> None:
    lines = run("memory_load.py", size(20_000, 1_000_000), 1).lines
    assert lines["done"] > size(15_000, 900_000)
    assert lines["refused"] > 0 and lines["looks"] > 100 and lines["regions"] > 400
