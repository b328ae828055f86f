"""The policy service through its contract, over boot bundles with and without a policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudos.abi import policy
from cloudos.abi.errors import NotFound
from cloudos.abi.objects import ALL_OPERATIONS, Operation
from cloudos.contracts.policies import Policies
from cloudos.host.bundle import Entry, Kind, encode
from cloudos.lang import U8, U64, Array
from cloudos.sdk import List, Text, local_calls, models
from cloudos.sdk.errors import BadBundle
from cloudos.sdk.local_system import LocalModel, MemoryObject
from cloudos.services.policy.main import image_bundle, labels_of, new_policy, serve

SERVICE, IMAGE = 1, 2
TEXT = """
labels = ["system", "driver", "application"]
[[allow]]
subject = "system"
object = "*"
operations = "*"
[[allow]]
subject = ["driver", "application"]
object = "system"
operations = ["call", "transfer"]
"""


def start(matrix: bytes, *arguments: str) -> Policies:
    """The service over a boot bundle with this matrix, or without one."""
    local_calls.reset()
    model = LocalModel()
    models.install(model)
    entries = [Entry(Kind.FILE, b"/etc/motd", b"hello"), *([Entry(Kind.POLICY, b"", matrix)] if matrix else [])]
    content = encode(entries)
    model.memories[IMAGE] = MemoryObject(bytearray(content + bytes(-len(content) % 4096)))
    given = List[Text]()
    for argument in ("policy", *arguments):
        given.append(Text(argument))
    server = new_policy(given, image_bundle(U64(IMAGE)))
    local_calls.install(SERVICE, serve.__dispatch__, 0, server)  # type: ignore[attr-defined]
    return Policies(U64(SERVICE))


def labels(service: Policies, position: int = 0, room: int = 200) -> bytes:
    into = Array[U8, Literal[200]]()
    return bytes(int(byte) for byte in into.slice()[0 : service.labels(U64(position), into.slice()[0:room])])


@pytest.fixture(autouse=True)
def after() -> Iterator[None]:
    yield
    local_calls.reset()
    models.install(models.SystemModel())


def test_a_policy_is_told_as_it_was_written() -> None:
    service = start(policy.encode(TEXT), "label=0:system", "label=2:some : name", "label=x:y", "label=1", "other=1:z")
    assert labels(service) == b"0 system\x001\x002 some : name\0"
    assert labels(service, 1, 15) == b"1\0"
    assert labels(service, 3) == labels(service, 2**64 - 1) == b""
    some = int(Operation.CALL | Operation.TRANSFER)
    found = [[int(service.allowed(U64(subject), U64(object))) for object in range(3)] for subject in range(3)]
    assert found == [[ALL_OPERATIONS] * 3, [some, 0, 0], [some, 0, 0]]
    for subject, object in ((3, 0), (0, 3), (2**64 - 1, 2), (2, 2**64 - 1)):
        with pytest.raises(NotFound):
            service.allowed(U64(subject), U64(object))


def test_without_a_policy_everything_is_allowed() -> None:
    service = start(b"", "label=0:system")
    assert labels(service) == b""
    assert service.allowed(U64(0), U64(63)) == ALL_OPERATIONS


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 64).flatmap(lambda count: st.binary(min_size=count * count, max_size=count * count)))
def test_any_matrix(matrix: bytes) -> None:
    service = start(matrix)
    count = int(len(matrix) ** 0.5)
    for place in range(0, len(matrix), 7):
        assert service.allowed(U64(place // count), U64(place % count)) == matrix[place]


def test_what_is_no_matrix_or_no_bundle_is_refused() -> None:
    for length in (2, 3, 5, 4095):
        with pytest.raises(BadBundle):
            labels_of(U64(length))
    with pytest.raises(BadBundle):
        start(b"\0" * 5)
    with pytest.raises(BadBundle):
        image_bundle(U64(99))
