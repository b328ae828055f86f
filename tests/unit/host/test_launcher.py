"""bin/cloudos: a small checkout with a bootstrap that only writes down that it was called."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

BOOTSTRAP = """
import os, pathlib, sys
root, state = map(pathlib.Path, sys.argv[1:3])
(state / "venv/bin").mkdir(parents=True, exist_ok=True)
with open(state / "calls", "a") as calls:
    calls.write("called\\n")
if (root / "fail").exists():
    sys.exit(1)
python = state / "venv/bin/python"
if not python.exists():
    python.symlink_to(sys.executable)
(state / "installed.toml").write_bytes((root / "pyproject.toml").read_bytes())
"""

CLI = """
import os, sys
def main():
    print([*sys.argv[1:], os.environ["CLOUDOS_STATE"]])
    sys.exit(7)
"""


class Checkout:
    """A checkout with the real launcher and everything else replaced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / ".cloudos"
        (root / "bin").mkdir(parents=True)
        (root / "cloudos/host").mkdir(parents=True)
        shutil.copy(ROOT / "bin/cloudos", root / "bin/cloudos")
        (root / "cloudos/host/bootstrap.py").write_text(BOOTSTRAP)
        (root / "cloudos/host/cli.py").write_text(CLI)
        (root / "pyproject.toml").write_text("[project]\n")

    def start(self, *arguments: str, path: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the launcher with only a few variables set."""
        settings = {"PATH": path or f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(self.root)}
        command = [
            str(path_of_link) if (path_of_link := self.root / "link").exists() else str(self.root / "bin/cloudos")
        ]
        return subprocess.run(
            [*command, *arguments], env={**settings, **environment}, capture_output=True, text=True, check=False
        )

    def setups(self, state: Path | None = None) -> int:
        """How often the bootstrap ran."""
        return len(((state or self.state) / "calls").read_text().splitlines())


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "check out")


def test_it_sets_up_once_and_passes_arguments_and_status_on(checkout: Checkout) -> None:
    for _ in range(2):
        done = checkout.start("run", "a b", "", "--", "$x")
        assert (done.returncode, done.stderr) == (7, "")
        assert done.stdout == f"{['run', 'a b', '', '--', '$x', str(checkout.state)]}\n"
    assert checkout.setups() == 1


def test_a_changed_pyproject_sets_up_again(checkout: Checkout) -> None:
    checkout.start()
    (checkout.root / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    checkout.start()
    assert checkout.setups() == 2


def test_a_failed_setup_is_125_and_is_tried_again(checkout: Checkout) -> None:
    (checkout.root / "fail").write_text("")
    assert checkout.start().returncode == 125
    (checkout.root / "fail").unlink()
    assert checkout.start().returncode == 7


def test_without_python_it_says_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("readlink", "cmp", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = checkout.start(path=str(tools))
    assert done.returncode == 125
    assert "Python 3.11 or later is needed" in done.stderr
    assert "apt-get install" in done.stderr


def test_it_may_be_called_through_a_link_and_from_anywhere(checkout: Checkout) -> None:
    (checkout.root / "link").symlink_to(checkout.root / "bin/cloudos")
    assert checkout.start("x").stdout == f"{['x', str(checkout.state)]}\n"


def test_the_users_python_settings_do_not_reach_the_tool(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "os.py").write_text("raise SystemExit(99)")
    (tmp_path / "bad" / "cloudos").mkdir()
    assert checkout.start("x", PYTHONPATH=str(tmp_path / "bad")).returncode == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_checkout_uses_the_cache(checkout: Checkout, tmp_path: Path) -> None:
    checkout.root.chmod(0o555)
    try:
        done = checkout.start(XDG_CACHE_HOME=str(tmp_path / "cache"))
    finally:
        checkout.root.chmod(0o755)
    assert done.returncode == 7
    states = list((tmp_path / "cache" / "cloudos").iterdir())
    assert len(states) == 1 and checkout.setups(states[0]) == 1
    assert not checkout.state.exists()
