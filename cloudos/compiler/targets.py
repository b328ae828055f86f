"""What clang and lld are told for each machine and privilege level that the compiler emits code for.

The flags that carry meaning of the language rather than taste:

* ``-fwrapv -fno-strict-aliasing -fno-delete-null-pointer-checks``: the prelude's checks must not be optimised away
  as undefined behaviour, and a systems program reads the same bytes through several types;
* ``-ffreestanding``: no C library is assumed, the four memory functions are in :mod:`cloudos.compiler.support`;
* ``-fno-omit-frame-pointer``: tracebacks of programs are frame-pointer walks. Kernels do without (1.1 KB less code):
  theirs are made from a piece of the stack and the call frame information in the ELF file;
* ``-mno-red-zone`` in kernels: an interrupt pushes onto the stack it interrupted;
* ``-mgeneral-regs-only`` in kernels: vector registers belong to the threads;
* ``-mstack-alignment=8`` in the kernel of x86_64: 16 would be for vector registers;
* ``-ffixed-x18`` in the kernel of AArch64: the register holds the address of what it keeps for its processor;
* ``-mbranch-protection=bti`` in programs for AArch64: the kernel guards all their pages;
* ``--inline-threshold=0`` in kernels, when compiling and when linking: what is not marked for it is inlined
  only where that makes the caller no larger;
* ``--disable-block-placement`` in kernels: it lays out loops for speed, with branches that reach further.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kernel", "user", "host"]

USER_BASE = 0x400000
"""Virtual address of the first byte of a program's image."""

_COMMON_FLAGS = (
    "-std=gnu17",
    "-ffreestanding",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-fno-delete-null-pointer-checks",
    "-fno-omit-frame-pointer",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fno-stack-protector",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-ident",
    # Emitted C is no style exercise: only what shows a fault of the compiler is an error, the rest is silent.
    "-Wno-everything",
    "-Werror=implicit-function-declaration",
    "-Werror=int-conversion",
    "-Werror=incompatible-pointer-types",
    "-Werror=return-type",
    "-Werror=shift-count-overflow",
)

_COMMON_LINK_FLAGS = (
    "--build-id=none",
    "--gc-sections",
    "--no-undefined-version",
    "-z", "noexecstack",
)  # fmt: skip

_FLAGS: dict[tuple[str, Kind], tuple[str, ...]] = {
    ("x86_64", "kernel"): (
        "-mgeneral-regs-only",
        "-mno-red-zone",
        "-mcmodel=kernel",
        "-fno-pic",
        "-DCLOUDOS_FIRST_ADDRESSES_UNMAPPED=1",
        "-DCLOUDOS_PANIC_TRAP=1",
        "-DCLOUDOS_SHORT_SUPPORT=1",
        "-fomit-frame-pointer",
        "-mstack-alignment=8",
        "-mllvm",
        "--inline-threshold=0",
    ),
    ("x86_64", "user"): (
        "-fno-pic",
        "-mcmodel=small",
        "-mno-implicit-float",
        "-fstack-clash-protection",
        "-DCLOUDOS_FLOAT=1",
    ),
    ("x86_64", "host"): ("-fPIC", "-DCLOUDOS_FLOAT=1"),
    ("aarch64", "kernel"): (
        "-mbranch-protection=bti",
        "-mgeneral-regs-only",
        "-fno-pic",
        "-mcmodel=tiny",
        "-mno-outline-atomics",
        "-ffixed-x18",
        "-DCLOUDOS_FIRST_ADDRESSES_UNMAPPED=1",
        "-DCLOUDOS_PANIC_TRAP=1",
        "-DCLOUDOS_SHORT_SUPPORT=1",
        "-fomit-frame-pointer",
        "-mllvm",
        "--inline-threshold=0",
    ),
    ("aarch64", "user"): (
        "-fno-pic",
        "-mbranch-protection=bti",
        "-mno-outline-atomics",
        "-mno-implicit-float",
        "-fstack-clash-protection",
        "-DCLOUDOS_FLOAT=1",
    ),
    ("aarch64", "host"): ("-fPIC", "-mno-outline-atomics", "-DCLOUDOS_FLOAT=1"),
}

_SHORTER = (
    "--inline-threshold=0",
    "--disable-block-placement",
    "--enable-ipra",
    "--disable-machine-licm",
    "--consthoist-gep",
    "--tail-merge-size=2",
    "--enable-post-misched=0",
    "--disable-lsr",
    "--inline-call-penalty=15",
    "--callsite-splitting-duplication-threshold=0",
)
_SHORTER_ON = {
    "x86_64": ("--x86-br-merging-base-cost=0", "--disable-machine-cse", "--min-jump-table-entries=6"),
    "aarch64": ("--enable-misched=0", "--machine-outliner-reruns=1", "--optsize-jump-table-density=60"),
}
"""What LLVM is told when it links a kernel; docs/compiler.md says what each of them saves."""

_EMULATION = {"x86_64": "elf_x86_64", "aarch64": "aarch64elf"}

USER_LINKER_SCRIPT = f"""\
ENTRY(_start)
PHDRS
{{
  rodata PT_LOAD FLAGS(4);
  text   PT_LOAD FLAGS(5);
  data   PT_LOAD FLAGS(6);
  stack  PT_GNU_STACK FLAGS(6);
}}
SECTIONS
{{
  . = {USER_BASE:#x};
  .rodata : ALIGN(4096) {{ *(.rodata .rodata.*) }} :rodata
  . = ALIGN(4096);
  .text : {{ *(.text .text.*) }} :text
  . = ALIGN(4096);
  .data : {{ *(.data .data.*) }} :data
  .bss : {{ *(.bss .bss.* COMMON) }} :data
  /DISCARD/ : {{ *(.comment .note .note.* .eh_frame .eh_frame_hdr .gnu.hash .hash .dynsym .dynstr .dynamic) }}
}}
"""
"""Layout of a user program: read-only data, code and writable data in segments of their own, so that no page is
both writable and executable and constants cannot be executed either."""


@dataclass(frozen=True)
class Target:
    """One machine and privilege level: everything :func:`cloudos.compiler.build.build` needs to know about it."""

    name: str
    """For people and cache keys, such as ``x86_64-kernel``."""
    arch: str
    """``x86_64`` or ``aarch64``."""
    kind: Kind
    """``kernel``, ``user``, or ``host`` (a shared object that tests load)."""
    triple: str
    """clang's name of the target."""
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    optimized_link_flags: tuple[str, ...]
    """Further flags unless nothing is to be optimised."""
    short_traps: bool
    """Whether failed checks are made to cost less, see :mod:`cloudos.compiler.traps`."""
    linker_script: str | None
    """The script used when the caller of ``build`` gives none; ``None``: lld's own layout."""


def target(arch: str, kind: Kind) -> Target:
    """The target for ``arch`` (``x86_64`` or ``aarch64``) and ``kind``.

    Raises ``ValueError`` for a machine or kind that the compiler has no code generator for.
    """
    if (arch, kind) not in _FLAGS:
        raise ValueError(f"no such target: {arch}-{kind} (there are {', '.join('-'.join(k) for k in _FLAGS)})")
    system = "unknown-linux-gnu" if kind == "host" else "unknown-none-elf"
    link_flags: tuple[str, ...] = ("-m", _EMULATION[arch], *_COMMON_LINK_FLAGS, "-z", "max-page-size=4096")
    if kind == "host":
        link_flags += ("-shared", "-Bsymbolic")
    else:
        link_flags += ("-static", "-nostdlib")
    return Target(
        name=f"{arch}-{kind}",
        arch=arch,
        kind=kind,
        triple=f"{arch}-{system}",
        compile_flags=_COMMON_FLAGS + _FLAGS[arch, kind],
        link_flags=link_flags,
        optimized_link_flags=_optimized_link_flags(arch, kind),
        short_traps="-DCLOUDOS_PANIC_TRAP=1" in _FLAGS[arch, kind],
        linker_script=USER_LINKER_SCRIPT if kind == "user" else None,
    )


def _optimized_link_flags(arch: str, kind: Kind) -> tuple[str, ...]:
    options = (*_SHORTER, *_SHORTER_ON[arch]) if kind == "kernel" else ()
    return ("--lto-O2", "-O2", *(word for option in options for word in ("-mllvm", option)))


def host_target() -> Target:
    """The target of the machine this process runs on."""
    machine = platform.machine()
    return target({"AMD64": "x86_64", "arm64": "aarch64"}.get(machine, machine), "host")
