"""The utilities in the machine, over its file service, beside the host's: the table of tests/unit/apps."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

from tests.boot.harness import ROOT, run
from tests.unit.apps.commands import COMMANDS, FILES
from tests.unit.apps.test_commands import fill, in_order
from tests.unit.apps.toolbox import run_host

PROGRAM = ROOT / "tests" / "boot" / "programs" / "toolbox.py"
APART = {"sleep", "env", "uname", "pwd", "yes", "xargs"}
"""They do not read or change files, or start others, for which there is no loader here."""


def in_the_machine(name: str, line: str) -> bool:
    """Whether a row means the same there: no input is fed, no clock is there, and sizes of directories differ."""
    words = shlex.split(line)
    fed = any(word.startswith("<") or word == "-" for word in words) or (name == "tee")
    timed = name == "touch" or "-mtime" in words or "-newer" in words or "-nt" in words or "-ot" in words
    long = name == "ls" and any(word.startswith("-") and set("ltS") & set(word) for word in words)
    clock = name == "date" and "-d" not in words
    reads = name in ("cat", "wc", "head", "tail", "sort", "cut", "uniq", "grep", "hexdump", "sha256sum", "tr", "cmp")
    no_file = reads and not any(word in FILES or word.startswith(("missing", "dir")) for word in words)
    starts = name == "find" and ("-exec" in words or "-ok" in words)
    lines = "\n" in line  # the program gets a command on each line
    sized = (name == "find" and "-size" in words) or "-links" in words
    return not (name in APART or fed or timed or long or clock or no_file or sized or starts or lines)


def tree_lines(directory: Path) -> bytes:
    """What the program says of the working directory."""
    lines = []

    def show(path: Path) -> None:
        mode = path.stat().st_mode & 0o777
        digest = "-" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"/work/{path.relative_to(directory)} {mode:o} {digest}\n")
        for inner in sorted(path.iterdir(), key=lambda one: one.name.encode()) if path.is_dir() else []:
            show(inner)

    for path in sorted(directory.iterdir(), key=lambda one: one.name.encode()):
        show(path)
    return "".join(lines).encode()


def test_utilities_in_the_machine_do_what_the_hosts_do(tmp_path: Path) -> None:
    rows = [(name, line) for name, lines in COMMANDS.items() for line in lines if in_the_machine(name, line)]
    assert len(rows) > 450
    options: list[str | Path] = ["--bare", "--timeout", "120"]
    (tmp_path / "commands").write_text("".join("\t".join([name, *shlex.split(line)]) + "\n" for name, line in rows))
    options += ["--file", f"{tmp_path}/commands:commands"]
    for path, content in FILES.items():
        (tmp_path / path.replace("/", "_")).write_bytes(content)
        options += ["--file", f"{tmp_path}/{path.replace('/', '_')}:work/{path}"]
    parts = run(PROGRAM, options=options).check().output.split(b"\x02\n")
    wrong = []
    for number, (name, line) in enumerate(rows):
        directory = tmp_path / str(number)
        directory.mkdir()
        fill(directory)
        theirs = run_host([name, *shlex.split(line)], directory)
        output, _, after = parts[number].rpartition(b"\x01 ") if number < len(parts) else (b"", b"", b"nothing")
        expected = in_order(name, line, theirs.output), b"%d\n" % theirs.status + tree_lines(directory)
        if (in_order(name, line, output), after) != expected:
            wrong.append((name, line, output, after, *expected))
    assert wrong == []


def test_files_of_an_image_may_be_larger_than_the_pages_that_the_kernel_maps(tmp_path: Path) -> None:
    content = bytes(range(251)) * 24_000  # 6 MB: several pages of 2 MB hold nothing else
    (tmp_path / "large").write_bytes(content)
    program = ROOT / "cloudos" / "apps" / "toolbox" / "__main__.py"
    options: list[str | Path] = ["--timeout", "60", "--file", f"{tmp_path}/large:large"]
    result = run(program, "sha256sum", "large", options=options).check()
    assert result.output.decode() == f"{hashlib.sha256(content).hexdigest()}  large\n"
