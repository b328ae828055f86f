"""Compiles a set of functions at both levels and compares calls; the part of the suite that needs the compiler."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudos.compiler.api import compile_host
from cloudos.compiler.host_library import HostLibrary, Outcome, Panicked, Value
from tests.dual.harness import Function, argument_strategy, entries_of, interpret, parameter_types, same

LEVELS = ("0", "2")


class Disagreement(AssertionError):
    """Compiled code did something else than CPython."""


class Comparison:
    """Functions compiled with -O0 and -O2, ready to be compared with CPython."""

    def __init__(self, functions: Iterable[Function], directory: Path, levels: Sequence[str] = LEVELS) -> None:
        chosen = tuple(functions)
        directory.mkdir(parents=True, exist_ok=True)
        self.libraries: dict[str, HostLibrary] = {
            level: compile_host(chosen, directory / f"level{level}.so", level) for level in levels
        }

    def check(self, function: Function, arguments: Sequence[Value]) -> Outcome:
        """Call all versions. Raises :class:`Disagreement` when they differ or heap objects are left over."""
        expected = interpret(function, arguments)
        for level, library in self.libraries.items():
            library.forget_objects()
            got = library.call(function, *arguments)
            call = f"{function.__module__}.{function.__name__}{tuple(arguments)} at -O{level}"
            if not same(expected, got):
                raise Disagreement(f"{call}\nCPython:  {expected}\ncompiled: {got}")
            if isinstance(got, Panicked):
                continue  # A panic stops where it is: what was allocated stays.
            if library.live_objects() or library.mismatched_releases():
                live, wrong = library.live_objects(), library.mismatched_releases()
                raise Disagreement(f"{call}\nleft {live} objects alive, released {wrong} wrongly")
        return expected


def load_text(name: str, text: str, directory: Path) -> types.ModuleType:
    """Write a program's text to a file and import it."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


LONG = bool(os.environ.get("CLOUDOS_LONG_TESTS"))
"""Set in the environment for twenty times as many generated inputs and programs."""

SETTINGS = settings(
    max_examples=120 if LONG else 6, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
CALLS = 10
"""Calls per Hypothesis example: its bookkeeping costs more than a call in all three ways."""


def compare_all(module: types.ModuleType, directory: Path) -> None:
    """Compile a module once, then compare all its entries; every disagreement is reported, not the first alone."""
    entries = entries_of(module)
    comparison = Comparison(entries, directory)
    failures: list[str] = []
    for function in entries:
        calls = CALLS if parameter_types(function) else 1
        batches = st.lists(argument_strategy(function), min_size=calls, max_size=calls)

        @SETTINGS
        @given(batches)
        def compare(batch: list[tuple[Value, ...]]) -> None:
            for arguments in batch:
                comparison.check(function, arguments)  # noqa: B023

        try:
            compare()
        except Exception as failure:
            failures.append(str(failure))
    assert not failures, f"{len(failures)} of {len(entries)} functions:\n" + "\n".join(failures)
