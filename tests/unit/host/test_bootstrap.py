"""The tool's own environment: installed once, and again when pyproject.toml asks for more, by one copy at a time."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from cloudos.host import bootstrap
from cloudos.host.bootstrap import Environment, SetupError

PYPROJECT = """\
[project]
dependencies = ["click>=8"]
[project.optional-dependencies]
test = ["pytest"]
"""


class Checkout:
    """A checkout whose pip only writes down what it was asked to install."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.commands: list[list[str]] = []
        self.environments_made = 0
        self.pip_fails = False
        self.write(PYPROJECT)
        monkeypatch.setattr(bootstrap, "make_venv", self.make_venv)
        monkeypatch.setattr(bootstrap, "run", self.pip)

    def write(self, text: str) -> None:
        (self.root / "pyproject.toml").write_text(text)

    def make_venv(self, venv: Path) -> list[str]:
        self.environments_made += 1
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        python = venv / "bin" / "python"
        python.write_text("#!/bin/sh\n")
        python.chmod(0o755)
        return ["pip"]

    def pip(self, command: list[str], purpose: str) -> None:
        time.sleep(0.05)
        if self.pip_fails:
            raise SetupError("no network")
        self.commands.append([word for word in command if not word.startswith("--")])

    @property
    def environment(self) -> Environment:
        return Environment(self.root, self.root / "state")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    return Checkout(tmp_path, monkeypatch)


def test_the_second_start_installs_nothing(checkout: Checkout) -> None:
    checkout.environment.ensure()
    checkout.environment.ensure()
    assert checkout.commands == [["pip", "install", "click>=8"]]
    assert checkout.environment.stamp.read_text() == PYPROJECT


def test_changed_dependencies_are_installed_and_other_changes_are_not(checkout: Checkout) -> None:
    checkout.environment.ensure()
    checkout.write(PYPROJECT + "# a comment\n")
    checkout.environment.ensure()
    assert len(checkout.commands) == 1
    assert checkout.environment.stamp.read_text().endswith("# a comment\n")
    checkout.write(PYPROJECT.replace("click>=8", "click>=9"))
    checkout.environment.ensure()
    assert checkout.commands[1] == ["pip", "install", "click>=9"]
    assert checkout.environments_made == 1


def test_what_tests_need_is_installed_with_the_first_test(checkout: Checkout) -> None:
    checkout.environment.ensure()
    checkout.environment.ensure("test")
    checkout.environment.ensure("test")
    checkout.environment.ensure()
    assert checkout.commands == [["pip", "install", "click>=8"], ["pip", "install", "click>=8", "pytest"]]


def test_a_failed_installation_leaves_no_stamp_and_is_tried_again(checkout: Checkout) -> None:
    checkout.pip_fails = True
    with pytest.raises(SetupError, match="no network"):
        checkout.environment.ensure()
    assert not checkout.environment.stamp.exists()
    checkout.pip_fails = False
    checkout.environment.ensure()
    assert checkout.environment.stamp.exists()


def test_a_removed_or_broken_environment_is_made_anew(checkout: Checkout) -> None:
    checkout.environment.ensure()
    (checkout.environment.venv / "bin" / "python").unlink()
    checkout.environment.ensure()
    assert checkout.environments_made == 2


def test_two_copies_at_once_install_once(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    threads = [threading.Thread(target=checkout.environment.ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(checkout.commands) == 1
    assert "waiting for it" in capsys.readouterr().err


def test_a_damaged_pyproject_is_named(checkout: Checkout) -> None:
    checkout.write("[project")
    with pytest.raises(SetupError, match=r"pyproject\.toml"):
        checkout.environment.ensure()


def test_without_root_the_message_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "can_import", lambda modules: False)
    monkeypatch.setattr(bootstrap, "administrator", lambda: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(SetupError, match=r"sudo apt-get install -y python3-venv"):
        bootstrap.make_venv(tmp_path / "venv")


def test_as_root_debians_package_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def done(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(bootstrap, "can_import", lambda modules: False)
    monkeypatch.setattr(bootstrap, "administrator", lambda: ["sudo", "-n"])
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("subprocess.run", done)
    bootstrap.make_venv(tmp_path / "venv")
    shown = [" ".join(command) for command in commands]
    assert "apt-get -qq update" in shown[0]
    assert shown[1].endswith("install -y --no-install-recommends python3-venv")
    assert "-m venv --clear" in shown[2]


def test_files_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    bootstrap.write_atomically(target, b"old")

    def fail(self: Path, other: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        bootstrap.write_atomically(target, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_bytes() == b"old"
