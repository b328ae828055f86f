"""`build` writes everything or nothing."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloudos.host import build, bundle, elf, image, system_image
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
    monkeypatch.setattr(system_image, "load", lambda name, arch: name)
    monkeypatch.setattr(system_image, "build", lambda system, arch: services)
    monkeypatch.setattr(image, "build_program", lambda source, arch: tmp_path / "p")
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


def test_kernels_of_aarch64_are_written_as_their_loaders_want_them(compiled: Path, tmp_path: Path) -> None:
    segment = struct.pack("<IIQQQQQQ", 1, 5, 120, 0xFFFF_8000, 0x8_0000, 4, 4096, 4096)
    header = b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H12xQ14xHH", 183, 64, 56, 1) + bytes(6)
    (tmp_path / "k").write_bytes(header + segment + b"code")
    written = build.build(compiled, "aarch64", image.Inputs("prog.py"), tmp_path / "image")
    names = ["README", "bundle.bin", "kernel.elf", "kernel.img", "program.elf"]
    assert sorted(path.name for path in written) == names
    assert (tmp_path / "image" / "kernel.img").read_bytes() == b"code"
    assert "qemu-system-aarch64 -M virt" in (tmp_path / "image" / "README").read_text()


def test_memory_of_a_kernel_begins_at_its_lowest_address_and_ends_behind_what_is_in_no_file() -> None:
    segments = [
        struct.pack("<IIQQQQQQ", 1, 6, 232, 0xFFFF_A000, 0x9_0000, 2, 0x5000, 4096),
        struct.pack("<IIQQQQQQ", 1, 5, 232, 0xFFFF_8000, 0x8_0000, 4, 4, 4096),
        struct.pack("<IIQQQQQQ", 0, 5, 232, 0, 0, 4, 0x10_0000, 4096),
    ]
    header = b"\x7fELF\x02\x01" + bytes(12) + struct.pack("<H12xQ14xHH", 183, 64, 56, 3) + bytes(6)
    content = header + b"".join(segments) + b"code"
    assert elf.extent(content) == (0x8_0000, 0x9_5000)
    assert elf.flat(content) == b"code" + bytes(0xFFFC) + b"co"
    with pytest.raises(ValueError, match="no ELF|not an ELF"):
        elf.extent(b"something else")


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
