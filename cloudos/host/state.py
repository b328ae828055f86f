"""Where the tool keeps what it makes, and how files are replaced safely.

The launcher sets CLOUDOS_STATE: `.cloudos/` in the checkout, or a directory under $XDG_CACHE_HOME when the
checkout is read-only. An installed package has no checkout and uses the cache directory alone.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from pathlib import Path
from typing import Any

from cloudos.host.bootstrap import write_atomically
from cloudos.host.errors import ToolError

ROOT = Path(__file__).resolve().parents[2]
"""The checkout (or site-packages, when installed as a package)."""

KERNEL_LINES = "CLOUDOS_KERNEL_LINES"
"""A folder: which instructions of the kernel are executed in any machine is kept there, see observer/kernel_lines.py.
The kernel is not optimised then."""


@functools.cache
def directory() -> Path:
    """The tool's own directory, made when missing. Raises ToolError when it cannot be made."""
    named = os.environ.get("CLOUDOS_STATE")
    if named:
        path = Path(named)
    elif is_checkout() and os.access(ROOT, os.W_OK):
        path = ROOT / ".cloudos"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        path = Path(cache) / "cloudos"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"cannot make the directory {path}: {error.strerror}",
            "set CLOUDOS_STATE to a directory that can be written to",
        ) from error
    return path


def is_checkout() -> bool:
    """Whether the tool runs from a checkout of the repository: tests and pyproject.toml are beside it."""
    return (ROOT / "pyproject.toml").is_file()


def load(name: str) -> dict[str, Any]:
    """The JSON object kept under `name` in the state directory; empty when there is none that can be read."""
    try:
        found = json.loads((directory() / name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def store(name: str, value: dict[str, Any]) -> None:
    """Keep a JSON object under `name`. It is a cache: when it cannot be written, nothing is lost but time."""
    with contextlib.suppress(OSError):
        write_atomically(directory() / name, json.dumps(value, indent=1).encode())


def installation() -> str:
    """Changes whenever packages are installed: a compiler update makes everything compiled before it stale."""
    with contextlib.suppress(OSError):
        return str((directory() / "installed.json").stat().st_mtime_ns)
    return "package"


def use_cache() -> None:
    """Let the compiler, here and in processes started from here, keep its cache with everything else of the tool."""
    os.environ.setdefault("CLOUDOS_CACHE", str(directory() / "cache"))
