"""The boot bundle: program, arguments, environment and files in one block that the machine loads beside the kernel.

Little endian. A header, then `entry_count` entries; every offset counts from the start of the bundle. The data of
programs, and of files of 4096 bytes or more, start at multiples of 4096, so that they can be mapped. In a bundle that
boots, a Start and its Segments say how the first program lies in memory.
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
    """First 32 bytes of a bundle. `start`: where a Start is, a multiple of 8; 0 where there is none."""

    magic: U64
    version: U32
    entry_count: U32
    total_size: U64
    start: U64


@struct
class Start:
    """How the kernel starts the first program: `count` Segments follow. `machine`: the number that ELF files have."""

    entry: U64
    machine: U32
    count: U32


@struct
class Segment:
    """A part of the program: `memory_size` bytes, of which the first `file_size` are in the bundle at `offset`.

    `access`: bits 1 to read, 2 to write, 4 to execute; one of the last two at most.
    """

    address: U64
    memory_size: U64
    offset: U64
    file_size: U64
    access: U64


@struct
class BundleEntry:
    """One entry. ARGUMENT entries stand in order; ENVIRONMENT: name=KEY, data=VALUE; FILE: name=path in the guest."""

    kind: U32
    name_length: U32
    name_offset: U64
    data_offset: U64
    data_length: U64
    reserved: U64
