"""`--policy`: what is written in TOML is in force and sealed before the program begins; what it denies is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.boot.harness import cloudos, run, write

POLICY = """\
labels = ["system", "driver", "outcast"]

[[allow]]
subject = "system"
object = ["system", "driver"]
operations = "*"
"""

PROGRAM = """
    from typing import Literal

    from cloudos.abi import initial
    from cloudos.abi.audit import AuditRecord
    from cloudos.abi.errors import BadArgument, Denied, Sealed
    from cloudos.abi.objects import Event
    from cloudos.lang import U8, U64, Array, Ptr, UserPtr, place, struct
    from cloudos.sdk import print, system

    @struct
    class Records:
        all: Array[AuditRecord, Literal[64]]

    RECORDS = place(Records(Array[AuditRecord, Literal[64]]()))

    def give(label: U64) -> None:
        child = system.process_create(U64(initial.QUOTA), label)
        try:
            system.process_install(child, U64(initial.AUDIT), U64(0), U64(0))
            print(f"{label} given")
        except Denied:
            print(f"{label} denied")

    def main() -> None:
        give(U64(1))
        give(U64(2))
        try:
            give(U64(3))
        except BadArgument:
            print("no label 3")
        try:
            system.policy_seal(U64(initial.POLICY))
        except Sealed:
            print("sealed")
        address = UserPtr.at(U8, Ptr.to(RECORDS).address.value)
        result = system.audit_read(U64(initial.AUDIT), address, U64(64 * 48))
        for index in U64.range(result & 0xFFFF_FFFF):
            record = RECORDS.all[index]
            if record.event == Event.POLICY_LOADED:
                print(f"{record.number}: loaded, {record.detail} labels")
            if record.event == Event.POLICY_SEALED:
                print(f"{record.number}: sealed")
            if record.event == Event.PROCESS_CREATED:
                print(f"{record.number}: process of {record.object_label}")
            if record.event == Event.DENIED:
                print(f"{record.number}: {record.subject_label} to {record.object_label}: {record.detail}")
        print(f"lost {result >> 32}")
"""

EXPECTED = """\
1 given
2 denied
no label 3
sealed
0: loaded, 3 labels
1: sealed
2: process of 1
3: process of 2
4: 0 to 2: 1
lost 0
"""


def test_the_policy_is_in_force_and_its_denials_are_on_record(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    result = run(write(tmp_path, PROGRAM), options=["--bare", "--policy", policy]).check()
    assert result.output.decode() == EXPECTED


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (POLICY.replace('"driver"]\n', '"driver", "nobody"]\n'), 5, "no label 'nobody'"),
        (POLICY.replace('"*"', '"fly"'), 6, "no operation 'fly'"),
        (POLICY + "[[allow]\n", 7, "not TOML"),
    ],
)
def test_a_policy_that_is_none_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(text)
    program = write(tmp_path, "def main() -> None:\n    pass\n")
    result = run(program, options=["--policy", policy]).check(125)
    assert f"{policy}:{line}: " in result.errors and what in result.errors
    cloudos("build", "--policy", policy, program, "-o", tmp_path / "made").check(125)
    assert not (tmp_path / "made").exists()


def test_a_policy_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    program = write(tmp_path, "def main() -> None:\n    pass\n")
    assert "no such file" in run(program, options=["--policy", tmp_path / "none.toml"]).check(127).errors
