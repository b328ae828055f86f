"""Finds QEMU, installs it where that needs no questions, and knows its version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cloudos.host import state
from cloudos.host.bootstrap import apt_install, say
from cloudos.host.errors import ToolError

EMULATORS = {"x86_64": "qemu-system-x86_64", "aarch64": "qemu-system-aarch64"}
PACKAGES = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}


@dataclass(frozen=True)
class Qemu:
    """An emulator that was found: its file, its version text, and what identifies this very file."""

    path: str
    version: str
    identity: str
    architecture: str = "x86_64"


def find(architecture: str) -> Qemu | None:
    """The emulator for `architecture`: $CLOUDOS_QEMU (x86_64 only) or the one on PATH; None when there is none."""
    named = os.environ.get("CLOUDOS_QEMU") if architecture == "x86_64" else None
    path = shutil.which(named or EMULATORS[architecture])
    if path is None:
        return None
    status = Path(path).stat()
    identity = f"{os.path.realpath(path)}:{status.st_size}:{status.st_mtime_ns}"
    known = state.load("qemu.json")
    version = known.get(identity)
    if not isinstance(version, str):
        version = ask_version(path)
        state.store("qemu.json", {identity: version})
    return Qemu(path, version, identity, architecture)


def ask_version(path: str) -> str:
    """The version that the emulator at `path` states, such as "7.2.22". Raises ToolError when it does not start."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{path} does not start: {error}", "reinstall QEMU") from error
    found = re.search(r"version (\d+(?:\.\d+)+)", done.stdout)
    if done.returncode != 0 or not found:
        raise ToolError(f"{path} --version failed: {done.stderr.strip()}", "reinstall QEMU")
    return found[1]


def require(architecture: str) -> Qemu:
    """The emulator, installed now when it is missing and that can be done without asking. Raises ToolError."""
    found = find(architecture)
    if found:
        return found
    package = PACKAGES[architecture]
    say(f"{EMULATORS[architecture]} is not on PATH: installing {package}")
    problem = apt_install([package])
    found = find(architecture)
    if found:
        return found
    raise ToolError(
        f"QEMU ({EMULATORS[architecture]}) is missing" + (f": {problem}" if problem else ""),
        f"install it and try again: sudo apt-get update && sudo apt-get install -y {package}",
    )
