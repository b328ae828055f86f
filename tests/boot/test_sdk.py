"""A program that uses the SDK widely does the same in the machine as under plain CPython."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.boot.harness import ROOT, run, write

REFERENCE = re.findall(
    r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", (ROOT / "docs" / "sdk.md").read_text(), re.MULTILINE | re.DOTALL
)

PROGRAM = """
from cloudos.lang import U8, U64, free_slice, new_slice
from cloudos.sdk import (
    ByteBuffer, KeyMissing, List, Map, NotFound, Text, exit, file_paths, open_file, print, print_error, run, stdin,
    stdout, variable,
)


def show_surroundings(args: List[Text]) -> None:
    for i in U64.range(1, args.length):
        print(f"argument {i}: {args[i]:>12}|")
    value = variable("COLOUR")
    if value is not None:
        print(f"colour {value}")
    if variable("NO_SUCH_NAME") is None:
        print("no such variable")
    for path in file_paths():
        print(f"file {path}, {open_file(path).length:,} bytes")


def read_everything(path: Text) -> None:
    file = open_file(path)
    first = file.read_line()
    if first is not None:
        print(f"first line: {first}")
    rest = file.read_all()
    print(f"rest: {rest.length} bytes, hash {rest.hash():016x}")
    lengths = Map[U64, U64]()
    while True:
        line = stdin.read_line()
        if line is None:
            break
        lengths[line.length] = lengths.get(line.length, U64(0)) + 1
    for length, count in lengths.items():
        print(f"{count} lines of {length}")


def fill_the_heap() -> None:
    numbers = List[U64]()
    texts = List[Text]()
    for i in U64.range(1_000):
        numbers.append(i * 7919 % 1_009)
        texts.append(Text(f"{i * 7919 % 1_009:x}"))
    numbers.sort(reverse=True)
    texts.sort()
    print(f"{numbers[0]} {numbers[999]} {texts[0]} {texts[999]}")
    for size in U64.range(1, 400_000, 7_001):
        block = new_slice(U8, size)
        block[size - 1] = U8(1)
        free_slice(block)
    buffer = ByteBuffer()
    for text in texts:
        buffer.write(text.content)
    print(f"{buffer.length} {buffer.to_text().hash():x}")


def main(args: List[Text]) -> U8:
    show_surroundings(args)
    read_everything(args[1])
    fill_the_heap()
    try:
        open_file(Text("/nowhere"))
    except NotFound:
        print_error("nothing there")
    empty = Map[Text, Text]()
    if args[2].equals("exit"):
        print("leaving early", end="")
        exit(U8(77))
    if args[2].equals("raise"):
        print(f"{empty[args[1]]}")
    stdout.flush()
    return U8(args.length)


if __name__ == "__main__":
    run(main)
"""


STRESS = '''from cloudos.lang import U8, U64, Slice, free_slice, managed, new_slice
from cloudos.sdk import List, Text, print


@managed
class Block:
    """A piece of heap memory, filled with a mark so that an overlap with any other shows."""

    content: Slice[U8]
    mark: U8

    def __init__(self, size: U64, mark: U8) -> None:
        self.content = new_slice(U8, size)
        for byte in self.content:
            assert byte == 0, "new memory is not zero"
        self.content.fill(mark)
        self.mark = mark

    def drop(self) -> None:
        for byte in self.content:
            assert byte == self.mark, "somebody else wrote here"
        free_slice(self.content)


def main() -> None:
    blocks = List[Block]()
    state = U64(12345)
    total = U64(0)
    for round in U64.range(20_000):
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407)
        drawn = state >> 33
        if drawn % 3 == 0 and blocks.length > 0:
            blocks.remove_at((drawn >> 8) % blocks.length)
        else:
            size = U64(1).wrapping_shl(drawn % 18) + (drawn >> 8) % 50
            if size > 70_000 and drawn % 64 > 8:
                size = size % 300 + 1
            total += size
            blocks.append(Block(size, U8.truncate(round) | 1))
        if blocks.length > 400:
            blocks.truncate(U64(100))
    blocks.clear()
    print(f"{total}")
'''


MEMORY = """from cloudos.abi import initial, layout
from cloudos.abi.errors import BadArgument
from cloudos.abi.objects import MEMORY_CONTIGUOUS, MEMORY_ON_DEMAND, MEMORY_PAID
from cloudos.lang import U8, U64
from cloudos.sdk import print, system
from cloudos.sdk.memory import EXECUTE, PAGE, READ, WRITE, Memory, protect, unmap, view

QUOTA = U64(initial.QUOTA)
LARGE = 2 << 20


def places() -> None:
    memory = Memory()
    memory.create(QUOTA, U64(3 * LARGE), U64(MEMORY_PAID))
    first = memory.map(U64(0), U64(PAGE), U64(READ | WRITE))
    large = memory.map(U64(0), U64(3 * LARGE), U64(READ | WRITE))
    assert large % LARGE == 0 and large > first, "large pages"
    view(first, U64(PAGE))[7] = U8(9)
    assert view(large, U64(PAGE))[7] == 9, "the same"
    # A place that somebody else has taken is passed over.
    memory.map_at(U64(initial.SPACE), large + 3 * LARGE, U64(0), U64(2 * PAGE), U64(READ))
    after = memory.map(U64(0), U64(PAGE), U64(READ))
    assert after == large + 3 * LARGE + 2 * PAGE, "behind it"
    unmap(after, U64(PAGE))
    assert memory.map(U64(PAGE), U64(PAGE), U64(READ)) == after, "where the last one was"
    assert memory.inspect().length == 3 * LARGE and memory.inspect().physical == 0, "usage"
    try:
        memory.map(U64(0), U64(4 * LARGE), U64(READ))
        assert False, "more than there is"
    except BadArgument:
        pass
    protect(large, U64(LARGE), U64(READ))
    protect(large, U64(LARGE), U64(READ | EXECUTE))
    protect(large, U64(LARGE), U64(READ | WRITE))
    view(large, U64(LARGE))[LARGE - 1] = U8(1)
    memory.close()
    assert view(large, U64(LARGE))[7] == 9, "mappings stay"


def paged() -> None:
    pager = system.endpoint_create(QUOTA)
    memory = Memory()
    memory.create_paged(QUOTA, pager, U64(40 * PAGE))
    source = Memory()
    source.create(QUOTA, U64(40 * PAGE), U64(MEMORY_ON_DEMAND))
    filled = view(source.map(U64(0), U64(40 * PAGE), U64(READ | WRITE)), U64(40 * PAGE))
    for page in U64.range(40):
        filled[page * PAGE] = U8(page + 1)
    memory.supply(source, U64(PAGE), U64(0), U64(39 * PAGE))
    moved = view(memory.map(U64(0), U64(40 * PAGE), U64(READ)), U64(40 * PAGE))
    for page in U64.range(39):
        assert moved[(page + 1) * PAGE] == U8(page + 1) and filled[page * PAGE] == 0, "moved"


def contiguous() -> None:
    memory = Memory()
    memory.create(QUOTA, U64(5 * PAGE), U64(MEMORY_CONTIGUOUS))
    assert memory.inspect().physical % (8 * PAGE) == 0 and memory.inspect().physical != 0, "in one piece"


def main() -> None:
    places()
    paged()
    contiguous()
    print("all is there")
"""


@pytest.mark.parametrize(("way", "status"), [("return", 4), ("exit", 77), ("raise", 1)])
def test_a_program_does_in_the_machine_what_it_does_under_cpython(tmp_path: Path, way: str, status: int) -> None:
    program = write(tmp_path, PROGRAM)
    (tmp_path / "data.txt").write_bytes(b"Zo\xc3\xab\n" + bytes(range(256)) * 20)
    arguments = ["data.txt", way, "\u00e9t\u00e9"]
    given = b"".join(b"x" * (i * i % 50) + b"\n" for i in range(300)) + b"unfinished"
    options = ["--file", "data.txt", "-e", "COLOUR=blue"]
    ours = run(program, *arguments, given=given, options=options, cwd=tmp_path).check(status)
    theirs = subprocess.run(
        [sys.executable, program, *arguments],
        input=given, capture_output=True, cwd=tmp_path, check=False, timeout=120,
        env={**os.environ, "COLOUR": "blue", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert ours.output.decode() == theirs.stdout.decode()
    assert theirs.returncode == status
    assert "nothing there\n" in ours.errors  # beside what the tool says about compiling
    assert theirs.stderr.startswith(b"nothing there\n")
    assert ("KeyMissing" in ours.errors) == (b"KeyMissing" in theirs.stderr) == (way == "raise")


def test_the_examples_of_the_reference_do_in_the_machine_what_they_say(tmp_path: Path) -> None:
    assert REFERENCE
    for number, (program, output) in enumerate(REFERENCE):
        path = tmp_path / f"example{number}.py"
        path.write_text(program)
        assert run(path).check().output.decode() == output


def test_the_heap_keeps_blocks_apart_and_zeroes_them(tmp_path: Path) -> None:
    result = run(write(tmp_path, STRESS), options=["--memory", "128M"]).check()
    assert int(result.output) > 100_000_000


def test_memory_objects_are_mapped_where_there_is_room(tmp_path: Path) -> None:
    result = run(write(tmp_path, MEMORY)).check()
    assert result.output == b"all is there\n"
