"""The names and the policy service in the machine: one component publishes, another one, of another label, finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.host import counted, system_image
from tests.boot.harness import ROOT

NEEDS = {"names": "names:Names", "log": "logs:Log", "policy": "policies:Policies", "stdout": "streams:Stream"}
HEAD = """\
name = "{name}"
description = "one side of a discovery"
program = "main.py"
label = "application"

[restart]
policy = "{restart}"
"""
IMAGE = """\
name = "discovery"
description = "a component finds what another one has published"
memory = "32M"
policy = "./policy.toml"
label = "system"

[[components]]
path = "cloudos/services/log"

[[components]]
path = "cloudos/services/names"

[[components]]
path = "cloudos/services/policy"

[[components]]
path = "./finder"
needs = { stdout = "init" }

[[components]]
path = "./publisher"
"""
POLICY = """\
labels = ["system", "application"]
[[allow]]
subject = "system"
object = "*"
operations = "*"
[[allow]]
subject = "application"
object = "system"
operations = ["call", "transfer"]
"""
EXPECTED = """\
found contract 6
publisher wrote it
names: records 6 {publisher}|
withdraw: denied
publish: exists
publish: this is no service
16 names of its own
refused: 9, many were found
labels: 0 system|1 application|
0 to 0: 63
0 to 1: 63
1 to 0: 3
1 to 1: 0
"""


def component(folder: Path, name: str, restart: str, *needs: str) -> None:
    """Write a component that is one of the programs of these tests."""
    (folder / name).mkdir()
    wanted = "".join(f'\n[needs.{need}]\ncontract = "cloudos.contracts.{NEEDS[need]}"\n' for need in needs)
    (folder / name / "component.toml").write_text(HEAD.format(name=name, restart=restart) + wanted)
    program = ROOT / "tests" / "boot" / "programs" / f"names_{name}.py"
    (folder / name / "main.py").write_text(program.read_text())


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image: the finder starts first and has to wait for the publisher."""
    folder = tmp_path_factory.mktemp("image")
    component(folder, "publisher", "never", "names", "log")
    component(folder, "finder", "machine", "names", "policy", "stdout")
    (folder / "policy.toml").write_text(POLICY)
    path = folder / "discovery.toml"
    path.write_text(IMAGE)
    return path


def test_what_one_component_publishes_another_finds(manifest: Path) -> None:
    system = system_image.load(str(manifest))
    made = system_image.build(system)
    outcome = counted.run_bundle(made.kernel, made.content, memory=64 << 20, seconds=60)
    publisher = 2 + [one.component.name for one in system.placed].index("publisher")
    shown = "".join(line for line in outcome.output.splitlines(keepends=True) if not line.startswith("["))
    assert shown == EXPECTED.format(publisher=publisher), (outcome.output, outcome.errors, outcome.log.lines)
    assert outcome.log.status == 0
