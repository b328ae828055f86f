"""Console, files, arguments and environment over a model of the system calls."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.lang import U8, U64, Region, data, new_slice
from cloudos.sdk import BadBundle, NotFound, Text, bundle, console, environment, files, models
from cloudos.sdk.console import InputStream, OutputStream, print, print_error, stderr, stdout
from cloudos.sdk.hosted import make_bundle


class Stingy(io.RawIOBase):
    """Gives a few bytes at a time, as a terminal or pipe may."""

    def __init__(self, content: bytes, portions: list[int]) -> None:
        self.content = content
        self.portions = portions

    def read(self, size: int = -1) -> bytes:
        count = min(size, self.portions.pop(0) if self.portions else size)
        result, self.content = self.content[:count], self.content[count:]
        return result


class Slow(models.SystemModel):
    """A machine whose clock stands still unless told otherwise."""

    now = 0

    def clock_read(self) -> U64:
        return U64(self.now)


def print_much(out: io.BytesIO) -> None:
    """Let `print` find that the program prints a lot, then forget what was printed."""
    for _ in range(console.PROMPT_PRINTS):
        print("")
    stdout.shown = models.current().clock_read()
    out.seek(0)
    out.truncate()


def use_input(content: bytes, portions: list[int]) -> InputStream:
    models.install(models.SystemModel(Stingy(content, portions), io.BytesIO(), io.BytesIO()))  # type: ignore[arg-type]
    return InputStream()


@pytest.fixture
def output() -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    out, err = io.BytesIO(), io.BytesIO()
    models.install(Slow(io.BytesIO(), out, err))
    stdout.prints = U64(0)
    yield out, err
    stdout.flush()
    stderr.flush()


inputs = st.lists(st.sampled_from([b"a", b"\n", b"\xff", b"long" * 1200]), max_size=12).map(b"".join)
portions = st.lists(st.integers(1, 5000), max_size=6)


@settings(max_examples=60, deadline=None)
@given(inputs, portions)
def test_lines_are_as_python_splits_them(content: bytes, sizes: list[int]) -> None:
    stream = use_input(content, sizes)
    lines = []
    while (line := stream.read_line()) is not None:
        lines.append(bytes(line.content))
    expected = content.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert lines == expected
    assert stream.read_line() is None


@settings(max_examples=40, deadline=None)
@given(inputs, portions, st.integers(1, 6000))
def test_read_and_read_all_give_every_byte_once(content: bytes, sizes: list[int], chunk: int) -> None:
    assert bytes(use_input(content, list(sizes)).read_all().content) == content
    stream = use_input(content, list(sizes))
    into = new_slice(U8, chunk)
    got = b""
    while (count := stream.read(into)) > 0:
        got += bytes(into[0:count])
    assert got == content
    assert stream.read(into) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9000), st.booleans()), max_size=8))
def test_written_bytes_arrive_in_order(pieces: list[tuple[int, bool]]) -> None:
    out = io.BytesIO()
    models.install(models.SystemModel(io.BytesIO(), out, io.BytesIO()))
    stream = OutputStream(U64(1))
    model = b""
    for number, (size, flush) in enumerate(pieces):
        piece = bytes([number]) * size
        stream.write(data(piece))
        model += piece
        assert model.startswith(out.getvalue())
        if flush:
            stream.flush()
            assert out.getvalue() == model
    stream.flush()
    assert out.getvalue() == model


def test_output_is_shown_before_input_is_awaited_and_before_errors(output: tuple[io.BytesIO, io.BytesIO]) -> None:
    out, err = output
    print_much(out)
    print("name? ", end="")
    assert out.getvalue() == b""
    assert InputStream().read_line() is None
    assert out.getvalue() == b"name? "
    print(f"{U64(7):>3}")
    print_error("bad")
    assert out.getvalue() == b"name?   7\n"
    assert err.getvalue() == b"bad\n"


def test_the_first_prints_are_shown_at_once(output: tuple[io.BytesIO, io.BytesIO]) -> None:
    for number in range(console.PROMPT_PRINTS):
        print(f"{number}")
        assert output[0].getvalue().endswith(f"{number}\n".encode())
    stdout.shown = models.current().clock_read()
    print("later")
    assert not output[0].getvalue().endswith(b"later\n")


def test_rare_prints_are_shown_at_once(output: tuple[io.BytesIO, io.BytesIO]) -> None:
    print_much(output[0])
    print("a", end="")
    assert output[0].getvalue() == b""
    Slow.now += console.PAUSE
    print("b", end="")
    print("c", end="")
    assert output[0].getvalue() == b"ab"


def test_output_is_shown_at_once_on_a_terminal(output: tuple[io.BytesIO, io.BytesIO]) -> None:
    print_much(output[0])
    for environ, shown in (({}, b""), ({"TERM": "dumb"}, b"here")):
        region = attach(make_bundle([], environ, {}))
        stdout.terminal = environment.is_terminal()
        print("here", end="")
        assert output[0].getvalue() == shown
        stdout.used = U64(0)
        assert region.size > 0
    stdout.terminal = False


def attach(content: bytes) -> Region:
    region = Region(len(content), 4096)
    region.data[:] = content
    bundle.bundle.attach(U64(region.address), U64(region.size))
    return region


PARTS = (["prog", "", "b\udcff"], {"HOME": "/", "EMPTY": ""}, {"/data/a": b"one\ntwo", "empty": b""})


def test_arguments_environment_and_files_come_from_the_bundle() -> None:
    region = attach(make_bundle(*PARTS))
    assert [bytes(item.content) for item in environment.args()] == [b"prog", b"", b"b\xff"]
    home, empty = environment.variable("HOME"), environment.variable("EMPTY")
    assert home is not None and str(home) == "/"
    assert empty is not None and str(empty) == ""
    assert environment.variable("OTHER") is None
    assert [str(name) for name in environment.variable_names()] == ["HOME", "EMPTY"]
    assert [str(path) for path in files.file_paths()] == ["/data/a", "empty"]
    file = files.open_file(Text("/data/a"))
    assert int(file.length) == 7
    assert [str(file.read_line()), str(file.read_line()), file.read_line()] == ["one", "two", None]
    assert bytes(files.open_file(Text("/data/a")).read_all().content) == b"one\ntwo"
    assert int(files.open_file(Text("empty")).read_all().length) == 0
    for path in ("/data", "data/a", "HOME", "prog"):
        with pytest.raises(NotFound):
            files.open_file(Text(path))
    assert region.size > 0


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 200), st.binary(min_size=1, max_size=8), st.booleans())
def test_a_damaged_bundle_is_refused_or_read_within_its_bounds(at: int, damage: bytes, cut: bool) -> None:
    content = bytearray(make_bundle(*PARTS))
    content[at : at + len(damage)] = damage
    region: Region | None = None
    try:
        region = attach(bytes(content[: at + 1] if cut else content))
    except BadBundle:
        return
    environment.args()
    environment.variable_names()
    for path in files.file_paths():
        files.open_file(path).read_all()
    assert region.size > 0
