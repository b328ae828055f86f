"""`build` writes everything or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudos.host import build, bundle, image, system_image
from cloudos.host.errors import CannotRun, ToolError


@dataclass(frozen=True)
class Services:
    """Stands for what a program is started with."""

    kernel: Path
    init: Path
    entries: tuple[bundle.Entry, ...]


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program whose compilation is done already."""
    for name in ("k", "p"):
        (tmp_path / name).write_bytes(name.encode())
    services = Services(tmp_path / "k", tmp_path / "i", (bundle.Entry(bundle.Kind.PROGRAM, b"init", b"i"),))
    monkeypatch.setattr(system_image, "load", lambda name: name)
    monkeypatch.setattr(system_image, "build", lambda system, arch: services)
    monkeypatch.setattr(image, "build_program", lambda source, arch: tmp_path / "p")
    monkeypatch.setattr(image, "has_kernel", lambda arch: arch == "x86_64")
    (tmp_path / "prog.py").write_text("")
    return tmp_path / "prog.py"


def test_what_it_writes(compiled: Path, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "image"
    written = build.build(compiled, "x86_64", image.Inputs("prog.py", ("a",)), directory)
    assert sorted(directory.iterdir()) == sorted(written)
    assert (directory / "kernel.elf").read_bytes() == b"k"
    entries = bundle.decode((directory / "bundle.bin").read_bytes())
    assert [entry.data for entry in entries] == [b"i", b"p", b"prog.py", b"a"]
    assert "qemu-system-x86_64" in (directory / "README").read_text()
    assert [path.name for path in directory.parent.iterdir()] == ["image"]


def test_existing_files_are_replaced_and_others_left_alone(compiled: Path, tmp_path: Path) -> None:
    directory = tmp_path / "image"
    directory.mkdir()
    (directory / "kernel.elf").write_bytes(b"old")
    (directory / "notes").write_bytes(b"mine")
    build.build(compiled, "x86_64", image.Inputs("prog.py"), directory)
    assert (directory / "kernel.elf").read_bytes() == b"k"
    assert (directory / "notes").read_bytes() == b"mine"


def test_an_architecture_without_kernel_says_so(compiled: Path, tmp_path: Path) -> None:
    written = build.build(compiled, "aarch64", image.Inputs("prog.py"), tmp_path / "image")
    assert sorted(path.name for path in written) == ["README", "bundle.bin", "program.elf"]
    assert "no kernel for aarch64 yet" in (tmp_path / "image" / "README").read_text()


def test_a_program_that_does_not_compile_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "prog.py").write_bytes(b"\xff")
    with pytest.raises(CannotRun):
        build.build(tmp_path / "prog.py", "x86_64", image.Inputs("prog.py"), tmp_path / "image")
    assert [path.name for path in tmp_path.iterdir()] == ["prog.py"]


def test_a_directory_that_cannot_be_written(compiled: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ToolError, match="cannot write to"):
        build.build(compiled, "x86_64", image.Inputs("prog.py"), tmp_path / "file")
    with pytest.raises(ToolError, match="cannot write to"):
        build.build(compiled, "x86_64", image.Inputs("prog.py"), tmp_path / "file" / "below")
    assert sorted(tmp_path.rglob("*")) == before
