"""Capabilities: what each operation promises, one test each."""

from __future__ import annotations

import pytest

from cloudos.abi.errors import BadHandle, Denied
from cloudos.abi.objects import ALL_RIGHTS, Kind, Rights
from cloudos.kernel.objects import cleanup
from cloudos.kernel.objects.header import Capability
from cloudos.kernel.security import capabilities
from cloudos.lang import U64, size_of
from tests.unit.kernel.capability_machine import machine

ZERO = U64(0)


def test_a_capability_takes_64_bytes() -> None:
    assert size_of(Capability) == 64


def test_derived() -> None:
    with machine() as kernel:
        a, b = kernel.table(), kernel.table()
        thing = kernel.thing()
        handle = capabilities.insert_root(a, thing, ALL_RIGHTS, ZERO)
        cleanup.drop(thing)
        source = capabilities.lookup(a, handle, Kind.NOTIFICATION, Rights.READ)
        child = capabilities.derive(source, b, Rights.READ, U64(7))
        found = capabilities.lookup(b, child, Kind.NOTIFICATION, Rights.READ)
        assert found.value.badge == 7
        with pytest.raises(Denied):
            capabilities.lookup(b, child, Kind.NOTIFICATION, Rights.WRITE)
        while not capabilities.revoke_step(source):
            pass
        with pytest.raises(BadHandle):
            capabilities.find(b, child)
