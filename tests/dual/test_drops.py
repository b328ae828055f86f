"""When `drop` runs in compiled code: once for every object, at the latest when the function that used it returns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloudos.compiler.api import compile_host
from cloudos.compiler.host_library import Returned
from tests.dual.harness import interpret
from tests.dual.programs import managed_objects
from tests.dual.programs.managed_objects import (
    _drops_so_far,
    chain,
    create,
    cut_chain,
    field_replaced,
    in_a_loop,
    slice_of_objects,
    swapped,
    temporary,
    tuple_result,
)

MADE: dict[Callable[..., object], tuple[tuple[int, ...], int]] = {
    create: ((7,), 1),
    temporary: ((7,), 2),
    in_a_loop: ((9,), 9),
    cut_chain: ((0,), 2),
    chain: ((9,), 0),
    field_replaced: ((1,), 2),
    slice_of_objects: ((4,), 6),
    swapped: ((1, 2), 2),
    tuple_result: ((1,), 1),
}
"""Arguments of a function, and how many boxes it makes."""


@pytest.mark.parametrize("level", ["0", "2"])
def test_every_object_is_dropped_once(level: str, tmp_path: Path) -> None:
    library = compile_host((*MADE, _drops_so_far), tmp_path / "drops.so", level)

    def drops() -> int:
        counted = library.call(_drops_so_far)
        assert isinstance(counted, Returned)
        (number,) = counted.values
        assert isinstance(number, int)
        return number

    for function, (arguments, made) in MADE.items():
        before = drops()
        assert isinstance(library.call(function, *arguments), Returned)
        assert drops() - before == made, function.__name__
        assert library.live_objects() == 0


def test_cpython_drops_each_object_once_too() -> None:
    for function, (arguments, made) in MADE.items():
        before = int(managed_objects.DROPS.count)
        interpret(function, arguments)
        assert int(managed_objects.DROPS.count) - before == made, function.__name__
