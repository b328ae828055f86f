"""The examples, given real input, print what Python and coreutils say."""

from __future__ import annotations

import collections
import hashlib
import random
import re
from pathlib import Path

import pytest

from cloudos.host import usual
from cloudos.host.machine import MACHINES
from tests.boot.harness import ROOT, run

EXAMPLES = ROOT / "examples"


def most_frequent(text: bytes, count: int = 10) -> bytes:
    """What wordcount has to print."""
    words = collections.Counter(re.findall(rb"[a-z]+", text.lower()))
    ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:count]
    return b"".join(b"%d %s\n" % (times, word) for word, times in ranked)


def prose(size: int) -> bytes:
    """Words of uneven frequency, in upper and lower case, with all kinds of bytes between them."""
    source = random.Random(size)
    words = [bytes(source.choices(b"abcdefghij", k=source.randint(1, 5))) for _ in range(3000)]
    words += [word.upper() for word in words[:500]]
    separators = [b" ", b"\n", b"\0", b"\xff", b"3", b"'", b"\xc3\xa9", b"\r\n", b"_"]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    text = b"".join(word + source.choice(separators) for word in source.choices(words, weights, k=size // 4 + 1))
    return text[:size]


def test_hello() -> None:
    assert b"ello" in run(EXAMPLES / "hello.py").check().output


@pytest.mark.parametrize("size", [0, 1, 4096, 1_000_000])
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_wordcount(tmp_path: Path, size: int, source: str) -> None:
    text = prose(size)
    (tmp_path / "book.txt").write_bytes(text)
    if source == "file":
        options = ["--file", f"{tmp_path}/book.txt:/data/book.txt"]
        result = run(EXAMPLES / "wordcount.py", "/data/book.txt", options=options)
    else:
        result = run(EXAMPLES / "wordcount.py", given=text)
    assert result.check().output == most_frequent(text)


def test_wordcount_takes_its_own_options() -> None:
    text = prose(50_000)
    assert run(EXAMPLES / "wordcount.py", "-n", "3", given=text).check().output == most_frequent(text, 3)
    assert run(EXAMPLES / "wordcount.py", "-n", "100000", given=text).check().output == most_frequent(text, 100_000)


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 1_000_003])
def test_sha256sum(tmp_path: Path, size: int) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "data.bin").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest().encode()
    program = EXAMPLES / "sha256sum.py"
    assert run(program, given=data).check().output == digest + b"  -\n"
    result = run(program, "data.bin", options=["--file", "data.bin"], cwd=tmp_path)
    assert result.check().output == digest + b"  data.bin\n"


def test_both_machines_run_programs() -> None:
    text = prose(2000)
    for machine in MACHINES[usual.architecture()]:
        result = run(EXAMPLES / "wordcount.py", given=text, options=["--machine", machine])
        assert result.check().output == most_frequent(text), machine


LARGE = 32 << 20


def test_thirty_two_megabytes_of_text_from_standard_input() -> None:
    text = prose(LARGE)
    assert run(EXAMPLES / "wordcount.py", given=text).check().output == most_frequent(text)


def test_thirty_two_megabytes_of_bytes_from_a_file(tmp_path: Path) -> None:
    data = random.Random(32).randbytes(LARGE)
    (tmp_path / "data.bin").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest().encode()
    options = ["--file", f"{tmp_path}/data.bin:/data.bin"]
    assert run(EXAMPLES / "sha256sum.py", "/data.bin", options=options).check().output == digest + b"  /data.bin\n"
