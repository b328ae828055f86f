"""Log, audit and entropy service in the machine."""

from __future__ import annotations

from pathlib import Path

from tests.boot.harness import run

PROGRAMS = Path(__file__).parent / "programs"

EXPECTED = """log: 1 3 shell hello
log: 2 7 #30 there
log: refused True
audit: True True
audit: 1 PROCESS_CREATED #0
audit: True True
audit: True 1
entropy: True
entropy: True
"""


def test_log_audit_and_entropy() -> None:
    result = run(PROGRAMS / "record_services.py", options=("--bare", "--timeout", "100")).check()
    assert result.output.decode() == EXPECTED
