"""A program of `cloudos run` hands its console on: what it starts reads and writes there too."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.boot.harness import LAUNCHER, PATIENCE, ROOT, run, write

FAMILY = """
    from cloudos.contracts.files import PIPE, TERMINAL
    from cloudos.contracts.streams import START, Stream
    from cloudos.contracts.errors import NotSeekable
    from cloudos.abi.errors import Denied
    from cloudos.lang import I64, U8, U64, data, new_slice
    from cloudos.sdk import List, Text, print, print_error, stdin, stdout
    from cloudos.sdk.component import held
    from cloudos.sdk.environment import is_terminal
    from cloudos.sdk.programs import Launch, standard_stream
    from cloudos.sdk.system import thread_sleep

    def child(role: str, streams: U64) -> Launch:
        launch = Launch(Text("/system/program"))
        launch.add_argument(Text("program"))
        launch.add_argument(Text(role))
        if streams > 0:
            launch.give("stdin", standard_stream(U64(0)))
            launch.give("stdout", standard_stream(U64(1)))
            launch.give("stderr", standard_stream(U64(2)))
        launch.start(U64(0))
        return launch

    def says(role: str) -> None:
        print(f"{role}: status {child(role, U64(1)).wait()}")

    def refused() -> None:
        room = new_slice(U8, 4)
        try:
            Stream(held("stdout")).read(room)
        except Denied:
            print("no reading")
        try:
            Stream(held("stdin")).write(data(b"x"))
        except Denied:
            print("no writing")
        try:
            Stream(held("stdout")).seek(I64(0), U64(START))
        except NotSeekable:
            print("no seeking")
        kind = Stream(held("stdout")).status().kind
        print(f"{is_terminal()} {kind == TERMINAL} {kind == PIPE}")

    def main(args: List[Text]) -> U8:
        if args.length == 1:
            print("parent", end=": ")
            says("hello")
            says("copy")
            says("refused")
            says("elder")
            print(f"silent: status {child('silent', U64(0)).wait()}")
        elif args[1].equals("copy"):
            while True:
                line = stdin.read_line()
                if line is None:
                    return U8(7)
                print(f"{line}")
        elif args[1].equals("refused"):
            refused()
        elif args[1].equals("elder"):
            says("hello")
        elif args[1].equals("silent"):
            says("hello")
            return U8(9)
        else:
            print("hello")
            print_error("and an error")
        return U8(0)
"""
LINES = b"".join(b"line %d\n" % number for number in range(3000))
REFUSED = [b"no reading", b"no writing", b"no seeking", b"False False True", b"refused: status 0"]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_children_and_theirs_use_the_console_of_the_program(arch: str, tmp_path: Path) -> None:
    program = write(tmp_path, FAMILY)
    result = run(program, given=LINES, options=["--arch", arch, "--timeout", "120"]).check()
    lines = result.output.splitlines(keepends=True)
    assert lines[:2] == [b"parent: hello\n", b"hello: status 0\n"]
    assert b"".join(lines[2:3002]) == LINES
    assert [line.rstrip() for line in lines[3002:]] == [
        *[b"copy: status 7", *REFUSED, b"hello", b"hello: status 0", b"elder: status 0", b"silent: status 9"],
    ]
    assert result.errors.count("and an error") == 2


TURNS = """
    from cloudos.lang import U64
    from cloudos.sdk import List, Text, print, stdin, system
    from cloudos.sdk.programs import Launch, standard_stream

    def child() -> Launch:
        launch = Launch(Text("/system/program"))
        launch.add_argument(Text("program"))
        launch.add_argument(Text("child"))
        launch.give("stdin", standard_stream(U64(0)))
        launch.give("stdout", standard_stream(U64(1)))
        launch.start(U64(0))
        return launch

    def main(args: List[Text]) -> None:
        if args.length > 1:
            print("asking")
            line = stdin.read_line()
            if line is not None:
                print(f"got {line}")
            return
        first = child()
        system.thread_sleep(U64(200_000_000))
        first.kill(U64(9))
        print(f"ended: {first.wait()}")
        child().wait()
        line = stdin.read_line()
        if line is not None:
            print(f"mine is {line}")
"""


def test_what_a_killed_reader_asked_for_is_the_next_ones(tmp_path: Path) -> None:
    program = write(tmp_path, TURNS)
    line: list[str | Path] = [LAUNCHER, "run", "--timeout", "120", program]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == b"asking\n"
            assert process.stdout.readline() == b"ended: 137\n"
            process.stdin.write(b"typed\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"asking\n"
            assert process.stdout.readline() == b"got typed\n"
            process.stdin.write(b"the rest\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"mine is the rest\n"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
