"""Policies written in TOML: what is written is what the kernel then permits."""

from __future__ import annotations

import pytest

from cloudos.abi.objects import Operation
from cloudos.abi.policy import MAXIMUM_LABELS, PolicyError, encode, labels
from cloudos.kernel.security.labels import MATRIX, permits
from cloudos.lang import U8, U64, data
from tests.unit.kernel.capability_machine import machine

TEXT = """
labels = ["system", "driver", "application"]

[[allow]]
subject = "system"
object = "*"
operations = "*"

[[allow]]
subject = ["driver", "application"]
object = ["system", "application"]
operations = ["call", "transfer"]

[[allow]]
subject = "application"
object = "system"
operations = ["share"]
"""


def load(policy: bytes) -> None:
    count = MATRIX.labels_of(U64(len(policy)))
    for row in range(int(count)):
        MATRIX.set_row(U64(row), data(policy[row * int(count) : (row + 1) * int(count)]))
    MATRIX.commit(count)


def test_what_is_written_is_what_the_kernel_permits() -> None:
    numbers = labels(TEXT)
    assert numbers == {"system": 0, "driver": 1, "application": 2}
    call, transfer, share = Operation.CALL, Operation.TRANSFER, Operation.SHARE
    allowed = {
        "system": {"system": set(Operation), "driver": set(Operation), "application": set(Operation)},
        "driver": {"system": {call, transfer}, "application": {call, transfer}},
        "application": {"system": {call, transfer, share}, "application": {call, transfer}},
    }
    with machine():
        load(encode(TEXT))
        for subject, s in numbers.items():
            for object, o in numbers.items():
                for operation in Operation:
                    expected = operation in allowed[subject].get(object, set())
                    assert permits(U8(s), U8(o), operation) == expected, (subject, object, operation)


def test_without_entries_everything_is_denied() -> None:
    assert encode('labels = ["a", "b"]') == bytes(4)


def test_the_largest() -> None:
    names = [f"label{n}" for n in range(MAXIMUM_LABELS)]
    assert len(encode(f"labels = {names}")) == MAXIMUM_LABELS**2


ENTRY = 'labels = ["a"]\n[[allow]]\n'
GOOD = 'subject = "a"\nobject = "a"\noperations = "call"'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("labels = [", 1, "not TOML"),
        ('labels = ["a"]\n\nallow = = 1', 3, "not TOML"),
        ("", 1, "'labels' must be a list"),
        ('\n\nlabels = "a"', 3, "'labels' must be a list"),
        ("labels = [1]", 1, "'labels' must be a list"),
        ("# none\nlabels = []", 2, "1 to 64, not 0"),
        (f"labels = {[str(n) for n in range(65)]}", 1, "1 to 64, not 65"),
        ('labels = ["a", "a"]', 1, "must differ"),
        ('labels = ["*"]', 1, "none may be"),
        ('labels = ["a"]\nlabel = 1', 2, "unknown: label;"),
        ('labels = ["a"]\n\n[other]', 3, "unknown: other;"),
        ('labels = ["a"]\nallow = 1', 2, "list of entries"),
        ('labels = ["a"]\nallow = [1]', 2, "entry 1 of 'allow': needs exactly"),
        (ENTRY + 'subject = "a"\nobject = "a"', 2, "needs exactly"),
        (ENTRY + 'subject = "b"\nobject = "a"\noperations = "call"', 3, "no label 'b'; there are: a"),
        (ENTRY + 'subject = "a"\nobject = ["*", "b"]\noperations = "call"', 4, "no label 'b'"),
        (
            ENTRY + 'subject = "a"\nobject = "a"\noperations = ["call", "fly"]',
            5,
            "no operation 'fly'; there are: transf",
        ),
        (ENTRY + 'subject = 1\nobject = "a"\noperations = "call"', 3, "neither a name nor a list"),
        (
            ENTRY + GOOD + "\n[[allow]]\n" + GOOD + "\n[[allow]]\n# c\n" + GOOD.replace('"a"', '"b"', 1),
            12,
            "entry 3 of",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, line: int, reason: str) -> None:
    with pytest.raises(PolicyError, match=reason.replace("*", r"\*")) as caught:
        encode(text)
    assert caught.value.line == line
