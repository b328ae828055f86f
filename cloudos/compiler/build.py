"""The last pass: clang compiles every unit, lld links them, and nothing is done twice.

An object is kept under the hash of everything that decides its bytes: C text, flags, compiler version. The same holds
for linked files. A cache directory may be shared by any number of concurrent builds: files appear in it by atomic
rename, complete or not at all.

Output is reproducible. clang sees only relative file names and a fixed compilation directory, so that neither the
place of the cache nor that of the repository reaches the object.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudos.compiler import repeats, tables, tails, traps
from cloudos.compiler.diagnostics import InternalCompilerError
from cloudos.compiler.outlined import keep_on_stack
from cloudos.compiler.shorten import chain, push_addresses, reach_segment, share_constants
from cloudos.compiler.support import SUPPORT_NAME, SUPPORT_SOURCE, support_flags
from cloudos.compiler.targets import Target

CACHE_FORMAT = "3"
"""Part of every key: raise it when the meaning of cached files changes."""

DEBUGGING = "\t.section\t.debug_"
"""With this begins what assembly text says for debuggers, ten times as much as all before, and no code of any kind."""


@dataclass(frozen=True)
class Unit:
    """One C translation unit: the code of one Python module."""

    name: str
    """Dotted module name; appears in debug information and in diagnostics."""
    source: str
    """Complete C text."""


class UnitRefused(InternalCompilerError):
    """clang or lld refused what the compiler emitted: a defect of the compiler, never of the program compiled."""

    def __init__(self, unit: str, diagnostics: str, source: str, kept: Path | None) -> None:
        self.unit = unit
        self.diagnostics = diagnostics
        self.source = source
        """The emitted C text, or the link command."""
        self.kept = kept
        """File that holds ``source`` for inspection."""
        where = f"\nthe emitted text is kept in {kept}" if kept else ""
        super().__init__(f"internal compiler error in {unit}:\n{diagnostics.rstrip()}{where}")


@functools.cache
def tool_path() -> Path:
    """The compiler's binary. Calling it directly saves the 30 ms that ``python -m ziglang`` takes to start.

    Raises ``FileNotFoundError`` when the ziglang package is not installed.
    """
    import importlib.util

    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the Python package 'ziglang' is not installed: run `bin/cloudos doctor`")
    return Path(spec.origin).parent / ("zig.exe" if os.name == "nt" else "zig")


@functools.cache
def tool_version() -> str:
    """What the compiler says about itself; part of every cache key."""
    run = subprocess.run([tool_path(), "clang", "--version"], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()[0]


def build(
    units: Sequence[Unit],
    target: Target,
    *,
    output: Path,
    optimize: str = "2",
    entry: str | None = None,
    linker_script: str | None = None,
    cache: Path,
    lto: bool = False,
    jobs: int | None = None,
) -> Path:
    """Compile ``units`` (two at a time, or ``jobs``) and link them with the support unit into ``output``.

    ``optimize`` is ``"0"``, ``"2"`` or ``"s"``; ``entry`` names the entry symbol; ``linker_script`` is the text of a
    script that replaces the target's own. Returns ``output``, which is either complete or untouched. Raises
    :class:`UnitRefused` when clang or lld refuses its input.
    """
    flags = compile_flags(target, optimize, lto)
    work = [(unit, flags) for unit in units]
    work.append((Unit(SUPPORT_NAME, SUPPORT_SOURCE), support_flags(flags)))
    # The longest unit first: with few units that decides when the last one ends.
    order = sorted(range(len(work)), key=lambda index: -len(work[index][0].source))
    objects: dict[int, Path] = {}
    with ThreadPoolExecutor(jobs or max(2, os.cpu_count() or 1)) as pool:
        futures = {index: pool.submit(compile_unit, *work[index], cache) for index in order}
        for index, future in futures.items():
            objects[index] = future.result()
    paths = [objects[index] for index in range(len(work))]
    linked = _link(paths, target, entry, linker_script or target.linker_script, optimize, lto, cache)
    install(linked, output)
    return output


def compile_flags(target: Target, optimize: str, lto: bool) -> tuple[str, ...]:
    """Everything clang is told besides the names of its input and output."""
    if optimize not in ("0", "2", "s", "z"):
        raise ValueError(f"no such optimisation level: {optimize!r}")
    flags = (f"--target={target.triple}", *target.compile_flags, f"-O{optimize}", "-fdebug-compilation-dir=.")
    # Locals are for debuggers, which get programs that are not optimised; carrying them takes a third of the time.
    flags += ("-g" if optimize == "0" else "-gline-tables-only",)
    if target.arch == "aarch64" and optimize == "s":
        # Outlined code and shrink-wrapped frames would break the frame-pointer walk.
        flags += ("-mno-outline", "-mno-omit-leaf-frame-pointer")
    if lto and target.kind == "user" and optimize != "0":
        # Who calls a function is known when units are linked: before, only what is small is copied into its callers.
        flags += ("-mllvm", "-inline-threshold=25")
    return (*flags, "-flto") if lto else flags


def compile_unit(unit: Unit, flags: tuple[str, ...], cache: Path) -> Path:
    """The object file of ``unit``, from the cache or from clang."""
    key = _digest(CACHE_FORMAT, tool_version(), unit.name, *flags, unit.source)
    kept = cache / "objects" / key[:2] / f"{key[2:]}.o"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="compile-", dir=_made(cache / "temporary")) as directory:
        Path(directory, f"{unit.name}.c").write_text(unit.source, encoding="utf-8")
        # The path of the directory varies; clang takes it for the name in no case, but __FILE__ must not either.
        command = [str(tool_path()), "clang", *flags, f"-ffile-prefix-map={directory}=."]
        command += ["-c", f"{unit.name}.c", "-o", "unit.o"]
        run = subprocess.run(command, check=False, cwd=directory, capture_output=True, text=True)
        if run.returncode != 0:
            failed = _made(cache / "failed") / f"{unit.name}.c"
            _write_atomically(failed, unit.source.encode())
            raise UnitRefused(unit.name, run.stderr, unit.source, failed)
        os.replace(Path(directory, "unit.o"), kept)
    return kept


def _link(
    objects: list[Path], target: Target, entry: str | None, script: str | None, optimize: str, lto: bool, cache: Path
) -> Path:
    """The linked file for ``objects``, from the cache or from lld."""
    flags = list(target.link_flags)
    if entry is not None:
        flags += ["--entry", entry]
    if optimize != "0":
        flags += target.optimized_link_flags
    key = _digest(
        CACHE_FORMAT,
        tool_version(),
        _rewriting(),
        *flags,
        script or "",
        *(path.parent.name + path.name for path in objects),
    )
    kept = cache / "linked" / key[:2] / key[2:]
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="link-", dir=_made(cache / "temporary")) as directory:
        if script is not None:
            Path(directory, "layout.ld").write_text(script, encoding="utf-8")
            flags += ["-T", "layout.ld"]
        inputs = [str(path.resolve()) for path in objects]
        if target.short_traps and lto and optimize != "0":
            _run(["ld.lld", *flags, "--lto-emit-asm", "-o", "linked", *inputs], directory)
            text, section, others = Path(directory, "linked.lto.s").read_text(encoding="utf-8").partition(DEBUGGING)
            text = _shortened(text, target, traps.NO_CODE in (script or ""), directory) + section + others
            _assemble(text, target, "short", directory)
            # All but the last are in that text: the support unit alone is not optimised when it is linked.
            inputs = ["short.o", inputs[-1]]
        if target.kind == "kernel":
            # Equal functions once: those that do nothing, as handlers have.
            flags.append("--icf=all")
        _run(["ld.lld", *flags, "-o", "linked", *inputs], directory)
        os.replace(Path(directory, "linked"), kept)
    return kept


def _shortened(text: str, target: Target, is_kernel: bool, directory: str) -> str:
    """The assembly text of the same program, in fewer bytes."""
    if target.arch == "x86_64":
        text = share_constants(tables.shorten_x86(traps.bring_near(text)))
        text = repeats.outline(text, lambda text: _addresses(reach_segment(text), target, directory))
        text = tails.merge(push_addresses(reach_segment(text)), tails.X86)
        return chain(text, lambda text: _addresses(text, target, directory))
    if is_kernel:
        text = traps.send_away(tables.shorten_a64(keep_on_stack(text)))
        return tails.lead_on(tails.merge(text, tails.AARCH64))
    return text


@functools.cache
def _rewriting() -> str:
    """The text of what changes assembly text; part of the key of linked files."""
    return "".join(
        Path(__file__).with_name(name).read_text(encoding="utf-8")
        for name in ("outlined.py", "repeats.py", "shorten.py", "tables.py", "tails.py", "traps.py")
    )


def _assemble(text: str, target: Target, name: str, directory: str, *options: str) -> None:
    """Make `name`.o of assembly text. Raises UnitRefused."""
    Path(directory, f"{name}.s").write_text(text, encoding="utf-8")
    _run(["clang", f"--target={target.triple}", *options, "-c", f"{name}.s", "-o", f"{name}.o"], directory)


def _addresses(text: str, target: Target, directory: str) -> dict[str, int]:
    """The address of every label of assembly text, within its section. Raises UnitRefused."""
    from elftools.elf.elffile import ELFFile

    _assemble(text, target, "measured", directory, "-Wa,-L")
    with Path(directory, "measured.o").open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        names = table.stringtable.data()
        # Elf64_Sym: name, type, visibility, section, value, size. There are tens of thousands.
        symbols = struct.iter_unpack("<IBBHQQ", table.data())
        return {names[at : names.index(b"\0", at)].decode(): value for at, _, _, _, value, _ in symbols}


def _run(arguments: list[str], directory: str) -> None:
    """Run one of the tools on files that the compiler made. Raises UnitRefused."""
    command = [str(tool_path()), *arguments]
    run = subprocess.run(command, check=False, cwd=directory, capture_output=True, text=True)
    if run.returncode != 0:
        raise UnitRefused("link", run.stderr, " ".join(command), None)


def install(source: Path, output: Path) -> None:
    """Copy ``source`` to ``output`` so that no reader ever sees half of it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        os.chmod(name, 0o755)
        os.replace(name, output)
    except BaseException:
        os.unlink(name)
        raise


def _write_atomically(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(name, path)


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _digest(*parts: str) -> str:
    """Hash of the parts; each is preceded by its length, so that moving text between parts changes the hash."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
