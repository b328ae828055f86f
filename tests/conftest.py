"""What is about one machine is skipped on others (`bin/cloudos test boot --arch A --cpus N`), with its reason."""

from __future__ import annotations

import pytest

from cloudos.host import usual


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture boots something."""
    elsewhere, several = usual.architecture() != usual.ARCHITECTURES[0], usual.processors() > 1
    skips = {
        "one_machine": elsewhere or several,
        "one_architecture": elsewhere,
        "one_processor": several,
    }
    for name, skip in skips.items():
        mark = item.get_closest_marker(name)
        if mark is not None and skip:
            pytest.skip(f"{name}: {mark.args[0]}")
