"""`cloudos doctor`: what the tool found on this machine, and what it will do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata

from cloudos.host import accelerator, image, qemu, state
from cloudos.host.errors import ToolError


@dataclass(frozen=True)
class Finding:
    """One row: `status` is "ok", "missing" (needed), "absent" (optional), or "info"."""

    name: str
    status: str
    detail: str


OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}


def examine(architecture: str = "x86_64") -> list[Finding]:
    """Look at everything that commands for an architecture depend on, and whether those for the other one could run.

    Runs the virtualisation probe anew; installs nothing.
    """
    findings = [
        Finding("host", "info", f"{platform.machine()}, {processors()} processors, {platform.system()}"),
        Finding("python", "ok", f"{platform.python_version()} ({sys.executable})"),
        Finding("state", "ok", str(state.directory())),
        package("compiler", "ziglang", "clang and lld"),
    ]
    findings += emulator(architecture)
    other = OTHER[architecture]
    purpose = f"needed for `--arch {other}`, which installs it where it can"
    findings.append(optional(f"qemu {other}", qemu.EMULATORS[other], purpose))
    findings.append(optional("gdb", "gdb", "needed only to debug with `run --gdb`"))
    return findings


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def package(name: str, distribution: str, what: str) -> Finding:
    """Whether a Python package that the tool needs is installed."""
    try:
        return Finding(name, "ok", f"{what} from {distribution} {metadata.version(distribution)}")
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", f"the package {distribution} is not installed; bin/cloudos installs it")


def emulator(architecture: str) -> list[Finding]:
    """QEMU for an architecture, and the accelerator with the reason for the choice."""
    try:
        found = qemu.find(architecture)
    except ToolError as error:
        return [Finding("qemu", "missing", f"{error.message}; {error.hint}")]
    if found is None:
        install = f"apt-get install {qemu.PACKAGES[architecture]}"
        return [Finding("qemu", "missing", f"`run` installs it where it can without asking; by hand: {install}")]
    chosen = accelerator.choose(found, lambda: image.build_kernel(architecture), fresh=True)
    return [
        Finding("qemu", "ok", f"{found.version} ({found.path})"),
        Finding("accelerator", "ok", f"{chosen.name}: {chosen.reason}"),
    ]


def optional(name: str, command: str, purpose: str) -> Finding:
    """A command that is useful when present."""
    path = shutil.which(command)
    return Finding(name, "ok", path) if path else Finding(name, "absent", purpose)


def healthy(findings: list[Finding]) -> bool:
    """Whether nothing that is needed is missing."""
    return all(finding.status != "missing" for finding in findings)
