"""Files by path, over the host's files through the messages of the contracts, and over the image alone."""

from __future__ import annotations

import io
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi.errors import BadArgument, Denied, NotFound
from cloudos.contracts.errors import Exists, IsDirectory, NotDirectory, NotEmpty, ReadOnly
from cloudos.contracts.files import APPEND, CREATE, DIRECTORY, EXCLUSIVE, FILE, READ, WRITE
from cloudos.contracts.streams import CURRENT, END
from cloudos.lang import I64, U8, U64, Error, Region, data, new_slice, write_text
from cloudos.sdk import Text, filesystem, host_files, lines, models
from cloudos.sdk.bundle import bundle
from cloudos.sdk.filesystem import FileWriter, create_file, list_directory, open_path, status
from cloudos.sdk.hosted import make_bundle

LONG = bytes(range(256)) * 50  # longer than several messages


def start(directory: Path, handles: dict[str, int], files: dict[str, bytes]) -> None:
    """Become a program with these handles and files of the image."""
    content = make_bundle(["test"], {"PWD": str(directory)}, files, handles)
    region = Region(len(content), 64)
    region.data[:] = content
    bundle.attach(U64(region.address), U64(region.size))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory that a program with a file service works in."""
    model = models.SystemModel(io.BytesIO(), io.BytesIO(), io.BytesIO())
    models.install(model)
    start(tmp_path, host_files.install(model), {})
    yield tmp_path
    assert list(model.services) == list(host_files.install(models.SystemModel()).values()), "a stream stayed open"


def test_what_was_written_is_read_again_in_any_portions(here: Path) -> None:
    file = create_file(Text("new"))
    file.write(data(LONG))
    file.close()
    assert (here / "new").read_bytes() == LONG
    reader = open_path(Text("new"))
    small = new_slice(U8, 7)
    assert int(reader.read(small)) == 7
    assert bytes(small) == LONG[:7]
    assert bytes(reader.read_all().content) == LONG[7:]
    assert int(reader.read(small)) == 0
    reader.close()
    reader.close()


def test_reading_ahead_does_not_move_where_writing_goes(here: Path) -> None:
    (here / "both").write_bytes(b"one\ntwo\nthree\n")
    file = open_path(Text("both"), U64(READ | WRITE))
    line = file.read_line()
    assert line is not None and line.equals("one")
    file.write(data(b"TWO"))
    assert int(file.seek(I64(0), U64(CURRENT))) == 7
    assert int(file.seek(I64(-6), U64(END))) == 8
    line = file.read_line()
    assert line is not None and line.equals("three")
    with pytest.raises(BadArgument):
        file.seek(I64(-1))
    file.truncate(U64(5))
    assert int(file.status().length) == 5
    file.close()
    assert (here / "both").read_bytes() == b"one\nT"


def test_lines_of_a_file(here: Path) -> None:
    content = b"a\n\n" + b"x" * 9000 + b"\nlast"
    (here / "text").write_bytes(content)
    assert [bytes(line.content) for line in lines(open_path(Text("text")))] == content.split(b"\n")


def test_a_writer_gathers_and_tells_its_first_error_at_the_end(here: Path) -> None:
    writer = FileWriter(create_file(Text("out")))
    for number in range(2000):
        write_text(writer, f"{number}\n")
    writer.finish()
    assert (here / "out").read_bytes() == b"".join(b"%d\n" % number for number in range(2000))
    refused = FileWriter(open_path(Text("out")))
    write_text(refused, "x")
    with pytest.raises(Denied):
        refused.finish()


def test_directories_and_names(here: Path) -> None:
    filesystem.make_directory(Text("d"), U64(0o700))
    for number in range(600):
        (here / "d" / f"{number:0100}").touch()
    names = list_directory(Text("d"))
    assert [bytes(name.content).decode() for name in names] == [f"{number:0100}" for number in range(600)]
    assert int(status(Text("d")).kind) == DIRECTORY
    assert int(status(Text("d")).mode) == 0o700
    filesystem.rename(Text("d"), Text(f"{here}/e"))
    assert (here / "e").is_dir() and not filesystem.exists(Text("d"))


def test_status_and_times(here: Path) -> None:
    (here / "f").write_bytes(b"123")
    filesystem.set_modified(Text("f"), U64(1_234_567_890_123_456_789))
    filesystem.change_mode(Text("f"), U64(0o640))
    found = status(Text("f"))
    assert (int(found.kind), int(found.length), int(found.mode)) == (FILE, 3, 0o640)
    assert int(found.modified) == 1_234_567_890_123_456_789
    assert filesystem.same_file(found, status(Text("../" + here.name + "/f")))
    assert abs(int(filesystem.now()) - (here / "f").stat().st_ctime_ns) < 10**10
    total, used = filesystem.space(Text("."))
    assert 0 < used <= total


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (NotFound, lambda: open_path(Text("missing"))),
        (NotFound, lambda: open_path(Text(""))),
        (NotFound, lambda: status(Text("no/such"))),
        (NotDirectory, lambda: status(Text("file/x"))),
        (NotDirectory, lambda: list_directory(Text("file"))),
        (IsDirectory, lambda: open_path(Text("full"), U64(WRITE))),
        (IsDirectory, lambda: open_path(Text("full")).read_line()),
        (Exists, lambda: open_path(Text("file"), U64(WRITE | CREATE | EXCLUSIVE))),
        (Exists, lambda: filesystem.make_directory(Text("full"))),
        (NotEmpty, lambda: filesystem.remove_directory(Text("full"))),
        (BadArgument, lambda: filesystem.rename(Text("full"), Text("full/in"))),
        (Denied, lambda: open_path(Text("file"), U64(READ)).write(data(b"x"))),
        (Denied, lambda: open_path(Text("file"), U64(WRITE | APPEND)).read_line()),
    ],
)
def test_errors_are_those_of_the_contract(here: Path, error: type[Error], action: Callable[[], object]) -> None:
    (here / "file").touch()
    (here / "full" / "inner").mkdir(parents=True)
    with pytest.raises(error):
        action()


def test_without_a_service_there_are_the_files_of_the_image(tmp_path: Path) -> None:
    start(tmp_path, {}, {"/etc/motd": b"hello\n", f"{tmp_path}/near": b"12"})
    assert bytes(open_path(Text("/etc/motd")).read_all().content) == b"hello\n"
    assert int(status(Text("near")).length) == 2
    assert filesystem.exists(Text("near")) and not filesystem.exists(Text("far"))
    for action in (lambda: create_file(Text("near")), lambda: filesystem.remove(Text("near"))):
        with pytest.raises(ReadOnly):
            action()
    with pytest.raises(NotFound):
        filesystem.now()


def test_no_module_hides_a_function_of_the_sdk() -> None:
    """A module named like a function of the package would take its place once it is imported."""
    import cloudos.sdk

    assert [name for name in cloudos.sdk.__all__ if isinstance(getattr(cloudos.sdk, name), types.ModuleType)] == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("wsr"), st.integers(0, 9000)), max_size=8))
def test_an_open_file_is_one_of_pythons(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]]
) -> None:
    """Writes, seeks and reads in any order, beside an unbuffered file of Python."""
    directory = tmp_path_factory.mktemp("files")
    model = models.SystemModel(io.BytesIO(), io.BytesIO(), io.BytesIO())
    models.install(model)
    start(directory, host_files.install(model), {})
    ours = open_path(Text("ours"), U64(READ | WRITE | CREATE))
    with open(directory / "theirs", "w+b", buffering=0) as theirs:
        for kind, number in actions:
            if kind == "w":
                ours.write(data(LONG[:number]))
                theirs.write(LONG[:number])
            elif kind == "s":
                assert int(ours.seek(I64(number))) == theirs.seek(number)
            else:
                room = new_slice(U8, number)
                taken = int(ours.read(room))
                assert bytes(room[0:taken]) == theirs.read(taken)
                assert taken > 0 or number == 0 or theirs.read(1) == b""
    ours.close()
    assert (directory / "ours").read_bytes() == (directory / "theirs").read_bytes()
