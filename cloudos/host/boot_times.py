"""How many instructions it takes from the processor's reset to the kernel, to the first process, to the prompt.

Neither firmware nor init can be asked, so their place is taken: the first instructions of the kernel, or of init, are
overwritten with some that read the counter, tell it and end the machine. All that runs before them is the same. The
console notes in the log when the first prompt is with its driver.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from cloudos.host import bundle, counted, elf, system_image
from cloudos.host.bundle import Kind
from cloudos.host.errors import ToolError
from cloudos.host.machine import Options, memory_file, start
from cloudos.host.system_image import SystemImage

IMAGE = "system"
MEMORY = 64 << 20
SECONDS = 20.0
"""Of real time, for the firmware."""

PROMPT = rb"cloudos:/\$ \x1b\[J"
FIRST_PROMPT = rb"\[ *(\d+)\.(\d{6})\] notice \S+: the first prompt"

# Instructions in hexadecimal. Of the kernel: the low half of the counter, as four bytes to the first serial port.
KERNEL = {
    "x86_64": (
        "0f31",  # rdtsc
        "66baf803",  # mov dx, 0x3f8
        "b904000000",  # mov ecx, 4
        "ee",  # next: out dx, al
        "c1e808",  # shr eax, 8
        "e2fa",  # loop next
        "e6f4",  # out 0xf4, al: isa-debug-exit
        "f4",  # hlt
    ),
    "aarch64": (
        "40e03bd5",  # mrs x0, cntvct_el0
        "0120a152",  # mov w1, #0x9000000: the PL011
        *("20000039", "00fc48d3") * 4,  # strb w0, [x1]; lsr x0, x0, #8
        "00018052",  # mov w0, #8
        "0080b072",  # movk w0, #0x8400, lsl #16: SYSTEM_OFF of PSCI
        "020000d4",  # hvc #0
    ),
}
# Of init: counter and clock, which the system call 7 reads, written to standard output; then process_exit(0).
INIT = {
    "x86_64": (
        "0f31",  # rdtsc
        "48c1e220",  # shl rdx, 32
        "4809d0",  # or rax, rdx
        "50",  # push rax
        "b807000000",  # mov eax, 7
        "0f05",  # syscall
        "52",  # push rdx
        "bf01000000",  # mov edi, 1
        "4889e6",  # mov rsi, rsp
        "ba10000000",  # mov edx, 16
        "b803000000",  # mov eax, 3
        "0f05",  # syscall
        "31ff",  # xor edi, edi
        "b801000000",  # mov eax, 1
        "0f05",  # syscall
    ),
    "aarch64": (
        "49e03bd5",  # mrs x9, cntvct_el0
        "e80080d2",  # mov x8, #7
        "010000d4",  # svc #0
        "e127bfa9",  # stp x1, x9, [sp, #-16]!
        "200080d2",  # mov x0, #1
        "e1030091",  # mov x1, sp
        "020280d2",  # mov x2, #16
        "680080d2",  # mov x8, #3
        "010000d4",  # svc #0
        "000080d2",  # mov x0, #0
        "280080d2",  # mov x8, #1
        "010000d4",  # svc #0
    ),
}


def measure(architecture: str) -> dict[str, int]:
    """Instructions from reset to each, by key. Raises ToolError, and what building the image raises."""
    made = system_image.build(system_image.load(IMAGE, architecture), architecture)
    init, clock = to_init(made, architecture)
    prompt = to_prompt(made)
    # The clock begins when the kernel starts the timer, the counter with the processor.
    return {
        "boot_to_kernel": to_kernel(made, architecture),
        "boot_to_init": init,
        "boot_to_prompt": prompt + (init - clock),
    }


def to_kernel(made: SystemImage, architecture: str) -> int:
    """Until the kernel's first instruction."""
    emulator, chosen = counted.emulation(made.kernel)
    changed = memory_file("kernel", elf.overwritten(made.kernel.read_bytes(), code(KERNEL[architecture])))
    kernel = Path(f"/dev/fd/{changed}")
    try:
        with start(emulator.path, Options(memory=MEMORY, counted=True), chosen, kernel, made.content) as machine:
            machine.log.settimeout(SECONDS)
            return int.from_bytes(received(machine.log, 4), "little")
    finally:
        os.close(changed)


def received(channel: socket.socket, size: int) -> bytes:
    """So many bytes. Raises ToolError when they do not come."""
    told = b""
    try:
        while len(told) < size:
            part = channel.recv(size - len(told))
            if not part:
                break
            told += part
    except TimeoutError:
        pass
    if len(told) < size:
        raise ToolError("the machine did not tell when its kernel began", "please report this as a defect")
    return told


def to_init(made: SystemImage, architecture: str) -> tuple[int, int]:
    """Until init's first instruction; and what the clock says some instructions later, in nanoseconds."""
    first, *others = made.entries
    assert first.kind is Kind.PROGRAM, "init comes first"
    changed = elf.overwritten(first.data, code(INIT[architecture]))
    content = bundle.encode([bundle.Entry(first.kind, first.name, changed), *others])
    outcome = counted.run_bundle(made.kernel, content, memory=MEMORY, processors=1)
    if not outcome.in_order or len(outcome.printed) != 16:
        raise ToolError(f"init could not be measured: {outcome.ended.value}", "please report this as a defect")
    clock, counter = struct.unpack("<QQ", outcome.printed)
    return counter, clock


def to_prompt(made: SystemImage) -> int:
    """What the clock says, in nanoseconds, when the first prompt is with the driver of the line."""
    with counted.console(made.kernel, made.content, memory=MEMORY, processors=1) as script:
        script.expect(PROMPT)
        script.type(b"log\r")
        found = script.expect(FIRST_PROMPT)
        script.expect(PROMPT)
        script.type(b"exit\r")
        script.finish()
    return (int(found[1]) * 1_000_000 + int(found[2])) * 1000


def code(lines: tuple[str, ...]) -> bytes:
    """The bytes of instructions."""
    return bytes.fromhex("".join(lines))
