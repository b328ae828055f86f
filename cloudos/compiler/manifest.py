"""What a finished file was made from, so that an unchanged program starts without compiling anything.

A record lists the files that the build read, with the hash of each; the package's own files count as one. Records and
results live in the cache folder under the hash of their key, and appear there by atomic rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
FORMAT = 1


@dataclass(frozen=True)
class Key:
    """What was asked for: a program's path or 'kernel', a target, an optimisation level."""

    subject: str
    target: str
    optimize: str

    @property
    def name(self) -> str:
        """The name of the record in the cache."""
        text = "\0".join([str(FORMAT), str(PACKAGE), self.subject, self.target, self.optimize])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def package_hash() -> str:
    """One hash over the package's source files (not host/, which no build reads) and the tool's version."""
    state = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] != "host":
            state.update(f"{path.relative_to(PACKAGE)}\0".encode())
            state.update(path.read_bytes())
    state.update(_tool_version().encode())
    return state.hexdigest()


def _tool_version() -> str:
    import importlib.metadata

    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _file_hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"


def _atomically(target: Path, data: bytes | Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            if isinstance(data, bytes):
                file.write(data)
            else:
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def reuse(cache: Path, key: Key, out: Path) -> bool:
    """Put the finished file at `out` if nothing that it was made from has changed."""
    record = cache / "finished" / f"{key.name}.json"
    finished = record.with_suffix(".elf")
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        unchanged = known["package"] == package_hash() and all(
            _file_hash(Path(path)) == value for path, value in known["files"].items()
        )
        if not unchanged or not finished.exists():
            return False
        if not out.exists() or _file_hash(out) != known["result"]:
            _atomically(out, finished)
        return True
    except (OSError, ValueError, KeyError):
        return False


def record(cache: Path, key: Key, out: Path, files: Iterable[Path]) -> None:
    """Remember that `out` was made from `files` and the package."""
    place = cache / "finished" / f"{key.name}.json"
    _atomically(place.with_suffix(".elf"), out)
    outside = {str(path): _file_hash(path) for path in files if not path.is_relative_to(PACKAGE)}
    known = {"package": package_hash(), "files": outside, "result": _file_hash(out)}
    _atomically(place, json.dumps(known, indent=1).encode())
