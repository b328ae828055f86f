"""The boot bundle: program, arguments, environment and files in one block that the machine loads beside the kernel.

Little endian. A header, then `entry_count` entries; every offset counts from the start of the bundle. The data of
programs, and of files of 4096 bytes or more, start at multiples of 4096, so that they can be mapped.
"""

from __future__ import annotations

from enum import IntEnum

from cloudos.lang import U32, U64, enum, struct

MAGIC = int.from_bytes(b"CLOUDOS\x01", "little")
VERSION = 1
DATA_ALIGNMENT = 4096


@enum(U32)
class EntryKind(IntEnum):
    """What an entry holds. Unknown kinds are skipped by readers."""

    PROGRAM = 1
    ARGUMENT = 2
    ENVIRONMENT = 3
    FILE = 4
    # The matrix of labels, as policy_load takes it.
    POLICY = 5
    # A capability of the process: name, and eight bytes that are its handle. Only in what a component or a program
    # is started with, not in a boot bundle.
    HANDLE = 6
    # The components of a system image and how they are connected: lines of `cloudos.abi.wiring`.
    WIRING = 7


@struct
class BundleHeader:
    """First 32 bytes of a bundle."""

    magic: U64
    version: U32
    entry_count: U32
    total_size: U64
    reserved: U64


@struct
class BundleEntry:
    """One entry. ARGUMENT entries stand in order; ENVIRONMENT: name=KEY, data=VALUE; FILE: name=path in the guest."""

    kind: U32
    name_length: U32
    name_offset: U64
    data_offset: U64
    data_length: U64
    reserved: U64
