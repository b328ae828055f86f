"""The compiled shell does what it does under CPython: builtins as in dash, programs in the system image."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from cloudos.host import usual
from cloudos.host.image import program_file
from tests.boot.harness import LAUNCHER, ROOT, run
from tests.unit.apps.shell.scripts import CONTROL, STREAMS, WORDS

SHELL = ROOT / "cloudos" / "apps" / "shell" / "main.py"
# There are no programs, so no pipelines; `exit` outside of parentheses would end all scripts at once.
OUTSIDE = re.compile(
    r"\b(sed|touch|ls|cat|sh|env|grep|mkdir|wc|seq|sort|tr|yes|head|tail|sleep|rev|nosuch|nonexistent|chmod)\b"
    r"|/dev/|>[a-zA-Z]|>[^&(]|cd |<f|\$- |exit 7|(?<!\|)\|(?!\|)|(?<![&<>])&(?![&0-9-])"
)


def builtin_scripts() -> list[str]:
    """Scripts of the table that need the shell alone, each in a subshell that tells its status."""
    scripts = [script for group in (WORDS, CONTROL, STREAMS) for script in group.strip("\n").split("\n%%\n")]
    return [f'(\n{script}\n); echo "== $?"\n' for script in scripts if not OUTSIDE.search(script)]


@pytest.mark.skipif(shutil.which("dash") is None, reason="dash is not installed")
def test_compiled_as_dash() -> None:
    scripts = builtin_scripts()
    assert len(scripts) > 100
    text = "".join(scripts)
    expected = subprocess.run(["dash", "-c", text], env={"HOME": "/"}, capture_output=True, check=True).stdout
    run(SHELL, "-c", "exit 0", options=("--timeout", "60")).check(0)
    # Subshells are processes, which the shell starts by its path.
    itself = f"{program_file(SHELL, usual.architecture())}:/bin/sh"
    found = run(SHELL, "-c", text, options=("--timeout", "60", "-e", "HOME=/", "--file", itself)).check(0)
    assert found.output.decode() == expected.decode()


def type_lines(lines: tuple[str, ...]) -> tuple[int, str]:
    """Boot the system and type lines once the shell has shown its first prompt; exit status and what was shown."""
    command = [str(LAUNCHER), "shell", "--timeout", "60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        shown = b""
        while b"$ " not in shown:
            more = os.read(process.stdout.fileno(), 4096)
            assert more, shown
            shown += more
        process.stdin.write("".join(f"{line}\r" for line in lines).encode())
        process.stdin.close()
        shown += process.stdout.read()
    return process.returncode, shown.decode().replace("\r", "")


def test_programs_in_the_system() -> None:
    script = (
        'x=$(ls /bin | grep -c "^sh$"); echo "<$x>"',
        'seq 3 | while read n; do echo "n=$n"; done | sort -r | tr "\\n" ,; echo',
        "cd /tmp; echo content >f; cat <f >g; cat g; ls",
        'echo "echo script \\$1; exit 4" >s; chmod +x s; ./s a; echo "<$?>"; ./s b | cat',
        "nosuch; sh -c 'exit 9'; echo \"<$?>\"",
        'sleep 0.2 & wait $!; echo "waited $?"; y=$(seq 3000); echo ${#y}; echo "$y" | wc -l',
        "exit 3",
    )
    status, output = type_lines(script)
    assert status == 3, output
    for wanted in ("\n<1>\n", "\nn=3,n=2,n=1,\n", "\ncontent\nf  g\n", "\nscript a\n<4>\nscript b\n"):
        assert wanted in output, output
    for wanted in ("not found", "\n<9>\n", "\nwaited 0\n13892\n3000\n"):
        assert wanted in output, output
