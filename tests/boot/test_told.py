"""init tells the dependants of a component that it was started again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudos.host import counted, system_image

MAIN = '''\
"""Lets another component end or be started again, and waits to be told of it."""

from __future__ import annotations

from cloudos.abi.errors import TimedOut
from cloudos.abi.wiring import RESTARTED
from cloudos.contracts.supervisor import Supervisor
from cloudos.lang import U64, data
from cloudos.sdk import print, system
from cloudos.sdk.component import held

PATIENCE = 500_000_000  # nanoseconds


def wait(what: str) -> None:
    """Say which signals the bell has got, if any."""
    try:
        print(f"{what}: {system.notification_wait(held('bell'), system.clock_read() + PATIENCE) == RESTARTED}")
    except TimedOut:
        print(f"{what}: nothing")


def main() -> None:
    """The machine ends with this component."""
    init = Supervisor(held("init"))
    wait("its first start")
    init.restart(data(b"names"))
    wait("a restart")
    init.stop(data(b"names"))
    wait("a stop")
    init.start(data(b"names"))
    wait("a start")
    init.restart(data(b"pipes"))
    wait("another's")
'''
COMPONENT = """\
name = "dependant"
description = "is told, or not"
program = "main.py"

[needs.names]
contract = "cloudos.contracts.names:Names"
TOLD

# It has a bell in any case.
[needs.entropy]
contract = "cloudos.contracts.devices:Entropy"
told = true

[needs.init]
contract = "cloudos.contracts.supervisor:Supervisor"

[needs.stdout]
contract = "cloudos.contracts.streams:Stream"

[restart]
policy = "machine"
"""
IMAGE = """\
name = "told"
description = "a dependant"
memory = "32M"

[[components]]
path = "cloudos/services/names"

[[components]]
path = "cloudos/services/pipes"

[[components]]
path = "cloudos/services/entropy"

[[components]]
path = "./dependant"
needs = { stdout = "init" }
"""


@pytest.mark.parametrize("told", (True, False))
def test_a_dependant_is_told_of_each_new_start(tmp_path: Path, told: bool) -> None:
    folder = tmp_path / "dependant"
    folder.mkdir()
    (folder / "component.toml").write_text(COMPONENT.replace("TOLD", "told = true" if told else ""))
    (folder / "main.py").write_text(MAIN)
    (tmp_path / "told.toml").write_text(IMAGE)
    made = system_image.build(system_image.load(str(tmp_path / "told.toml")))
    outcome = counted.run_bundle(made.kernel, made.content, memory=32 << 20)
    assert outcome.log.status == 0, outcome.output
    new = "True" if told else "nothing"
    expected = [("its first start", "nothing"), ("a restart", new), ("a stop", "nothing"), ("a start", new)]
    assert re.findall(r"^(.+): (True|False|nothing)$", outcome.output, re.MULTILINE) == [
        *expected,
        ("another's", "nothing"),
    ]
