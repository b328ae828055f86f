"""The console of a machine: the third serial port under scripts, and `cloudos shell` on pipes and terminals."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import termios
import time
from pathlib import Path

import pytest

from cloudos.host import counted, image
from tests.boot.harness import LAUNCHER, ROOT, cloudos

PROGRAM = ROOT / "tests" / "boot" / "programs" / "serial_echo.py"
pytestmark = pytest.mark.one_architecture("a serial port of PCs; test_serial_console.py has another")
COMPONENT = """\
name = "echo"
description = "capitals on the console"
program = "main.py"
arguments = ["two words", "three"]

[[ports]]
name = "ports"
first = 0x3E8
length = 8

[[interrupt]]
name = "line"
line = 5

[restart]
policy = "machine"
"""
IMAGE = """\
name = "echo"
description = "one component that drives the console"
memory = "32M"

[[components]]
path = "./echo"
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of init and the echo component."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "echo").mkdir()
    (folder / "echo" / "component.toml").write_text(COMPONENT)
    (folder / "echo" / "main.py").write_text(PROGRAM.read_text())
    path = folder / "echo.toml"
    path.write_text(IMAGE)
    return path


@pytest.mark.parametrize("machine", ("microvm", "q35"))
def test_the_first_process_drives_the_third_serial_port(machine: str) -> None:
    built = image.build(PROGRAM, "x86_64")
    content = image.make_bundle(built.program, image.Inputs("echo"))
    with counted.console(built.kernel, content, machine=machine) as script:
        script.expect(rb"ready\r\n")
        text = b"The quick brown fox 0123456789 " * 20
        script.type(text)
        script.expect(text.upper())
        script.type(b"\x04")
        script.expect(rb"bye\r\n$")
        assert script.finish() == 7


def test_what_is_not_shown_is_an_error_that_shows_everything() -> None:
    built = image.build(PROGRAM, "x86_64")
    content = image.make_bundle(built.program, image.Inputs("echo"))
    with counted.console(built.kernel, content) as script:
        with pytest.raises(AssertionError, match=r"'never' was not shown; the machine is on; shown:\nb'ready"):
            script.expect(rb"never", seconds=2)
        with pytest.raises(AssertionError, match="still on"):
            script.finish(seconds=0.2)


def test_a_component_drives_the_console_of_an_image(manifest: Path) -> None:
    with counted.system_console(str(manifest)) as script:
        script.expect(rb"ready\r\necho\r\ntwo words\r\nthree\r\n$")
        script.type(b"typed\x04")
        assert script.expect(rb"(\w+)bye\r\n")[1] == b"TYPED"
        assert script.finish() == 7
        assert any("echo: started" in line for line in script.boot_log)


def test_input_that_comes_before_the_driver_is_not_lost(manifest: Path) -> None:
    found = cloudos("shell", "--image", manifest, "--timeout", "60", given=b"abc\n").check(7)
    assert found.output == b"ready\r\necho\r\ntwo words\r\nthree\r\nABC\nbye\r\n"
    assert found.errors in ("", "cloudos: compiling 2 programs\n", "cloudos: compiling main.py\n")


def test_the_boot_log_is_shown_on_request(manifest: Path) -> None:
    found = cloudos("shell", "--image", manifest, "--timeout", "60", "--kernel-log", "--machine", "q35").check(7)
    assert "echo: started" in found.errors
    assert "echo: 3 arguments" not in found.errors, "a component has no program channel"


def test_the_time_limit(manifest: Path) -> None:
    reader, writer = os.pipe()
    line = [str(LAUNCHER), "shell", "--image", str(manifest), "--timeout", "3"]
    with os.fdopen(reader), os.fdopen(writer, "w"):
        done = subprocess.run(line, stdin=reader, capture_output=True, timeout=60, check=False)
    assert done.returncode == 124, done.stderr
    assert b"did not end within 3 s" in done.stderr


def read_until(terminal: int, text: bytes, seconds: float = 60.0) -> bytes:
    """What a terminal shows until `text` is there."""
    shown, end = b"", time.monotonic() + seconds
    while text not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 4096)
    assert text in shown, shown
    return shown


@pytest.mark.parametrize(
    ("keys", "number", "status"),
    [
        (b"\x04", 0, 7),
        (b"\x1d\x1d\x1d", 0, 128 + signal.SIGTERM),
        (b"", signal.SIGTERM, 128 + signal.SIGTERM),
        (b"", signal.SIGQUIT, 128 + signal.SIGQUIT),
    ],
    ids=("power-off", "escape", "terminated", "quit"),
)
def test_a_terminal_is_raw_and_restored_on_every_way_out(manifest: Path, keys: bytes, number: int, status: int) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = subprocess.Popen(
        [LAUNCHER, "shell", "--image", str(manifest), "--timeout", "60"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    try:
        read_until(ours, b"three\r\n")
        # Ctrl-C, and no echo by the terminal itself.
        os.write(ours, b"x\x03y")
        assert read_until(ours, b"Y") == b"X\x03Y"
        assert termios.tcgetattr(theirs)[3] & (termios.ICANON | termios.ECHO | termios.ISIG) == 0
        os.write(ours, keys)
        if number:
            process.send_signal(number)
        assert process.wait(timeout=90) == status
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_lines_of_the_log_begin_at_the_left_of_a_raw_terminal(manifest: Path) -> None:
    ours, theirs = pty.openpty()
    line = [str(LAUNCHER), "shell", "--image", str(manifest), "--timeout", "60", "--kernel-log"]
    process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        shown = read_until(ours, b"three\r\n")
        assert b"echo: started\r\n" in shown
        os.write(ours, b"\x04")
        read_until(ours, b"switched off\r\n")
        assert process.wait(timeout=90) == 7
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
