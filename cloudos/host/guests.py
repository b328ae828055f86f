"""The two guests that show whether hardware virtualisation works, as bytes.

The *probe* is a kernel of 168 bytes: it enters long mode with no-execute and SYSCALL enabled, as the real kernel does,
reads a serial port's status 2,000 times, counts to five million and reports. The *program* is for the real kernel: it
prints a word and exits.
"""

from __future__ import annotations

import struct

PROBE_ANSWER = 0x2A
LOAD_ADDRESS = 0x100000
NOTE_ENTRY_PVH = 18
"""Xen ELF note XEN_ELFNOTE_PHYS32_ENTRY: the 32-bit entry point of a PVH kernel."""

# The guest, assembled by hand: Intel SDM volume 3A, section 10.8.5 (entering IA-32e mode).
PROBE_CODE = b"".join(
    bytes.fromhex(line)
    for line in (
        "fc",  # cld
        "bf00201000",  # mov edi, 0x102000: three page tables, zeroed first
        "31c0",  # xor eax, eax
        "b9000c0000",  # mov ecx, 0xc00
        "f3ab",  # rep stosd
        "c7050020100003301000",  # mov dword [0x102000], 0x103003: level 4 -> level 3
        "c7050030100003401000",  # mov dword [0x103000], 0x104003: level 3 -> level 2
        "c7050040100083000000",  # mov dword [0x104000], 0x83: one page of 2 MB at address 0
        "b800201000",  # mov eax, 0x102000
        "0f22d8",  # mov cr3, eax
        "0f20e0",  # mov eax, cr4
        "83c820",  # or eax, PAE
        "0f22e0",  # mov cr4, eax
        "b9800000c0",  # mov ecx, EFER
        "0f32",  # rdmsr
        "0d01090000",  # or eax, SCE | LME | NXE
        "0f30",  # wrmsr
        "0f20c0",  # mov eax, cr0
        "0d00000180",  # or eax, PG | WP
        "0f22c0",  # mov cr0, eax
        "0f01157d001000",  # lgdt [gdt_pointer]
        "ea830010000800",  # jmp 8:long_mode
        "0000000000000000",  # gdt: null descriptor
        "ffff0000009baf00",  # 64-bit code
        "ffff00000093cf00",  # data
        "170065001000",  # gdt_pointer: limit, address
        "b9d0070000",  # long_mode: mov ecx, 2000
        "bafd030000",  # mov edx, 0x3fd: line status of the first serial port
        "ec",  # in al, dx
        "ffc9",  # dec ecx
        "75fb",  # jnz -5
        "48b9404b4c0000000000",  # mov rcx, 5000000
        "48ffc9",  # dec rcx
        "75fb",  # jnz -5
        "b02a",  # mov al, PROBE_ANSWER
        "e6f4",  # out 0xf4, al: isa-debug-exit
        "f4",  # hlt
        "ebfd",  # jmp -3
    )
)

PROGRAM_OUTPUT = b"running"
PROGRAM_STATUS = 42
PROGRAM_ADDRESS = 0x400000
PAGE = 0x1000


def elf(entry: int, segments: list[tuple[int, int, bytes, int]]) -> bytes:
    """An ELF64 file for x86_64 from (type, flags, content, size in memory) of segments that begin at `entry`'s page.

    ELF gABI, chapters 4 and 5. Loadable segments (type 1) lie page-aligned in the file, others right after the table.
    """
    base = entry // PAGE * PAGE
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    table, content = b"", b""
    start = len(header) + 56 * len(segments)
    for kind, flags, data, room in segments:
        if kind == 1:
            content += bytes(-(start + len(content)) % PAGE)
        address, alignment = (base, PAGE) if kind == 1 else (0, 4)
        table += struct.pack(
            "<IIQQQQQQ", kind, flags, start + len(content), address, address, len(data), room, alignment
        )
        content += data
    return header + table + content


def probe() -> bytes:
    """The probe as a file that QEMU's -kernel loads through its PVH note."""
    note = struct.pack("<III4sI", 4, 4, NOTE_ENTRY_PVH, b"Xen\0", LOAD_ADDRESS)
    return elf(LOAD_ADDRESS, [(4, 4, note, len(note)), (1, 7, PROBE_CODE, 5 * PAGE)])


def program() -> bytes:
    """The program for the real kernel: console_write, then process_exit."""
    from cloudos.abi.system_calls import SYSTEM_CALLS

    numbers = {call.name: call.number.to_bytes(4, "little") for call in SYSTEM_CALLS}
    call = b"\xb8%b\x0f\x05"  # mov eax, number; syscall
    exit_status = b"\xbf" + PROGRAM_STATUS.to_bytes(4, "little")  # mov edi, status
    length = b"\xba" + len(PROGRAM_OUTPUT).to_bytes(4, "little")  # mov edx, length
    stream = b"\xbf\x01\0\0\0"  # mov edi, 1
    after = length + call % numbers["console_write"] + exit_status + call % numbers["process_exit"] + b"\xeb\xfe"
    text = PROGRAM_ADDRESS + len(stream) + 10 + len(after)
    code = stream + b"\x48\xbe" + text.to_bytes(8, "little") + after + PROGRAM_OUTPUT  # movabs rsi, text
    return elf(PROGRAM_ADDRESS, [(1, 5, code, len(code))])
