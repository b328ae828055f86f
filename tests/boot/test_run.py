"""`cloudos run`: streams, status, arguments, limits, and refusals, as a shell sees them."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from cloudos.host import usual
from tests.boot.harness import LAUNCHER, ROOT, cloudos, run, write

CAT = """
from typing import Literal

from cloudos.lang import U8, Array
from cloudos.sdk import stdin, stdout


def main() -> None:
    buffer = Array[U8, Literal[4096]]()
    while True:
        count = stdin.read(buffer.slice())
        if count == 0:
            return
        stdout.write(buffer.slice()[0:count])
        stdout.flush()
"""

STATUS = """
from cloudos.lang import U8
from cloudos.sdk import InvalidNumber, List, Text


def status_of(text: Text) -> U8:
    try:
        return U8(text.to_integer())
    except InvalidNumber:
        return U8(99)


def main(args: List[Text]) -> U8:
    return status_of(args[1])
"""

FOREVER = """
from cloudos.lang import U64
from cloudos.sdk import print, stdout


def spin() -> None:
    n = U64(0)
    while True:
        n = n.wrapping_add(1)


def main() -> None:
    print("begins")
    stdout.flush()
    spin()
"""


@pytest.mark.one_processor("how long it takes, for which the host may have no processors of their own")
def test_an_unchanged_program_prints_within_a_second_and_a_half() -> None:
    program = ROOT / "examples" / "hello.py"
    run(program).check()
    seconds = min(run(program).check().seconds for _ in range(3))
    assert seconds < 1.5


@pytest.mark.parametrize("size", [0, 1, 65_537, 2_000_000])
def test_bytes_go_through_unchanged(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    assert run(write(tmp_path, CAT), given=data).check().output == data


@pytest.mark.parametrize("status", [0, 1, 42, 124, 127, 255])
def test_the_exit_status_is_the_programs(tmp_path: Path, status: int) -> None:
    run(write(tmp_path, STATUS), str(status)).check(status)


def test_the_time_limit_shows_where_the_program_was(tmp_path: Path) -> None:
    result = run(write(tmp_path, FOREVER), options=["--timeout", "1"]).check(124)
    assert "in main\n    spin()" in result.errors
    assert "in spin" in result.errors
    assert result.seconds < 30


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    program = write(tmp_path, FOREVER)
    process = subprocess.Popen([LAUNCHER, "run", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"begins\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"in spin" in errors


def test_a_closed_pipe_ends_the_machine(tmp_path: Path) -> None:
    program = write(tmp_path, CAT)
    run(program).check()  # what is compiled for the first time is told
    process = subprocess.Popen(
        [LAUNCHER, "run", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin and process.stdout
    process.stdin.write(b"x" * 10_000)
    process.stdin.flush()
    assert process.stdout.read(1) == b"x"
    process.stdout.close()
    try:
        process.stdin.write(b"y" * 1_000_000)
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert process.wait(timeout=30) == 141
    assert process.stderr and process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (None, 127, ["no such file"]),
        (b"\x7fELF\xff\xfe", 126, ["not a Python file"]),
        (b"def main(:\n    pass\n", 126, ["program.py:1:", "error:", "def main(:"]),
        (b"x = 1\n", 126, ["program.py:", "error:", "main"]),
        (b"import nowhere\n", 126, ["program.py:1:", "nowhere"]),
        (
            b"def main() -> None:\n    x = [i for i in 'ab']\n",
            126,
            ["program.py:2:", "error:", "x = [i for i in 'ab']", "^"],
        ),
        (b"def main() -> None:\n    x: int = 'a'\n", 126, ["program.py:2:", "error:"]),
    ],
    ids=["missing", "binary", "syntax", "no-main", "import", "unsupported", "types"],
)
def test_what_cannot_be_run_is_refused_with_place_and_reason(
    tmp_path: Path, content: bytes | None, status: int, words: list[str]
) -> None:
    program = tmp_path / "program.py"
    if content is not None:
        program.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    result = run(program).check(status)
    assert [word for word in words if word not in result.errors] == []
    assert "Traceback" not in result.errors
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in str(path)] == before
    built = cloudos("build", program, "-o", tmp_path / "image").check(status)
    assert built.output == b"" and not (tmp_path / "image").exists()


def test_build_writes_what_boots(tmp_path: Path) -> None:
    cloudos("build", ROOT / "examples" / "hello.py", "-o", tmp_path / "image").check()
    # Where QEMU is not to look into the kernel's file, there is one without a header too.
    kernels = {"x86_64": {"kernel.elf"}, "aarch64": {"kernel.elf", "kernel.img"}}[usual.architecture()]
    written = {path.name for path in (tmp_path / "image").iterdir()}
    assert written == {"README", "bundle.bin", "program.elf", *kernels}
    text = (tmp_path / "image" / "README").read_text()
    command = text[text.index("qemu-system-") : text.index("\n\nprogram.out holds")]
    done = subprocess.run(command, shell=True, cwd=tmp_path / "image", capture_output=True, timeout=60, check=False)
    assert b"@exit status=0" in done.stdout, done.stderr
    assert b"ello" in (tmp_path / "image" / "program.out").read_bytes()


def test_the_kernel_keeps_its_size() -> None:
    result = cloudos("size").check()
    assert b"of 51,200 bytes" in result.output


def test_the_kernels_log_is_shown_on_request() -> None:
    program = ROOT / "examples" / "hello.py"
    assert "[0." in run(program, options=["--kernel-log"]).check().errors
    assert run(program).check().errors == ""
