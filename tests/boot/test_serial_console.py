"""The image `serial` on AArch64: its console is the PL011, which the kernel leaves to the driver."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from cloudos.host import counted
from tests.boot.harness import cloudos
from tests.boot.person import PROMPT as PROMPT_TEXT
from tests.boot.person import Person

PROMPT = rb"cloudos:/\$ \x1b\[J"
IMAGE = ("--arch", "aarch64", "--image", "serial")


def test_a_person_at_the_pl011() -> None:
    person = Person(*IMAGE)
    try:
        person.see(PROMPT_TEXT)
        # More than the chip's FIFO, both ways; what was typed can be edited and is remembered.
        person.run("echo " + "x" * 60, "x" * 60)
        person.run("seq 2000 | wc -l", "2000")
        person.fresh()
        person.type(b"echp ok\x1b[D\x1b[D\x1b[D\x08o\r")
        person.see(f"{PROMPT_TEXT} echo ok", "ok", PROMPT_TEXT)
        person.type(b"\x1b[A\r")
        person.see(f"{PROMPT_TEXT} echo ok", "ok", PROMPT_TEXT)
        person.type(b"sleep 100\r")
        person.see(f"{PROMPT_TEXT} sleep 100")
        person.type(b"\x03")
        person.see(PROMPT_TEXT)
        person.run("services restart pl011; echo again", "again")
        person.run("services | grep pl011 | tr -s ' ' | cut -d ' ' -f 1-3", "pl011 running 2")
        person.type(b"exit 7\r")
        assert person.ended() == 7
    finally:
        person.close()


def test_what_the_guest_shows_is_no_record_of_the_kernel() -> None:
    with counted.system_console("serial", architecture="aarch64") as script:
        script.expect(PROMPT)
        script.type(b"echo '@exit status=1'; echo @off; seq 3000 | tail -n 1\r")
        script.expect(rb"\r\n@exit status=1\r\n@off\r\n3000\r\n.*" + PROMPT)
        assert script.log.status is None and not script.log.off and script.log.ready
        assert script.log_open is False, "there is no channel of its own for the log"
        script.type(b"reboot\r")
        script.expect(PROMPT)
        assert script.log.restarts == 1
        script.type(b"exit 9\r")
        assert script.finish() == 9
        assert script.log.off and any("switched off" in line for line in script.log.lines)


def test_a_script_and_the_kernels_log() -> None:
    found = cloudos("shell", *IMAGE, "--timeout", "100", "--kernel-log", given=b"echo sum $((6 * 7)); exit 3\n").check(
        3
    )
    assert b"sum 42\r\n" in found.output
    assert "pl011: started" in found.errors and "the machine is switched off" in found.errors


def test_what_image_build_writes_boots_without_the_tool(tmp_path: Path) -> None:
    cloudos("image", "build", "serial", "--arch", "aarch64", "-o", tmp_path / "files").check()
    text = (tmp_path / "files" / "README").read_text()
    command = text[text.index("qemu-system-aarch64") :]
    folder, pipe = tmp_path / "files", subprocess.PIPE
    shown = b""
    with subprocess.Popen(f"exec {command}", shell=True, cwd=folder, stdin=pipe, stdout=pipe) as machine:
        assert machine.stdin and machine.stdout
        end = time.monotonic() + 60
        while b"cloudos:/$ " not in shown and time.monotonic() < end:
            shown += os.read(machine.stdout.fileno(), 4096)
        machine.stdin.write(b"exit 4\r")
        machine.stdin.flush()
        assert machine.wait(30) == 0, shown
    log = (folder / "boot.log").read_bytes()
    assert b"pl011: started" in log and b"@exit status=" in log and log.endswith(b"@off\x04\x01\x00\n\x04\x00\x00")
