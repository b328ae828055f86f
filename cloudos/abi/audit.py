"""The layout of an audit record, as `audit_read` delivers it."""

from __future__ import annotations

from typing import Literal

from cloudos.abi.objects import Event
from cloudos.lang import U8, U64, Array, struct


@struct
class AuditRecord:
    """48 bytes. `time`: nanoseconds since the machine started; `number`: counts all records, lost ones too."""

    number: U64
    time: U64
    # Processes, by the number that the kernel gave them; 0 for the kernel.
    subject: U64
    object: U64
    # DENIED: the Operation. POLICY_LOADED: the number of labels. Process events: exit status or fault. REFUSED: the
    # number of the system call (bits 0 to 7), of the error (8 to 15), and the index of its first argument as a handle
    # (from 32).
    detail: U64
    event: Event
    subject_label: U8
    object_label: U8
    reserved: Array[U8, Literal[5]]
