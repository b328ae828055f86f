"""Audit records as text: every field is there, so that who has the lines can compute the chain anew."""

from __future__ import annotations

from cloudos.abi.objects import Event, Operation
from cloudos.lang import U64, write_text
from cloudos.sdk.collections.byte_buffer import ByteBuffer
from cloudos.services.audit.chain import Entry
from cloudos.services.audit.refusals import write_refusal

# Records of the service itself have event NONE; `object` says which.
LOST = 1  # detail: how many records the kernel had no room for
BROKEN = 2  # detail: how many entries were sound when the service started


def write_entry(line: ByteBuffer, number: U64, entry: Entry) -> None:
    """`number time event #record subject=S object=O labels=A>B detail=D(name) hash=H`, the hash in hexadecimal."""
    write_text(line, f"{number} {entry.time} ")
    write_event(line, entry)
    write_text(line, f" #{entry.number} subject={entry.subject} object={entry.object}")
    write_text(line, f" labels={entry.subject_label}>{entry.object_label} detail={entry.detail}")
    write_detail(line, entry)
    write_text(line, " hash=")
    for byte in entry.hash.slice():
        write_text(line, f"{byte:02x}")


def write_event(line: ByteBuffer, entry: Entry) -> None:
    """The name of the event, or its number."""
    event = U64(entry.event)
    if event == U64(Event.DENIED):
        write_text(line, "DENIED")
    elif event == U64(Event.POLICY_LOADED):
        write_text(line, "POLICY_LOADED")
    elif event == U64(Event.POLICY_SEALED):
        write_text(line, "POLICY_SEALED")
    elif event == U64(Event.PROCESS_CREATED):
        write_text(line, "PROCESS_CREATED")
    elif event == U64(Event.PROCESS_ENDED):
        write_text(line, "PROCESS_ENDED")
    elif event == U64(Event.PROCESS_FAULTED):
        write_text(line, "PROCESS_FAULTED")
    elif event == U64(Event.REFUSED):
        write_text(line, "REFUSED")
    elif event == 0 and entry.object == LOST:
        write_text(line, "LOST")
    elif event == 0 and entry.object == BROKEN:
        write_text(line, "BROKEN")
    else:
        write_text(line, f"EVENT_{event}")


def write_detail(line: ByteBuffer, entry: Entry) -> None:
    """What the detail is."""
    event = U64(entry.event)
    if event == U64(Event.DENIED):
        write_text(line, "(")
        write_operation(line, entry.detail)
        write_text(line, ")")
    elif event == U64(Event.REFUSED):
        write_text(line, "(")
        write_refusal(line, entry.detail)
        write_text(line, ")")
    elif event == U64(Event.POLICY_LOADED):
        write_text(line, "(labels)")
    elif event == U64(Event.PROCESS_ENDED):
        write_text(line, "(status)")
    elif event == U64(Event.PROCESS_FAULTED):
        write_text(line, "(fault)")
    elif event == 0 and (entry.object == LOST or entry.object == BROKEN):
        write_text(line, "(records)")


def write_operation(line: ByteBuffer, operation: U64) -> None:
    """The name of a class of operations."""
    if operation == U64(Operation.TRANSFER):
        write_text(line, "TRANSFER")
    elif operation == U64(Operation.CALL):
        write_text(line, "CALL")
    elif operation == U64(Operation.SIGNAL):
        write_text(line, "SIGNAL")
    elif operation == U64(Operation.SHARE):
        write_text(line, "SHARE")
    elif operation == U64(Operation.CONTROL):
        write_text(line, "CONTROL")
    elif operation == U64(Operation.INSPECT):
        write_text(line, "INSPECT")
    else:
        write_text(line, "unknown")
