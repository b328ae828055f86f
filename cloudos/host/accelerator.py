"""Chooses hardware virtualisation (KVM) or emulation (TCG) by running guests, not by looking at files.

A machine can offer /dev/kvm that cannot start a guest, that fails when the guest enters 64-bit mode or executes an
instruction it does not know, or whose exits are so slow that emulation is far quicker. So two guests are run under KVM
(guests.py): first a small one, within PROBE_LIMIT seconds, and then, where that went well, the real kernel with a
program that prints a word. KVM is used when both did what they should. The verdict is kept until the machine restarts
or QEMU changes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cloudos.host import guests, state
from cloudos.host.qemu import Qemu

PROBE_LIMIT = 1.5
"""Seconds that the probe may take under KVM, QEMU's start included; real KVM takes about 0.2."""

TRIAL_LIMIT = 3.0
"""Seconds that the real kernel may take under KVM; under emulation it takes 0.2."""


@dataclass(frozen=True)
class Accelerator:
    """`name` is QEMU's: "kvm" or "tcg"; `cpu` the processor model for it; `reason` a sentence for the user."""

    name: str
    cpu: str
    reason: str


EMULATED_CPU = "max,la57=off"
EMULATED_CPUS = {"x86_64": EMULATED_CPU, "aarch64": "max,cntfrq=1000000000"}
"""By architecture. Addresses of 57 bits, which few programs need, would cost each process a fifth level of page tables.
The counter of AArch64 counts nanoseconds, as that of newer versions of QEMU does by itself."""
KVM_CPUS = ("host", "host,-arch-capabilities")
"""Models to try under KVM: some hosts refuse to set the register that the feature arch-capabilities needs."""


@dataclass(frozen=True)
class ProbeResult:
    """What happened when the guest was run: whether it answered, the seconds it took, and what went wrong."""

    ran: bool
    seconds: float
    problem: str


def probe(qemu: Qemu, name: str, cpu: str, limit: float = PROBE_LIMIT) -> ProbeResult:
    """Boot the probe guest under the accelerator `name` on the processor model `cpu`, for at most `limit` seconds."""
    with tempfile.NamedTemporaryFile(prefix="cloudos-probe-", suffix=".elf") as file:
        file.write(guests.probe())
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
    if done.returncode == guests.PROBE_ANSWER * 2 + 1:  # isa-debug-exit ends QEMU with (value << 1) | 1
        return ProbeResult(True, seconds, "")
    lines = done.stderr.strip().splitlines()
    return ProbeResult(False, seconds, lines[-1] if lines else f"QEMU ended with status {done.returncode}")


def trial(qemu: Qemu, chosen: Accelerator, kernel: Path) -> ProbeResult:
    """Boot the real kernel with the trial program under an accelerator, for at most TRIAL_LIMIT seconds."""
    from cloudos.host import bundle
    from cloudos.host.machine import Options, memory_file, start
    from cloudos.host.session import Limits, Session

    entries = bundle.contents(guests.program(), [b"trial"], {}, {})
    begin = time.monotonic()
    output, nothing = memory_file("trial", b""), os.open(os.devnull, os.O_RDWR)
    try:
        with start(qemu.path, Options(memory=64 << 20), chosen, kernel, bundle.encode(entries)) as machine:
            session = Session(machine, Limits(TRIAL_LIMIT), (nothing, output, nothing))
            session.run()
        printed = os.pread(output, 100, 0)
    finally:
        os.close(output)
        os.close(nothing)
    seconds = time.monotonic() - begin
    if session.log.status == guests.PROGRAM_STATUS and printed == guests.PROGRAM_OUTPUT and session.log.off:
        return ProbeResult(True, seconds, "")
    return ProbeResult(False, seconds, "the kernel did not run a program to its end")


def decide(qemu: Qemu, kernel: Callable[[], Path]) -> Accelerator:
    """Run the guests and choose; `kernel` is asked for only when the small one ran."""
    if not os.path.exists("/dev/kvm"):
        return emulation("this machine has no /dev/kvm")
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return emulation("no permission to use /dev/kvm (membership of the group kvm gives it)")
    problem = ""
    for cpu in KVM_CPUS:
        found = probe(qemu, "kvm", cpu)
        chosen = Accelerator("kvm", cpu, f"hardware virtualisation: a guest ran under KVM in {found.seconds:.2f} s")
        if found.ran:
            found = trial(qemu, chosen, kernel())
        if found.ran:
            return chosen
        problem = found.problem
        if found.seconds >= PROBE_LIMIT:
            break  # it works but too slowly: another model would not be quicker
    return emulation(f"/dev/kvm is there, but a guest did not run on it as it should: {problem}")


def emulation(reason: str, architecture: str = "x86_64") -> Accelerator:
    """The choice of QEMU's own emulation, and why."""
    return Accelerator("tcg", EMULATED_CPUS[architecture], f"emulation: {reason}")


def choose(qemu: Qemu, kernel: Callable[[], Path], *, fresh: bool = False) -> Accelerator:
    """The accelerator to use: what was found last, or what is found now (always when `fresh`)."""
    if qemu.architecture != "x86_64":
        return emulation(f"there is no guest yet that tries KVM on {qemu.architecture}", qemu.architecture)
    key = f"{boot_identity()}:{os.geteuid()}:{qemu.version}:{qemu.identity}:{EMULATED_CPU}"
    known = state.load("accelerator.json")
    if not fresh and known.get("key") == key:
        return Accelerator(str(known.get("name")), str(known.get("cpu")), str(known.get("reason")))
    found = decide(qemu, kernel)
    state.store("accelerator.json", {"key": key, **asdict(found)})
    return found


def boot_identity() -> str:
    """What changes when the machine restarts, and when /dev/kvm comes, goes or opens up."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "unknown"
    return f"{boot}:{os.path.exists('/dev/kvm')}:{os.access('/dev/kvm', os.R_OK | os.W_OK)}"
