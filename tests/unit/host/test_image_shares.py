"""What an image says of programs and of memory: their label, shares, what a machine usually has."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudos.host import wiring
from cloudos.host.errors import ToolError
from cloudos.host.system_wiring import wired
from tests.unit.host.image_files import component, image
from tests.unit.host.test_manifest import POLICY, load

LOADER = "cloudos.contracts.programs:Programs"
STARTS = '["control", "inspect", "transfer", "share"]'


def test_a_loader_is_told_the_label_of_programs_which_it_must_be_allowed_to_start(tmp_path: Path) -> None:
    component(tmp_path, "loader", offers=LOADER)
    head = 'policy = "./policy.toml"\nlabel = "service"\n'
    more = '[[allow]]\nsubject = "service"\nobject = "driver"\noperations = '
    path = image(tmp_path, "loader", head=f'{head}program_label = "driver"\n')
    (tmp_path / "policy.toml").write_text(f"{POLICY}\n{more}{STARTS}\n")
    assert [one.arguments for one in wired(load(path))] == [["label=1"]]
    (tmp_path / "policy.toml").write_text(f"{POLICY}\n{more}{STARTS.replace('inspect', 'call')}\n")
    with pytest.raises(
        ToolError, match=r"test.toml:\d+: loader \(service\) cannot start programs of the label 'driver'"
    ):
        load(path)
    # Without a label of their own they have the loader's, which may do nothing to itself here.
    with pytest.raises(ToolError, match="cannot start programs of the label 'service'"):
        load(image(tmp_path, "loader", head=head))


def test_what_a_machine_has_and_who_gets_the_rest(tmp_path: Path) -> None:
    component(tmp_path, "one", "[quota]\nshare = 3\n")
    component(tmp_path, "two")
    system = load(image(tmp_path, "one", "two", head='usual = "100M"\n', text="quota.share = 5\n"))
    assert (system.manifest.memory, system.manifest.usual) == (64 << 20, 100 << 20)
    assert [one.share for one in wired(system)] == [3, 5]
    system = load(image(tmp_path, "one", "two", text='quota.memory = "2M"\n'))
    assert (system.manifest.usual, [one.share for one in wired(system)]) == (64 << 20, [3, 0])
    system = load(image(tmp_path, "one", "two", text="quota.handles = 200\n"))
    assert [one.handles for one in wired(system)] == [0, 200]
    assert "\nhandles 200\n" in wiring.encode(wired(system))
    with pytest.raises(ToolError, match="handles"):
        load(image(tmp_path, "one", text="quota.handles = 40000\n"))
    assert wiring.decode(wiring.encode(wired(system))) == wired(system)
