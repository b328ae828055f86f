"""A kernel that measures itself: how many instructions it runs with interrupts off, at most, for each reason to enter.

Interrupts are off from the entry into the kernel to the way out, or to the instruction that waits for an interrupt.
The kernel that is measured is the ordinary one but for its entry code, which reads the time stamp counter on the way
in and on the way out and keeps the longest stretch in a table; under instruction counting the counter counts
instructions. So every stretch of a run is seen, not samples of them. The table is read from the machine's memory.

As a program (`python -m tests.stress.measured FILE`) it compiles that kernel.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cloudos.abi.system_calls import SYSTEM_CALLS
from cloudos.host.symbols import Symbols
from tests.stress.memory_image import MemoryImage

ROOT = Path(__file__).parents[2]
LIMIT = 10_000
"""Instructions with interrupts off at most: TARGETS, longest_interrupts_off."""

FIRST_CALL, LAST_CALL = 64, 143
IDLE, IDLE_INTERRUPT, KEYS = 144, 145, 146
ENTRY_BYTES = 32
"""Of the table: longest, instruction pointer of the program then, how many stretches, how many above LIMIT."""

CODE = f"""
.section .bss
.p2align 6
.globl measured_table
measured_table: .skip {ENTRY_BYTES * KEYS}
measured_start: .skip 8
measured_key: .skip 8
measured_ip: .skip 8
.text
# rdi: the frame. From here on the stretch counts. Changes rax, rcx, rdx.
measured_begin:
  movq 120(%rdi), %rcx
  movq 136(%rdi), %rax
  movq %rax, measured_ip(%rip)
  cmpq $256, %rcx
  jne 1f
  movq 112(%rdi), %rcx
  movl ${LAST_CALL - FIRST_CALL}, %eax
  cmpq %rax, %rcx
  cmovaq %rax, %rcx
  addq ${FIRST_CALL}, %rcx
1:
  movq %rcx, measured_key(%rip)
measured_clock:
  rdtsc
  shlq $32, %rdx
  orq %rdx, %rax
  movq %rax, measured_start(%rip)
  ret
measured_idle:
  movq ${IDLE}, measured_key(%rip)
  movq $0, measured_ip(%rip)
  jmp measured_clock
measured_idle_interrupt:
  movq ${IDLE_INTERRUPT}, measured_key(%rip)
  movq $0, measured_ip(%rip)
  jmp measured_clock
# The stretch is over. Changes rax, rcx, rdx.
measured_end:
  cmpq $0, measured_start(%rip)
  je 2f
  rdtsc
  shlq $32, %rdx
  orq %rdx, %rax
  subq measured_start(%rip), %rax
  movq $0, measured_start(%rip)
  movq measured_key(%rip), %rcx
  shlq $5, %rcx
  leaq measured_table(%rcx), %rdx
  incq 16(%rdx)
  cmpq ${LIMIT}, %rax
  jbe 1f
  incq 24(%rdx)
1:
  cmpq (%rdx), %rax
  jbe 2f
  movq %rax, (%rdx)
  movq measured_ip(%rip), %rax
  movq %rax, 8(%rdx)
2:
  ret
"""


@dataclass(frozen=True)
class Stretch:
    """The longest of one reason. `ip`: where the program was; 0 when none was running."""

    reason: str
    longest: int
    ip: int
    count: int
    above: int


def reason_of(key: int) -> str:
    """The name of a row of the table."""
    if FIRST_CALL <= key <= LAST_CALL:
        number = key - FIRST_CALL
        return SYSTEM_CALLS[number].name if number < len(SYSTEM_CALLS) else "no such system call"
    return {IDLE: "idle", IDLE_INTERRUPT: "interrupt while idle"}.get(key, f"trap {key}")


def stretches(image: MemoryImage) -> list[Stretch]:
    """What a machine with such a kernel has measured, longest first."""
    found = []
    table = image.symbol("measured_table")
    for key in range(KEYS):
        longest, ip, count, above = (image.word(table + ENTRY_BYTES * key + 8 * part) for part in range(4))
        if count:
            found.append(Stretch(reason_of(key), longest, ip, count, above))
    return sorted(found, key=lambda stretch: -stretch.longest)


class Longest:
    """The longest stretches over many runs, with the place in the program from which the kernel was entered."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[Stretch, str]] = {}
        self.runs = 0

    def add(self, image: MemoryImage, program: Path) -> None:
        """What one run of `program` has measured."""
        symbols = Symbols(program)
        self.runs += 1
        for stretch in stretches(image):
            known = self.found.get(stretch.reason)
            if known is None or known[0].longest < stretch.longest:
                self.found[stretch.reason] = stretch, place_of(symbols, stretch.ip)

    def above(self) -> list[str]:
        """The reasons whose stretches are too long."""
        return sorted(reason for reason, (stretch, _) in self.found.items() if stretch.longest > LIMIT)

    def report(self) -> str:
        """All reasons, longest first."""
        rows = sorted(self.found.items(), key=lambda row: -row[1][0].longest)
        lines = [f"{stretch.longest:>9,} {reason}{implementation(reason)}{place}" for reason, (stretch, place) in rows]
        return "\n".join(lines)


def place_of(symbols: Symbols, ip: int) -> str:
    """Where in a program an entry came from: the line that is not the SDK's, if it can be told."""
    places = symbols.places(ip - 1) if ip else []
    places = [place for place in places if place.file.startswith(("tests/", "bench/", "examples/"))] or places
    return f", from {places[0].file}:{places[0].line}" if places else ""


def implementation(reason: str) -> str:
    """Where a system call is implemented."""
    from cloudos.kernel import dispatch

    for call in SYSTEM_CALLS:
        if call.name == reason:
            code = dispatch.implementation_of(call).__code__
            return f", {Path(code.co_filename).relative_to(ROOT)}:{code.co_firstlineno}"
    return ""


def build(output: Path) -> Path:
    """Compile the kernel that measures, in a process of its own: it changes modules of the kernel."""
    line = [sys.executable, "-m", "tests.stress.measured", str(output)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def inserted(text: str, before: str, code: str, after_label: str) -> str:
    """`text` with `code` before the first `before` that follows a label."""
    start = text.index(f"\n{after_label}:")
    place = text.index(before, start)
    return text[:place] + code + text[place:]


def entry_text(text: str) -> str:
    """The entry code of x86_64 with measurements put in."""
    begin, end = "  call measured_begin\n", "  call measured_end\n"
    text = inserted(text, "  call kernel_user_trap\n", begin, "trap_in_frame")
    text = inserted(text, "  call kernel_system_call\n", begin, "system_call_entry")
    text = inserted(text, "  movq %rbx, %rsp\n", end, "system_call_entry")
    text = inserted(text, "  movq %gs:", end, "return_to_user")
    only = "  cmpq $32, 120(%rsp)\n  jb 9f\n"
    text = inserted(text, "  call kernel_trap\n", only + "  call measured_idle_interrupt\n9:\n", "trap_in_kernel")
    place = text.index("  call kernel_trap\n") + len("  call kernel_trap\n")
    return text[:place] + only + end + "9:\n" + text[place:] + CODE


def compile_measured(output: Path) -> None:
    """Change the modules of the kernel, then compile it."""
    from cloudos.compiler import api
    from cloudos.kernel.hal.x86_64 import cpu, trap
    from cloudos.lang import Template

    assert trap.ENTRY.x86_64 is not None
    object.__setattr__(trap.ENTRY, "x86_64", entry_text(trap.ENTRY.x86_64))
    for function in vars(cpu).values():
        template = getattr(function, "__machine__", {}).get("x86_64")
        if template is not None and "sti" in template.text:
            text = f"call measured_end; {template.text}; call measured_idle"
            changed = Template(text, clobbers=("memory", "rax", "rcx", "rdx", "cc"))
            function.__machine__["x86_64"] = changed
    api.compile_kernel("x86_64", output)


if __name__ == "__main__":
    from cloudos.host import state

    state.use_cache()
    compile_measured(Path(sys.argv[1]))
