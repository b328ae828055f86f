"""Chooses hardware virtualisation (KVM) or emulation (TCG) by running a guest, not by looking at files.

A machine can offer /dev/kvm that cannot start a guest, that fails when the guest enters 64-bit mode, or whose
exits are so slow that emulation is far quicker. So a guest of under 200 bytes is booted under KVM: it enters long
mode with no-execute and SYSCALL enabled, as the kernel does, reads a serial port's status 2,000 times, runs
10 million instructions and reports. KVM is used when that succeeds within PROBE_LIMIT seconds. The verdict is
kept until the machine restarts or QEMU changes.
"""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cloudos.host import state
from cloudos.host.qemu import Qemu

PROBE_LIMIT = 1.5
"""Seconds that the probe may take under KVM, QEMU's start included; real KVM takes about 0.2."""

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


@dataclass(frozen=True)
class Accelerator:
    """`name` is QEMU's: "kvm" or "tcg"; `cpu` the processor model for it; `reason` a sentence for the user."""

    name: str
    cpu: str
    reason: str


EMULATED_CPU = "max"
KVM_CPUS = ("host", "host,-arch-capabilities")
"""Models to try under KVM: some hosts refuse to set the register that the feature arch-capabilities needs."""


@dataclass(frozen=True)
class ProbeResult:
    """What happened when the guest was run: whether it answered, the seconds it took, and what went wrong."""

    ran: bool
    seconds: float
    problem: str


def probe_image() -> bytes:
    """The probe guest as an ELF64 file with a PVH note, which QEMU's -kernel loads at LOAD_ADDRESS."""
    note = struct.pack("<III4sI", 4, 4, NOTE_ENTRY_PVH, b"Xen\0", LOAD_ADDRESS)
    note_offset, code_offset, page = 64 + 2 * 56, 0x1000, 0x1000
    identification = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = identification + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, LOAD_ADDRESS, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    size, room = len(PROBE_CODE), 5 * page
    segments = struct.pack("<IIQQQQQQ", 1, 7, code_offset, LOAD_ADDRESS, LOAD_ADDRESS, size, room, page)
    segments += struct.pack("<IIQQQQQQ", 4, 4, note_offset, 0, 0, len(note), len(note), 4)
    return (header + segments + note).ljust(code_offset, b"\0") + PROBE_CODE


def probe(qemu: Qemu, name: str, cpu: str, limit: float = PROBE_LIMIT) -> ProbeResult:
    """Boot the probe guest under the accelerator `name` on the processor model `cpu`, for at most `limit` seconds."""
    with tempfile.NamedTemporaryFile(prefix="cloudos-probe-", suffix=".elf") as file:
        file.write(probe_image())
        file.flush()
        command = [qemu.path, "-M", "microvm", "-accel", name, "-cpu", cpu, "-m", "16M", "-nodefaults"]
        command += ["-no-user-config", "-display", "none", "-no-reboot", "-serial", "null", "-kernel", file.name]
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
        start = time.monotonic()
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return ProbeResult(False, limit, f"the probe did not finish within {limit} s (emulation takes 0.1 s)")
        seconds = time.monotonic() - start
    if done.returncode == PROBE_ANSWER * 2 + 1:  # isa-debug-exit ends QEMU with (value << 1) | 1
        return ProbeResult(True, seconds, "")
    lines = done.stderr.strip().splitlines()
    return ProbeResult(False, seconds, lines[-1] if lines else f"QEMU ended with status {done.returncode}")


def decide(qemu: Qemu) -> Accelerator:
    """Run the probe and choose."""
    if not os.path.exists("/dev/kvm"):
        return emulation("this machine has no /dev/kvm")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return emulation("no permission to use /dev/kvm (membership of the group kvm gives it)")
    problem = ""
    for cpu in KVM_CPUS:
        found = probe(qemu, "kvm", cpu)
        if found.ran:
            return Accelerator("kvm", cpu, f"hardware virtualisation: a guest ran under KVM in {found.seconds:.2f} s")
        problem = found.problem
        if found.seconds >= PROBE_LIMIT:
            break  # it works but too slowly: another model would not be quicker
    return emulation(f"/dev/kvm is there, but a guest did not run on it as it should: {problem}")


def emulation(reason: str) -> Accelerator:
    """The choice of QEMU's own emulation, and why."""
    return Accelerator("tcg", EMULATED_CPU, f"emulation: {reason}")


def choose(qemu: Qemu, *, fresh: bool = False) -> Accelerator:
    """The accelerator to use: what the last probe found, or a new probe (always when `fresh`)."""
    key = f"{boot_identity()}:{os.geteuid()}:{qemu.version}:{qemu.identity}"
    known = state.load("accelerator.json")
    if not fresh and known.get("key") == key:
        return Accelerator(str(known.get("name")), str(known.get("cpu")), str(known.get("reason")))
    found = decide(qemu)
    state.store("accelerator.json", {"key": key, **asdict(found)})
    return found


def boot_identity() -> str:
    """What changes when the machine restarts, and when /dev/kvm comes, goes or opens up."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "unknown"
    return f"{boot}:{os.path.exists('/dev/kvm')}:{os.access('/dev/kvm', os.R_OK | os.W_OK)}"
