"""The modules of a process: user code imported once more for each process that runs at the same time.

Modules of the SDK and of services keep state in instances made when they are imported. A process of the simulated
machine therefore has a copy of every module of its own, a `Modules`. What was changed in it while the process ran is
put back when the next process gets it, so that a new process finds what a compiled program finds in its file.
"""

from __future__ import annotations

import importlib
import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

import cloudos
import cloudos.lang.generated
from cloudos.lang import Ptr, Region, Slice
from cloudos.lang.slices import read_only
from tests.simulation import digests

OWN = (
    "cloudos.sdk",
    "cloudos.services",
    "cloudos.contracts",
    "cloudos.drivers",
    "cloudos.apps",
    "tests.simulation.client",
)
PRIVATE_START = 0x5000_0000_0000
PRIVATE_END = 0x6000_0000_0000
"""Addresses of what CPython keeps for processes: their static data, variables and heap."""


def is_own(name: str) -> bool:
    """Whether each process has this module for itself."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in OWN)


class _Constants:
    """Stands for `cloudos.lang.data` in modules of processes: constants of theirs do not lie in the kernel."""

    def __init__(self) -> None:
        self.known: dict[bytes, Region] = {}

    def __call__(self, content: bytes) -> Any:
        known = self.known.get(content)
        if known is None:
            known = read_only(content).pointer.region
            assert known is not None and PRIVATE_START <= known.address < PRIVATE_END
            self.known[content] = known
        return Slice.of(Ptr.at(cloudos.lang.U8, cloudos.lang.VirtAddr(known.address)), len(content))


class _Compiled:
    """Code of texts that were compiled before: sources, generated functions and annotations are the same each time."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, str], Any] = {}

    def __call__(self, source: Any, filename: str, mode: str, *arguments: Any, **options: Any) -> Any:
        code = self.known.get((source, mode))
        if code is None:
            code = self.known[source, mode] = compile(source, filename, mode, *arguments, **options)
        return code


_COMPILED = _Compiled()
_SOURCES: dict[str, Any] = {}
_get_code = SourceFileLoader.get_code


def _known_code(loader: SourceFileLoader, name: str) -> Any:
    code = _SOURCES.get(name)
    if code is None:
        code = _SOURCES[name] = _get_code(loader, name)
    return code


@contextmanager
def _compiled_once() -> Iterator[None]:
    """What is imported within is compiled only if it was not before."""
    users: tuple[Any, ...] = (typing, cloudos.lang.generated)
    for user in users:
        user.compile = _COMPILED
    SourceFileLoader.get_code = _known_code  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        SourceFileLoader.get_code = _get_code  # type: ignore[method-assign]
        for user in users:
            del user.compile


@contextmanager
def _apart() -> Iterator[None]:
    """Import anew what is imported within, and let nobody else find it."""
    packages = {name: vars(cloudos).get(name) for name in ("sdk", "services", "contracts", "drivers", "apps")}
    others = {name: sys.modules.pop(name) for name in list(sys.modules) if is_own(name)}
    constants = cloudos.lang.data
    cloudos.lang.data = _Constants()
    try:
        yield
    finally:
        cloudos.lang.data = constants
        for name in [name for name in sys.modules if is_own(name)]:
            del sys.modules[name]
        sys.modules.update(others)
        for name, package in packages.items():
            if package is None:
                vars(cloudos).pop(name, None)
            else:
                setattr(cloudos, name, package)


class Modules:
    """A copy of a program's modules."""

    def __init__(self, program: str) -> None:
        with _apart(), _compiled_once():
            importlib.import_module(program)
            for name in ("cloudos.sdk.start", "cloudos.sdk.ipc", "cloudos.sdk.system"):
                importlib.import_module(name)
            self.modules = {name: module for name, module in sys.modules.items() if is_own(name)}
        digests.install(self.modules)
        self.program = program
        self._kept = Kept(self.modules.values())

    def __getitem__(self, name: str) -> Any:
        return self.modules[name]

    def reset(self) -> None:
        """Everything as after the import."""
        self._kept.restore()


class Kept:
    """What instances that modules name, and what these lead to, were like."""

    def __init__(self, modules: Any) -> None:
        self._seen: set[int] = set()
        self._restore: list[Callable[[], None]] = []
        self._work: list[Any] = []
        for module in modules:
            self._keep_names(module)
        while self._work:
            self._look_at(self._work.pop())

    def restore(self) -> None:
        """Put it back."""
        for one in self._restore:
            one()

    def _keep_names(self, module: ModuleType) -> None:
        space = vars(module)
        names = {name: value for name, value in space.items() if not isinstance(value, (type, ModuleType))}
        simple = {name: value for name, value in names.items() if not callable(value)}
        self._restore.append(lambda: space.update(simple))
        self._work.extend(names.values())

    def _look_at(self, value: Any) -> None:
        if id(value) in self._seen or isinstance(value, (int, str, bytes, type, ModuleType)):
            return
        self._seen.add(id(value))
        region = getattr(value, "_region", None)
        if isinstance(value, Slice):
            self._work.append(value.pointer)
        elif isinstance(value, Ptr):
            self._work.append(value.region)
        elif isinstance(region, Region):
            self._work.append(region)
        elif isinstance(value, Region):
            self._keep_region(value)
        elif hasattr(type(value), "__managed_source__"):
            self._keep_managed(value)

    def _keep_region(self, region: Region) -> None:
        if region.readonly or region.freed:
            return
        data, shadows = bytes(region.data), dict(region.shadows or {})

        def restore() -> None:
            assert not region.freed, "memory that was there at the start was given back"
            region.data[:] = data
            region.shadows = dict(shadows) if shadows else None

        self._restore.append(restore)
        self._work.extend(entry for _, entry in shadows.values())

    def _keep_managed(self, instance: Any) -> None:
        fields = dict(instance.__dict__)
        embedded = dict(fields.pop("_fields", {}))

        def restore() -> None:
            instance.__dict__.clear()
            instance.__dict__.update(fields, _fields=dict(embedded))

        self._restore.append(restore)
        self._work.extend(fields.values())
        self._work.extend(embedded.values())
