"""Refused system calls as the audit service tells them."""

from __future__ import annotations

from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.lang import U64
from cloudos.sdk import ByteBuffer
from cloudos.services.audit.refusals import write_refusal

NUMBERS = {call.name: call.number for call in SYSTEM_CALLS}


def told(call: int, error: int, handle: int) -> str:
    line = ByteBuffer()
    write_refusal(line, U64(handle << 32 | error << 8 | call))
    return bytes(int(byte) for byte in line.content()).decode()


def test_a_refused_call_names_operation_capability_and_right() -> None:
    killed = told(NUMBERS["process_kill"], 5, 17)
    assert killed == "process_kill handle 17: Denied, needs process to be PROCESS[CONTROL]"
    assert told(NUMBERS["handle_close"], 7, 9) == "handle_close handle 9: BadHandle, needs a handle"


def test_every_call_has_a_text_and_other_numbers_are_unknown() -> None:
    texts = {told(number, 8, 1) for number in range(len(SYSTEM_CALLS))}
    assert len(texts) == len(SYSTEM_CALLS) and "unknown" not in texts
    assert told(len(SYSTEM_CALLS), 7, 1) == told(0, 200, 1) == "unknown"
