"""The tests' own test: bugs planted in the kernel must be found by the stateful machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from cloudos.abi.errors import BadHandle
from tests.sim.inventory import Inventory
from tests.sim.test_capability_machine import CapabilityMachine
from tests.sim.test_message_machine import MessageMachine
from tests.sim.world import kernel_module

CAPABILITIES = kernel_module("security.capabilities")
CLEANUP = kernel_module("objects.cleanup")
SCHEDULER = kernel_module("sched.scheduler")
ENOUGH = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    phases=(Phase.generate,),
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@dataclass(frozen=True)
class Bug:
    """Replaces `module.name` by what `plant` makes of it; `machine` must notice, without looking at structures too."""

    machine: type[RuleBasedStateMachine]
    module: Any
    name: str
    plant: Callable[[Any], Any]
