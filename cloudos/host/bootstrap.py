"""Makes the tool's own virtual environment and keeps it in step with pyproject.toml.

Runs in two places and so imports only the standard library: under the system's Python, started by
`bin/cloudos` when the environment is missing or pyproject.toml changed, and inside the tool when a command
needs an optional set of dependencies (`test`). Two copies at once are safe: a file lock lets one install
while the other waits and then finds the work done.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

VENV_PACKAGE = "python3-venv"


class SetupError(Exception):
    """The environment could not be made; the message says why and what to run."""


def say(text: str) -> None:
    """One line to standard error, so that a program's standard output stays its own."""
    print(f"cloudos: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path: Path, waiting: str) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`; says `waiting` once when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def requirements(pyproject: Path, extra: str | None) -> list[str]:
    """The requirement strings that `pyproject` names: its dependencies, or those of one extra.

    Raises SetupError when the file is not valid.
    """
    try:
        project = tomllib.loads(pyproject.read_text())["project"]
        listed = project["optional-dependencies"][extra] if extra else project["dependencies"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise SetupError(f"cannot read dependencies from {pyproject}: {error!r}") from error
    return [str(item) for item in listed]


def administrator() -> list[str] | None:
    """The command prefix that runs as root without asking for a password: none needed, sudo, or None."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0:
        return ["sudo", "-n"]
    return None


def apt_install(packages: Sequence[str]) -> str | None:
    """Install Debian packages; None when done, otherwise a sentence that says why not."""
    if not shutil.which("apt-get"):
        return "there is no apt-get on this machine"
    prefix = administrator()
    if prefix is None:
        return "installing it needs root, and sudo would ask for a password"
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    steps = (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages],
    )
    for step in steps:
        say(f"running: {' '.join(prefix + step)}")
        done = subprocess.run(prefix + environment + step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return f"`{' '.join(step)}` failed:\n{done.stdout.strip()[-2000:]}"
    return None


def can_import(module: str) -> bool:
    """Whether the Python that runs this finds `module` (Debian ships venv and pip as packages of their own)."""
    command = [sys.executable, "-I", "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True).returncode == 0


def make_venv(venv: Path) -> list[str]:
    """Make an empty environment at `venv`; the result is the command that starts a pip for it.

    Three ways, in order: venv with its own pip; a bare venv served by the system's pip (22.3 or later);
    Debian's python3-venv installed first. Raises SetupError with what to run by hand when none works.
    """
    python = str(venv / "bin" / "python")
    if not can_import("ensurepip") and can_import("venv, pip"):
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)], "making a virtual environment")
        return [sys.executable, "-m", "pip", "--python", python]
    if not can_import("ensurepip"):
        say(f"{sys.executable} has no ensurepip: installing {VENV_PACKAGE}")
        problem = apt_install([VENV_PACKAGE])
        if problem:
            raise SetupError(
                f"Python's venv module is incomplete and {problem}\n"
                f"run this, then try again:  sudo apt-get update && sudo apt-get install -y {VENV_PACKAGE}"
            )
    run([sys.executable, "-m", "venv", "--clear", str(venv)], "making a virtual environment")
    return [python, "-m", "pip"]


def run(command: list[str], purpose: str) -> None:
    """Run a step quietly; SetupError carries the end of its output when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SetupError(f"{purpose} failed ({' '.join(command)}):\n{done.stdout.strip()[-3000:]}")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` by a file with `data`: a reader, or a crash, sees the old content or the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Environment:
    """The virtual environment of one checkout: `root` is the checkout, `state` the tool's own directory."""

    def __init__(self, root: Path, state: Path) -> None:
        self.pyproject = root / "pyproject.toml"
        self.venv = state / "venv"
        self.stamp = state / "installed.toml"
        self.record = state / "installed.json"
        self.lock = state / "install.lock"

    def installed(self) -> dict[str, object]:
        """What was installed: {"python": version, "base": [...], "test": [...]}; empty when nothing usable is."""
        try:
            found = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and (self.venv / "bin" / "python").exists() else {}

    def ensure(self, extra: str | None = None) -> None:
        """Install what pyproject.toml names (and `extra`) unless it is there already. Raises SetupError."""
        wanted = {"base": requirements(self.pyproject, None)}
        if extra:
            wanted[extra] = requirements(self.pyproject, extra)
        if self.matches(wanted):
            self.mark()
            return
        with locked(self.lock, "another copy is installing; waiting for it"):
            if not self.matches(wanted):
                self.install(wanted)
            self.mark()

    def matches(self, wanted: dict[str, list[str]]) -> bool:
        """Whether everything wanted is installed already."""
        have = self.installed()
        return all(have.get(name) == listed for name, listed in wanted.items())

    def mark(self) -> None:
        """Tell the launcher that this pyproject.toml is installed."""
        current = self.pyproject.read_bytes()
        if not self.stamp.exists() or self.stamp.read_bytes() != current:
            write_atomically(self.stamp, current)

    def install(self, wanted: dict[str, list[str]]) -> None:
        """Run pip for `wanted`, making the environment first when there is none that works."""
        have = self.installed()
        names = [item for listed in wanted.values() for item in listed]
        say(f"installing {', '.join(names)} into {self.venv}")
        command = have.get("pip")
        self.record.unlink(missing_ok=True)
        python = self.venv / "bin" / "python"
        works = have and subprocess.run([str(python), "-c", ""], capture_output=True).returncode == 0
        pip = [str(part) for part in command] if works and isinstance(command, list) else make_venv(self.venv)
        options = ["--disable-pip-version-check", "--no-input", "--quiet"]
        run([*pip, "install", *options, *names], "installing Python packages")
        kept = {key: value for key, value in have.items() if key != "base"} if works else {}
        record = {**kept, **wanted, "pip": pip}
        write_atomically(self.record, json.dumps(record, indent=1).encode())
        say("installed")


def main() -> None:
    """`bootstrap.py ROOT STATE`: exit status 1 and a message when the environment cannot be made."""
    root, state = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        Environment(root, state).ensure()
    except SetupError as error:
        say(str(error))
        sys.exit(1)
    except OSError as error:
        say(f"cannot set up {state}: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted; the next start continues")
        sys.exit(1)


if __name__ == "__main__":
    main()
