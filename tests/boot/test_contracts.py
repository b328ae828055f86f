"""Contracts between processes of the machine."""

from __future__ import annotations

from pathlib import Path

from tests.boot.harness import PATIENCE, run

PROGRAMS = Path(__file__).parent / "programs"

EXPECTED = """add 1042
not found
widths 255 65535 7 -3 True
reverse 4 lleh
turn 12 1 3
measure 195 99
find True True
next 200 1
exchange True
old client, new server: 8
new client, new server: 12
new client, old server: 8
bad operation
old server after what is one way: 8
server: 100000 messages, 0 other answers
told
dropped in time True
gone
one way: 40000 messages, then 3
client: 44000 answers
"""


def test_values_versions_and_messages_that_nobody_should_send() -> None:
    result = run(PROGRAMS / "contract_fuzz.py", options=("--bare", "--timeout", f"{PATIENCE}")).check()
    assert result.output.decode() == EXPECTED


BULK = """round trip True
nothing is kept True
longer than the memory True
nothing True
huge True
no memory True
not to be written True
sum 15000
nothing is kept True
"""


def test_a_megabyte_travels_through_lent_memory() -> None:
    result = run(PROGRAMS / "contract_bulk.py", options=("--bare", "--timeout", "60")).check()
    assert result.output.decode() == BULK
