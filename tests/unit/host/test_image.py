"""Nothing is compiled twice, and nothing stale is ever run."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudos.host import bundle, image, state
from cloudos.host.errors import CannotRun, NotFound, ToolError


class Compiler:
    """Stands for the compiler: loads a module and reads a data file, as programs do when they are compiled."""

    def __init__(self, directory: Path) -> None:
        self.runs = 0
        self.output = directory / "build" / "program.elf"
        self.module = directory / "module_of_the_test.py"
        self.data = directory / "data.txt"
        self.touch(self.module, "x = 1")
        self.touch(self.data, "1")

    @staticmethod
    def touch(path: Path, text: str) -> None:
        """Write a file and date it back: sources are older than the compilation that reads them."""
        path.write_text(text)
        past = time.time_ns() - 10**9
        os.utime(path, ns=(past, past))

    def compile(self) -> None:
        self.runs += 1
        spec = importlib.util.spec_from_file_location(self.module.stem, self.module)
        assert spec and spec.loader
        sys.modules[self.module.stem] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.output.write_text(self.data.read_text())

    def run(self) -> int:
        """How often the compiler has run after one more request."""
        image.compiled(self.output, "program", self.compile)
        return self.runs


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Compiler]:
    monkeypatch.setenv("CLOUDOS_STATE", str(tmp_path / "state"))
    state.directory.cache_clear()
    yield Compiler(tmp_path)
    sys.modules.pop("module_of_the_test", None)
    state.directory.cache_clear()


def test_unchanged_sources_are_not_compiled_again(compiler: Compiler) -> None:
    assert [compiler.run(), compiler.run(), compiler.run()] == [1, 1, 1]


def test_a_changed_module_is(compiler: Compiler) -> None:
    compiler.run()
    compiler.touch(compiler.module, "x = 22")
    assert [compiler.run(), compiler.run()] == [2, 2]


def test_so_is_changed_data_that_was_read_at_build_time(compiler: Compiler) -> None:
    compiler.run()
    compiler.touch(compiler.data, "22")
    assert compiler.run() == 2
    assert compiler.output.read_text() == "22"


def test_a_deleted_source_and_a_deleted_output_count_as_changes(compiler: Compiler) -> None:
    compiler.run()
    compiler.output.unlink()
    assert compiler.run() == 2
    compiler.data.unlink()
    with pytest.raises(FileNotFoundError):
        compiler.run()
    assert not compiler.output.with_suffix(".sources.json").exists()


def test_a_source_edited_during_the_compilation_is_read_again(compiler: Compiler) -> None:
    compiler.data.write_text("now")
    future = time.time_ns() + 10**9
    os.utime(compiler.data, ns=(future, future))
    assert [compiler.run(), compiler.run()] == [1, 2]


def test_an_output_replaced_by_another_process_is_not_trusted(compiler: Compiler) -> None:
    compiler.run()
    compiler.output.write_text("made by another process from older sources")
    assert compiler.run() == 2
    assert compiler.output.read_text() == "1"


def test_another_python_or_compiler_makes_everything_stale(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler.run()
    monkeypatch.setattr(image, "environment", lambda: "another")
    assert compiler.run() == 2


def test_a_damaged_record_is_ignored(compiler: Compiler) -> None:
    compiler.run()
    compiler.output.with_suffix(".sources.json").write_text('{"format": 1}')
    assert compiler.run() == 2


def test_what_cannot_be_a_program_is_refused_with_its_own_status(tmp_path: Path) -> None:
    (tmp_path / "binary.py").write_bytes(b"\x7fELF\x02\x01\x01\0\xff")
    (tmp_path / "zeros.py").write_bytes(b"x = 1\0")
    for name, error, status in [
        ("missing.py", NotFound, 127),
        (".", CannotRun, 126),
        ("binary.py", CannotRun, 126),
        ("zeros.py", CannotRun, 126),
        ("zeros.py/below", CannotRun, 126),
    ]:
        with pytest.raises(error) as caught:
            image.check_source(tmp_path / name)
        assert caught.value.status == status
        assert str(tmp_path / name) in caught.value.message


def test_the_bundle_carries_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    program = tmp_path / "program.elf"
    program.write_bytes(b"ELF")
    (tmp_path / "data").write_bytes(bytes(range(256)))
    odd = os.fsdecode(b"\xff\xfe")
    inputs = image.Inputs("p.py", (odd, ""), (("K", odd),), ((tmp_path / "data", odd),))
    entries = bundle.decode(image.make_bundle(program, inputs))
    assert [entry.data for entry in entries] == [b"ELF", b"p.py", b"\xff\xfe", b"", b"\xff\xfe", bytes(range(256))]
    assert entries[-1].name == b"\xff\xfe"


def test_a_file_larger_than_the_machine_is_refused_even_when_it_never_ends(tmp_path: Path) -> None:
    (tmp_path / "program.elf").write_bytes(b"ELF")
    (tmp_path / "five").write_bytes(b"12345")
    for path in (tmp_path / "five", Path("/dev/zero")):
        inputs = image.Inputs("p", files=((path, "x"),))
        with pytest.raises(ToolError, match=f"{path} is larger than 4 bytes"):
            image.make_bundle(tmp_path / "program.elf", inputs, 4)
    inputs = image.Inputs("p", files=((tmp_path / "five", "x"),))
    assert bundle.decode(image.make_bundle(tmp_path / "program.elf", inputs, 5))[-1].data == b"12345"


def test_files_that_are_not_there_or_given_twice(tmp_path: Path) -> None:
    (tmp_path / "program.elf").write_bytes(b"ELF")
    (tmp_path / "a").write_bytes(b"")
    built = tmp_path / "program.elf"
    with pytest.raises(NotFound, match="missing: no such file"):
        image.make_bundle(built, image.Inputs("p", files=((tmp_path / "missing", "x"),)))
    with pytest.raises(ToolError, match="is a directory"):
        image.make_bundle(built, image.Inputs("p", files=((tmp_path, "x"),)))
    with pytest.raises(ToolError, match="two files"):
        image.make_bundle(built, image.Inputs("p", files=((tmp_path / "a", "x"), (tmp_path / "a", "x"))))
