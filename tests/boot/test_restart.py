"""`reboot`: the machine is reset, and the system boots again, in the same session."""

from __future__ import annotations

import pytest

from cloudos.host import counted
from tests.boot.person import PROMPT as PROMPT_TEXT
from tests.boot.person import Person

PROMPT = rb"cloudos:/\$ \x1b\[J"
MACHINES = [("x86_64", "microvm"), ("x86_64", "q35"), ("aarch64", "virt")]


@pytest.mark.parametrize(("architecture", "machine"), MACHINES, ids=[machine for _, machine in MACHINES])
def test_the_machine_boots_again(architecture: str, machine: str) -> None:
    with counted.system_console("system", machine=machine, architecture=architecture) as script:
        script.expect(PROMPT)
        process = script.machine.process.pid
        for number in (1, 2):
            script.type(b"echo kept > /tmp/file; ls /tmp; export WORD=here\r")
            script.expect(rb"\r\nfile\r\n.*" + PROMPT)
            script.type(b"reboot\r")
            script.expect(PROMPT)
            assert script.log.restarts == number
            # Nothing of the system is left but what is in its image.
            script.type(b"ls /tmp; echo [$WORD]; services | grep -c running; uptime\r")
            assert script.expect(rb"\r\n\[\]\r\n(\d+)\r\n(.*?)\r\n" + rb".*?" + PROMPT)[1] == b"12"
        assert script.machine.process.pid == process
        assert sum("shell: started" in line for line in script.boot_log) >= 2, script.account()
        script.type(b"exit 5\r")
        assert script.finish() == 5
        assert script.log.off


def test_a_person_restarts_the_machine() -> None:
    """The tool, its terminal and its exit status."""
    person = Person()
    try:
        person.see(PROMPT_TEXT)
        person.run("touch /tmp/file; ls /tmp", "file")
        person.type(b"reboot\r")
        person.see(f"{PROMPT_TEXT} reboot", PROMPT_TEXT)
        person.run("ls /tmp | wc -l", "0")
        person.type(b"exit 6\r")
        assert person.ended() == 6
    finally:
        person.close()
