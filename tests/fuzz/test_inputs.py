"""Every input that is kept, of every target: none may crash, and each must end. No engine is needed."""

from __future__ import annotations

import pytest

from tests.fuzz.registry import TARGETS
from tests.fuzz.target import CORPUS, CRASHES, Target, replay

LARGEST = 4096
MOST = 80


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_kept_inputs_do_not_crash(target: Target) -> None:
    for path in target.inputs:
        try:
            replay(target, path.read_bytes())
        except BaseException as error:
            error.add_note(f"bin/cloudos fuzz {target.name} --replay {path}")
            raise


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_has_inputs_and_they_stay_small(target: Target) -> None:
    assert list((CORPUS / target.name).glob("*")), "a search needs something to begin with"
    assert len(target.inputs) <= MOST
    assert all(path.stat().st_size <= LARGEST for path in target.inputs)


def test_every_folder_of_inputs_has_a_target() -> None:
    folders = [path for parent in (CORPUS, CRASHES) for path in parent.iterdir() if path.is_dir()]
    assert {path.name for path in folders} <= set(TARGETS)
