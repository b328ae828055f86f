"""The example programs under CPython, as a reader would start them, against independent answers."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(
    program: str, *arguments: str | bytes, feed: bytes = b"", where: Path = ROOT
) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(ROOT / "examples" / program), *arguments]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run(command, input=feed, capture_output=True, cwd=where, env=environment, timeout=60, check=False)


def words_of(content: bytes, lines: int = 10) -> bytes:
    counts = Counter(re.findall(rb"[a-z]+", content.lower()))
    best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:lines]
    return b"".join(b"%d %s\n" % (count, word) for word, count in best)


def test_hello() -> None:
    assert run("hello.py").stdout == b"Hello, world!\n"
    assert run("hello.py", "Zo\u00eb").stdout == "Hello, Zo\u00eb!\n".encode()


TEXT = b"It was the best of times, it was the worst of times.\n" * 3
TEXT += b"@[`{ aZ\xe9z 1st A-a\x00b" + b"\xff" * 10 + b"end"


@pytest.mark.parametrize("lines", [0, 1, 3, 10, 100])
def test_wordcount_counts_as_pythons_counter(tmp_path: Path, lines: int) -> None:
    (tmp_path / "book").write_bytes(TEXT)
    for result in (
        run("wordcount.py", "-n", str(lines), "book", where=tmp_path),
        run("wordcount.py", f"-n{lines}", "-", feed=TEXT),
    ):
        assert result.stdout == words_of(TEXT, lines)
        assert (result.stderr, result.returncode) == (b"", 0)


def test_wordcount_joins_words_across_reads_and_prunes_rightly() -> None:
    content = b" ".join(b"%c%c%c" % (97 + i % 26, 97 + i // 26 % 26, 97 + i // 676) for i in reversed(range(2500)))
    content += b" " + b"x" * 70000 + b" aaa aaa zzz"
    assert run("wordcount.py", "-n", "2", feed=content).stdout == words_of(content, 2)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nowhere"], 1, "wordcount: nowhere: No such file or directory"),
        (["-n"], 2, "option requires an argument"),
        (["-n", "x"], 2, "invalid number of lines: 'x'"),
        (["-n", "-1"], 2, "invalid number of lines: '-1'"),
        (["-z"], 2, "invalid option '-z'"),
        (["a", "b"], 2, "extra operand 'b'"),
        (["--", "-z"], 1, "wordcount: -z: No such file or directory"),
    ],
)
def test_wordcount_mistakes(arguments: list[str], status: int, message: str) -> None:
    result = run("wordcount.py", *arguments)
    assert (result.returncode, result.stdout) == (status, b"")
    assert message in result.stderr.decode()


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 3000])
def test_sha256_at_the_edges_of_blocks(size: int) -> None:
    content = bytes(i * 7 % 256 for i in range(size))
    result = run("sha256sum.py", feed=content)
    assert result.stdout.decode() == f"{hashlib.sha256(content).hexdigest()}  -\n"


def test_sha256sum_prints_what_coreutils_prints(tmp_path: Path) -> None:
    names = ["plain", "with space", "back\\slash", "new\nline", "return\r", "-dash", "-"]
    for name in names[:-1]:
        (tmp_path / name).write_bytes(name.encode())
    arguments = ["plain", "missing", *names[1:5], "--", "-dash", "-", "-"]
    ours = run("sha256sum.py", *arguments, feed=b"x", where=tmp_path)
    theirs = subprocess.run(["sha256sum", *arguments], input=b"x", capture_output=True, cwd=tmp_path, check=False)
    assert ours.stdout == theirs.stdout
    assert ours.stderr == theirs.stderr
    assert ours.returncode == theirs.returncode == 1


def test_sha256sum_refuses_options() -> None:
    assert run("sha256sum.py", "-q").returncode == 1


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("-2 ** 2", "-4"),
        ("2 ** 3 ** 2", "512"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7 % -3", "-2"),
        ("--+5", "5"),
        ("2 ** 62 * 2 - 1", "!does not fit"),
        ("-(2 ** 62) * 2", "-9223372036854775808"),
        ("(-2) ** 63", "-9223372036854775808"),
        ("(-2) ** 63 // -1", "!does not fit"),
        ("(-2) ** 63 % -1", "0"),
        ("0 ** 1000000000000", "0"),
        ("3 ** 40", "!does not fit"),
        ("9223372036854775808", "!does not fit"),
        ("1 // 0", "!division by zero"),
        ("1 % 0", "!division by zero"),
        ("2 ** -1", "!negative exponent"),
        ("1 / 2", "!column 3"),
        ("1 2", "!column 3"),
        ("(1", "!column 3"),
        ("nobody", "!without a value"),
        ("(" * 99 + "1" + ")" * 99, "1"),
        ("(" * 5000 + "1", "!levels"),
    ],
)
def test_calc_answers(line: str, answer: str) -> None:
    result = run("calc.py", feed=(line + "\n40 + 2").encode())
    assert result.returncode == 0
    assert result.stdout.endswith(b"42\n")  # whatever happened, the next line is read
    if answer.startswith("!"):
        assert answer[1:] in result.stderr.decode()
        assert result.stdout == b"42\n"
    else:
        assert result.stdout.decode() == f"{answer}\n42\n"
        assert result.stderr == b""


def test_calc_variables() -> None:
    lines = b"side = 3\n\nside_2 = side ** 2\nside_2 + side\nside = side_2 = 4\nside\n"
    result = run("calc.py", feed=lines)
    assert result.stdout == b"12\n3\n"
    assert b"column" in result.stderr


PANICKING = """\
from __future__ import annotations

from cloudos.lang import U8
from cloudos.sdk import List, Text, print, run


def main(args: List[Text]) -> None:
    print(f"{U8(200) + U8(args.length + 99)}")


if __name__ == "__main__":
    run(main)
"""


def test_a_panic_has_the_status_that_it_has_in_the_machine(tmp_path: Path) -> None:
    (tmp_path / "panicking.py").write_text(PANICKING)
    found = run(str(tmp_path / "panicking.py"))
    assert found.returncode == 134
    assert b"panicking.py" in found.stderr and b"OVERFLOW" in found.stderr
    assert found.stdout == b""
