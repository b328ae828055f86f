"""The image `system` from the first instruction to the prompt, and with all services in 8 MB on each architecture."""

from __future__ import annotations

import re

import pytest

from cloudos.host import counted, system_image
from cloudos.host.console_session import Script
from tests.boot.harness import CLOCK_DRIVER, LINE_DRIVER, cloudos
from tests.boot.person import PROMPT as PROMPT_TEXT
from tests.boot.person import Person

PROMPT = rb"cloudos:/\$ \x1b\[J"
MEGABYTE = 1 << 20
TO_PROMPT = 20_000_000
"""Instructions; the machine's clock counts one as a nanosecond."""
ARCHITECTURES = ("x86_64", "aarch64")
DRIVERS = {"x86_64": {"serial16550", "rtc"}, "aarch64": {"virtio_console", "pl031"}}
SERVICES = {"log", "entropy", "audit", "policy", "names", "files", "pipes", "loader", "console", "shell"}


def command(script: Script, line: bytes) -> str:
    """Type a command at the prompt; what it shows until the prompt is back, in plain lines."""
    script.type(line + b"\r")
    shown = script.expect(rb"\r\n(.*?)\r" + PROMPT)[1]
    return str(shown.decode().replace("\r\n", "\n"))


@pytest.mark.one_processor("instructions are counted")
def test_from_the_first_instruction_to_the_prompt() -> None:
    made = system_image.build(system_image.load("system"))
    with counted.console(made.kernel, made.content, memory=64 * MEGABYTE) as script:
        script.expect(PROMPT)
        # The clock begins with the processor, and does not pass while the machine has something to do but by
        # instructions: the console told when the prompt was with the driver of the line.
        found = re.search(r"\[ *(\d+)\.(\d{6})\] notice \S+: the first prompt", command(script, b"log"))
        assert found, script.account()
        instructions = (int(found[1]) * 1_000_000 + int(found[2])) * 1000
        assert 500_000 < instructions <= TO_PROMPT
        script.type(b"exit 3\r")
        assert script.finish() == 3


def states(listing: str) -> dict[str, tuple[str, str]]:
    """State and number of starts of each component, from what `services` shows."""
    rows = [line.split() for line in listing.splitlines() if not line.startswith("NAME")]
    return {row[0]: (row[1], row[2]) for row in rows if len(row) > 3}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_services_and_pipelines_in_8_megabytes(architecture: str) -> None:
    made = system_image.build(system_image.load("system", architecture), architecture)
    components = SERVICES | DRIVERS[architecture]
    assert made.system.manifest.memory == 8 * MEGABYTE
    assert {one.component.name for one in made.system.placed} == components
    with counted.console(made.kernel, made.content, memory=8 * MEGABYTE) as script:
        script.expect(PROMPT)
        programs = sum(1 for path in made.files if path.startswith("/bin/"))
        assert command(script, b"ls /bin | sort | wc -l") == f"{programs}\n"
        assert command(script, b"cat /usr/share/man/*.md | grep '^## NAME' | wc -l") == f"{programs}\n"
        assert command(script, b"echo kept > /tmp/file; cat /tmp/file | tr a-z A-Z") == "KEPT\n"
        assert command(script, b"seq 3000 | sort -rn | head -n 1") == "3000\n"
        assert command(script, b"seq 5000 > /tmp/numbers; sort -n /tmp/numbers | tail -n 1") == "5000\n"
        assert "12 of 12 components running" in command(script, b"top -n 1")
        assert "list files" in command(script, b"help ls")
        assert command(script, b"sh -c 'echo $((6 * 7))'") == "42\n"
        # Programs that need more than there is end, and not the machine.
        command(script, b"seq 200000 | sort | wc -l")
        assert command(script, b"ls /bin | sort | wc -l") == f"{programs}\n"
        assert states(command(script, b"services")) == {name: ("running", "1") for name in components}
        script.type(b"exit 0\r")
        assert script.finish() == 0


def test_the_console_goes_on_with_a_new_driver() -> None:
    """Twice; whether by being told or because a call failed. `test_console_sessions.py` tries being told alone."""
    with counted.system_console("system") as script:
        script.expect(PROMPT)
        for starts in ("2", "3"):
            script.type(f"services restart {LINE_DRIVER}\r".encode())
            script.expect(PROMPT)
            assert states(command(script, b"services"))[LINE_DRIVER] == ("running", starts)
        script.type(b"exit 4\r")
        assert script.finish() == 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shell_in_8_megabytes_and_not_in_less(architecture: str) -> None:
    person = Person("--arch", architecture, "--memory", "8M")
    try:
        person.see(PROMPT_TEXT)
        person.run("seq 3 | sort -r | head -n 1", "3")
        person.type(b"exit 5\r")
        assert person.ended() == 5
    finally:
        person.close()
    found = cloudos("shell", "--arch", architecture, "--memory", "7M", "--timeout", "60").check(125)
    assert "needs 8 MB" in found.errors


def limits(script: Script) -> dict[str, int]:
    """Kilobytes of each component's quota, from what `services` shows."""
    rows = [line.split() for line in command(script, b"services").splitlines()[1:] if line]
    units = {"K": 1, "M": 1024}
    return {row[0]: int(float(row[4][:-1]) * units[row[4][-1]]) for row in rows}


def test_what_a_machine_has_beyond_the_quotas_is_shared_out() -> None:
    made = system_image.build(system_image.load("system"))
    own = {one.component.name: one.component for one in made.system.placed}
    shares = sum(one.share for one in own.values())
    with counted.console(made.kernel, made.content, memory=24 * MEGABYTE) as script:
        script.expect(PROMPT)
        found = limits(script)
    assert found[CLOCK_DRIVER] == own[CLOCK_DRIVER].memory >> 10
    # All that is there but a 64th and what init keeps for itself: 16 MB more, and what 8 MB are more than enough.
    given = {name: found[name] - (one.memory >> 10) for name, one in own.items()}
    assert 15 << 10 < sum(given.values()) <= 17 << 10
    for name, one in own.items():
        wanted = sum(given.values()) * one.share / shares
        assert wanted * 0.9 - 64 <= given[name] <= wanted * 1.1 + 64, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_manifest_says_how_much_is_enough(architecture: str) -> None:
    made = system_image.build(system_image.load("system", architecture), architecture)
    quotas = sum(one.component.memory + one.component.state for one in made.system.manifest.placed)
    assert quotas + len(made.content) + system_image.OWN_MEMORY[architecture] <= 8 * MEGABYTE
