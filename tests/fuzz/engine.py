"""The search: libFuzzer, guided by the branches of the target's modules through atheris.

`python -m tests.fuzz.engine TARGET [libFuzzer options] [folders]`, as `cloudos fuzz` starts it. What is found is
written by libFuzzer: new inputs into the first folder, what crashes where `-artifact_prefix` says.
"""

from __future__ import annotations

import atexit
import builtins
import importlib.abc
import importlib.machinery
import random
import sys
import tempfile
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import atheris

from cloudos.lang import generated
from tests.fuzz import dictionary
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import Target, mutate_words, show_where


class Loader(importlib.machinery.SourceFileLoader):
    """Imports a module with counters at its branches."""

    compares = True

    def get_code(self, fullname: str) -> types.CodeType:
        """The code, never from the cache of compiled files."""
        path = self.get_filename(fullname)
        code = self.source_to_code(self.get_data(path), path)
        patched: types.CodeType = atheris.patch_code(code, self.compares)
        return patched


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that guide the search."""

    def __init__(self, guides: Sequence[str]) -> None:
        self.guides = guides

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The usual place, with a loader of ours for guides."""
        if not any(fullname == guide or fullname.startswith(f"{guide}.") for guide in self.guides):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


COUNTED: dict[str, types.CodeType] = {}
"""What was generated so far, by its text: the same text has the same counters, of which there is a limited number."""


def compile_counted(source: str, filename: str, mode: str, **options: Any) -> types.CodeType:
    """`compile` with counters, for text that is generated while modules are imported, or by each input anew."""
    if source not in COUNTED:
        COUNTED[source] = atheris.patch_code(builtins.compile(source, filename, mode, **options), True)
    return COUNTED[source]


def main() -> None:
    """Search until libFuzzer ends the process."""
    if sys.argv[1] not in TARGETS:
        sys.exit(f"there is no target '{sys.argv[1]}'; there are: {', '.join(TARGETS)}")
    target: Target = TARGETS[sys.argv[1]]
    Loader.compares = target.compares
    sys.meta_path.insert(0, Finder(target.guides))
    if "generated" in target.guides:
        vars(generated)["compile"] = compile_counted
    module = target.load()
    timeout = next((int(one.partition("=")[2]) for one in sys.argv if one.startswith("-timeout=")), 0)
    if timeout:
        sys.setswitchinterval(1)

    def one(data: bytes) -> None:
        show_where(timeout - 1)
        module.fuzz(data)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        return mutate_words(data, longest, random.Random(seed)) if seed % 2 else bytes(atheris.Mutate(data, longest))

    changing = {"custom_mutator": mutate} if target.is_text else {}
    known = Path(tempfile.mkstemp(prefix="cloudos-fuzz-", suffix=".words")[1])
    dictionary.write(target.guides, known)
    atexit.register(known.unlink)
    atheris.Setup([sys.argv[0], f"-max_len={target.longest}", f"-dict={known}", *sys.argv[2:]], one, **changing)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
