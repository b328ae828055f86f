"""The tests' own test: a bug that is planted behind each boundary crashes on inputs that are kept for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cloudos.apps.regex import Regex
from cloudos.apps.shell.carry_tree import Packer
from cloudos.apps.toolbox.printf import Printer
from cloudos.compiler.check.checker import Checker
from cloudos.drivers.virtio_console import port
from cloudos.host import bundle as host_bundle
from cloudos.host.manifest_values import Table
from cloudos.kernel.hal.aarch64 import device_tree
from cloudos.kernel.hal.shared import virtio
from cloudos.kernel.hal.x86_64 import nodes
from cloudos.lang import U8, U64
from cloudos.sdk import executable, transport
from cloudos.services.audit.chain import Chain
from cloudos.services.console.window import Window
from cloudos.services.init import main as init_main
from cloudos.services.init import wiring
from tests.fuzz.registry import TARGETS
from tests.fuzz.target import TooLong, replay
from tests.sim.world import kernel_module

PATIENCE = 10
Function = Callable[..., Any]


def nothing(*_: Any) -> None:
    """What should have been done is not."""


@dataclass(frozen=True)
class Bug:
    """What of which module or class is replaced, and by what."""

    target: str
    what: str
    where: Any
    name: str
    instead: Any


def key_error(*_: Any, **__: Any) -> Any:
    """An exception that is no refusal."""
    raise KeyError("planted")


def any_node(boot: Any, node: U64) -> U64:
    """As many nodes as the firmware likes."""
    boot.last_node = max(boot.last_node, node)
    return node


BUGS = [
    Bug("system_calls", "a reference that is never given up", kernel_module("objects.cleanup"), "drop", nothing),
    Bug("contract_servers", "handles of refused messages are kept", transport, "drop_handles", nothing),
    Bug("contract_clients", "handles of wrong answers are kept", transport, "drop_handles", nothing),
    Bug("elf", "segments are not checked", executable, "_check", nothing),
    Bug("bundle", "entries are not checked", host_bundle, "alignment", lambda kind, length: 0),
    Bug("wiring", "a policy that there is not", wiring, "policy_of", key_error),
    Bug("supervisor", "who waits for a restart is forgotten", init_main, "answer_asker", nothing),
    Bug("manifests", "text where a table stands", Table, "only", key_error),
    Bug("compiler_text", "a refusal that is none", Checker, "refuse", key_error),
    Bug("compiler_programs", "a refusal that is none", Checker, "refuse", key_error),
    Bug("shell", "a flag that is not packed", Packer, "flag", lambda self, value: self.out.append(U8(1))),
    Bug("patterns", "the quick way to match finds nothing", Regex, "matches", lambda self, line: False),
    Bug("utilities", "reading behind the end of a format", Printer, "peek", lambda self: self.format[self.at]),
    Bug("drivers", "the device's word for which buffer it was", port, "BUFFERS", 1 << 31),
    Bug("machine_tables", "a tree without an end", device_tree, "_left", lambda address: U64(1 << 32)),
    Bug("acpi", "nodes that there are not", nodes, "_node", any_node),
    Bug("channel", "the device's word for how much came", virtio, "BUFFER_SIZE", 1 << 20),
    Bug("records", "any anchor is believed", Chain, "is_anchor", lambda self, anchor: True),
    Bug("console_editor", "keys before the answer are lost", Window, "release", lambda self, queue: self.held.clear()),
]


@pytest.mark.parametrize("bug", BUGS, ids=[bug.target for bug in BUGS])
def test_a_planted_bug_is_found_by_the_inputs_that_are_kept(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    target = TARGETS[bug.target]
    target.load()
    monkeypatch.setattr(bug.where, bug.name, bug.instead)
    with pytest.raises((BaseException,)) as caught:
        for path in target.inputs:
            replay(target, path.read_bytes(), PATIENCE)
    assert not isinstance(caught.value, (KeyboardInterrupt, SystemExit, TooLong))


def test_every_target_has_a_planted_bug() -> None:
    assert {bug.target for bug in BUGS} == set(TARGETS)
