"""`cloudos run` starts a program with services: it reads and writes files, knows the time, and holds nothing else."""

from __future__ import annotations

import time
from pathlib import Path

from tests.boot.harness import run, write

FILES = """
    from cloudos.sdk import print
    from cloudos.sdk.collections.text import Text
    from cloudos.sdk.filesystem import FileWriter, create_file, list_directory, make_directory, open_path, rename
    from cloudos.sdk.files import open_file
    from cloudos.sdk.readers import lines
    from cloudos.lang import write_text

    def main() -> None:
        writer = FileWriter(create_file(Text("notes")))
        write_text(writer, "first line\\nsecond line\\n")
        writer.finish()
        make_directory(Text("/box"))
        rename(Text("notes"), Text("/box/notes"))
        for line in lines(open_path(Text("/box/notes"))):
            print(f"{line}")
        given = open_file(Text("given.txt"))
        print(f"{given.length}")
        for line in lines(open_path(Text("/given.txt"))):
            print(f"{line}")
        for name in list_directory(Text("/")):
            print(f"{name}")
"""

DEVICES = """
    from cloudos.contracts.devices import Entropy
    from cloudos.lang import U8, U64, new_slice
    from cloudos.sdk import print
    from cloudos.sdk.component import held, held_names
    from cloudos.sdk.filesystem import now

    def main() -> None:
        print(f"{now() // 1_000_000_000}")
        room = new_slice(U8, 32)
        assert Entropy(held("entropy")).fill(room) == 32
        total = U64(0)
        for byte in room:
            total = total * 31 % 1_000_003 + U64(byte)
        print(f"{total}")
        for name in held_names():
            print(f"{name}")
"""

INTRUDER = """
    from cloudos.abi import initial
    from cloudos.abi.errors import BadHandle, SystemCallError
    from cloudos.lang import U64
    from cloudos.sdk import print, system
    from cloudos.sdk.component import held

    def main() -> None:
        try:
            system.device_create(U64(initial.DEVICE), U64(initial.QUOTA), U64(1), U64(0x70), U64(2))
            print("has the machine")
        except SystemCallError:
            print("has no device")
        try:
            system.policy_seal(U64(initial.POLICY))
            print("has the policy")
        except SystemCallError:
            print("has no policy")
        reached = U64(0)
        # The first seven are what every process has of itself.
        for index in U64.range(8, 4096):
            try:
                system.process_kill(U64(1 << 32) | index)
                reached += 1
            except SystemCallError:
                pass
        print(f"killed {reached}")
"""


def test_a_program_has_files(tmp_path: Path) -> None:
    given = tmp_path / "given.txt"
    given.write_text("from the host\n")
    result = run(write(tmp_path, FILES), options=["--file", f"{given}:given.txt"]).check()
    names = result.output.decode().splitlines()
    assert names[:4] == ["first line", "second line", "14", "from the host"]
    assert {"box", "dev", "given.txt", "system"} <= set(names[4:])


def test_the_boot_log_is_shown_when_asked_for(tmp_path: Path) -> None:
    program = write(tmp_path, "from cloudos.sdk import print\n\ndef main() -> None:\n    print('mine')\n")
    run(program).check()  # what is compiled for the first time is told
    quiet = run(program).check()
    assert (quiet.output, quiet.errors) == (b"mine\n", "")
    told = run(program, options=["--kernel-log"]).check()
    assert told.output == b"mine\n"
    for component in ("files", "pipes", "loader", "runner"):
        assert f"] {component}: started" in told.errors
    assert "of memory, program entry" in told.errors
    bare = run(program, options=["--kernel-log", "--bare"]).check()
    assert bare.output == b"mine\n" and "started" not in bare.errors


def test_a_program_holds_what_it_was_given_and_nothing_else(tmp_path: Path) -> None:
    program = write(tmp_path, DEVICES)
    results = [run(program).check().output.decode().splitlines() for _ in range(2)]
    assert abs(int(results[0][0]) - time.time()) < 120
    assert results[0][1] != results[1][1], "random bytes"
    assert sorted(results[0][2:]) == ["clock", "entropy", "files", "image", "programs"]


def test_a_program_cannot_reach_the_machine(tmp_path: Path) -> None:
    """It holds its own process, which the loop leaves out; an index that names nothing is refused."""
    result = run(write(tmp_path, INTRUDER)).check()
    assert result.output.decode().splitlines() == ["has no device", "has no policy", "killed 0"]


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    """The loader takes so much for one program, and no more."""
    program = write(tmp_path, "def main() -> None:\n    pass\n")
    variables = [option for name in "ABC" for option in ("-e", f"{name}={'x' * 60_000}")]
    result = run(program, options=variables).check(126)
    assert "the system could not start the program" in result.errors
    assert "the program: it is given too many arguments and variables" in result.errors
    run(program, options=variables[:4]).check()


HOLDS_FILES = """
    from cloudos.sdk import print
    from cloudos.sdk.component import held

    def main() -> None:
        print(f"{held('files') != 0}")
"""


def test_little_memory_means_no_services(tmp_path: Path) -> None:
    program = write(tmp_path, HOLDS_FILES)
    assert run(program, options=["--memory", "4M"]).check().output == b"False\n"
    assert run(program, options=["--memory", "8M"]).check().output == b"True\n"
