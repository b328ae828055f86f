"""What the rest of the project asks of the compiler: build a kernel, a program, or a host library."""

from __future__ import annotations

import hashlib
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cloudos import lang
from cloudos.compiler.build import Unit, build
from cloudos.compiler.check import check_program, keeping
from cloudos.compiler.check.annotations import type_of_annotation
from cloudos.compiler.check.checker import add_assembly, make_instance
from cloudos.compiler.diagnostics import CompileError, Diagnostic, refuse_at
from cloudos.compiler.emit import emit_program
from cloudos.compiler.emit.host_entries import entry
from cloudos.compiler.fields import fields_refused
from cloudos.compiler.host_library import HOST_SUPPORT_NAME, HOST_SUPPORT_SOURCE, HostLibrary
from cloudos.compiler.instructions import FunctionCode
from cloudos.compiler.load import shown_path
from cloudos.compiler.lower import lower_function
from cloudos.compiler.prelude import PRELUDE
from cloudos.compiler.program import Program
from cloudos.compiler.raises import solve
from cloudos.compiler.targets import Target, host_target, target
from cloudos.compiler.typesystem import ProtocolType


@dataclass(frozen=True)
class Artifact:
    """A linked file."""

    path: Path


def cache_folder() -> Path:
    """Where objects are kept: $CLOUDOS_CACHE, else below $XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("CLOUDOS_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cloudos"


@dataclass
class Compilation:
    """A program after every pass but the last."""

    program: Program
    codes: list[FunctionCode]
    units: list[Unit]


def translate(
    goal: Target,
    entries: Sequence[Any],
    *,
    assemblies: Sequence[Any] = (),
    substitutes: Mapping[Any, Any] | None = None,
    bindings: Mapping[Any, dict[TypeVar, Any]] | None = None,
    host: bool = False,
) -> tuple[Compilation, dict[Any, Any]]:
    """Run load, check, lower and emit from `entries`; for host libraries also the entries by function."""
    with fields_refused():
        return _translate(goal, entries, assemblies, substitutes, bindings, host)


def _translate(
    goal: Target,
    entries: Sequence[Any],
    assemblies: Sequence[Any],
    substitutes: Mapping[Any, Any] | None,
    bindings: Mapping[Any, dict[TypeVar, Any]] | None,
    host: bool,
) -> tuple[Compilation, dict[Any, Any]]:
    program = Program(goal)
    program.substitutes.update(substitutes or {})
    program.name_statics([module for module in list(sys.modules.values()) if isinstance(module, types.ModuleType)])
    roots = {}
    for function in entries:
        chosen = {name: type_of_annotation(live, {}) for name, live in (bindings or {}).get(function, {}).items()}
        roots[function] = make_instance(program, function, None, chosen)
    for assembly in assemblies:
        add_assembly(program, assembly)
    check_program(program)
    _reach_prebuilt(program)
    keeping.solve(program)
    solve(program)
    codes = [lower_function(program, one) for one in program.instances.values() if one.kind in ("python", "synthetic")]
    made = {function: entry(program, one, n) for n, (function, one) in enumerate(roots.items())} if host else {}
    units = emit_program(program, codes, "\n".join(text for _, text in made.values()))
    return Compilation(program, codes, units), {function: found for function, (found, _) in made.items()}


def _reach_prebuilt(program: Program) -> None:
    """Objects that static data holds under a protocol bring their methods into the program."""
    from cloudos.compiler import tree
    from cloudos.compiler.emit.data import register_protocol_fields
    from cloudos.compiler.walk import expressions

    known = -1
    while known != len(program.instances):
        known = len(program.instances)
        for instance in list(program.instances.values()):
            for node in expressions(instance.body):
                if isinstance(node, tree.Static):
                    program.static_symbol(node.region)

        def add(protocol: ProtocolType, kind: Any) -> None:
            program.add_implementer(protocol, kind)

        register_protocol_fields(program, add)
        check_program(program)


# Kernel


def compile_kernel(arch: str, out: Path, *, optimize: str = "s") -> Artifact:
    """Build the kernel of an architecture into the ELF file `out`. Raises CompileError."""
    goal = target(arch, "kernel")
    # One process holds the kernel of one architecture: its hal is chosen when it is imported.
    os.environ["CLOUDOS_ARCHITECTURE"] = arch
    image = importlib.import_module("cloudos.kernel.image").IMAGE
    compiled, _ = translate(goal, image.entries, assemblies=image.assemblies)
    build(
        compiled.units, goal, output=out, optimize=optimize, entry=image.entry_symbol,
        linker_script=image.linker_script, cache=cache_folder(), lto=True,
    )  # fmt: skip
    return Artifact(out)


# Programs


def import_program(source: Path) -> types.ModuleType:
    """Import a program's file. Raises CompileError when it cannot be imported, with the place in it."""
    path = source.resolve()
    try:
        text = path.read_text(encoding="utf-8-sig")
        compile(text, str(path), "exec")
    except SyntaxError as error:
        message = error.msg or "invalid syntax"
        raise refuse_at(shown_path(str(path)), error.lineno or 1, error.offset or 1, message, "", error.text) from None
    except RecursionError:
        hint = "split the long expression over several statements"
        raise refuse_at(shown_path(str(path)), 1, 1, "Python cannot parse code nested this deeply", hint) from None
    except (UnicodeDecodeError, ValueError):
        raise refuse_at(shown_path(str(path)), 1, 1, "this file is not Python source text in UTF-8") from None
    name = "program_" + hashlib.sha256(str(path).encode()).hexdigest()[:8]
    # A loader of our own choice, since the usual one is found by the ending .py, which a program need not have.
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.parent))
    try:
        with build_time_streams():
            spec.loader.exec_module(module)
    except CompileError:
        raise
    except BaseException as error:
        raise _import_failure(error, path) from None
    finally:
        sys.path.remove(str(path.parent))
    module.__name__ = path.stem
    for value in vars(module).values():
        if getattr(value, "__module__", None) == name:
            _rename(value, name, path.stem)
    return module


@contextmanager
def build_time_streams() -> Iterator[None]:
    """What a module prints or reads while it is imported must not mix with the streams of the program that is built.

    Standard output goes to standard error, standard input is empty; the descriptors too, which other code may use.
    """
    sys.stdout.flush()
    kept = [os.dup(0), os.dup(1)]
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(null, 0)
        os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        for number, descriptor in enumerate(kept):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(null)


def _rename(value: Any, made: str, name: str) -> None:
    """Symbols show the file's name, not the one that keeps two programs apart in this process."""
    try:
        value.__module__ = name
    except (AttributeError, TypeError):
        return
    if isinstance(value, type):
        for inner in vars(value).values():
            inner = getattr(inner, "fget", None) or getattr(inner, "__func__", inner)
            # A class also holds functions of the language library, which are not the program's to rename.
            if isinstance(inner, types.FunctionType) and inner.__module__ == made:
                inner.__module__ = name


def _import_failure(error: BaseException, path: Path) -> CompileError:
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    message = f"importing the program failed: {type(error).__name__}: {error}"
    hint = "a program may import cloudos.sdk, cloudos.lang and modules of its own in systems Python"
    return refuse_at(shown_path(str(path)), line, 1, message, hint, path.read_text(encoding="utf-8"))


def _main_of(module: types.ModuleType, source: Path) -> Callable[..., Any]:
    main = getattr(module, "main", None)
    if not inspect.isfunction(main):
        hint = "def main(args: List[Text]) -> U8: …, or def main() -> None: …"
        raise refuse_at(shown_path(str(source.resolve())), 1, 1, "the program has no function 'main'", hint)
    found: Callable[..., Any] = main
    return found


MAIN_HINT = "def main(args: List[Text]) -> U8: …, or without args, or -> None"


def _adapter(main: Callable[..., Any], source: Path) -> Callable[..., Any]:
    """The function that stands in for the SDK's hook: gives main what it takes and a status for what it returns."""
    # The SDK is what this compiles, not what it is made of: it is looked up like the program itself.
    sdk = importlib.import_module("cloudos.sdk")
    texts: Any = sdk.List[sdk.Text]
    node_source = shown_path(str(source.resolve()))
    code: types.CodeType = main.__code__
    try:
        notes = {name: _evaluated(note, main) for name, note in main.__annotations__.items()}
    except Exception as error:
        message = f"the types of 'main' mean nothing: {error}"
        raise refuse_at(node_source, code.co_firstlineno, 1, message, MAIN_HINT) from None
    result = notes.get("return", ...)
    takes = code.co_argcount == 1 and notes.get(code.co_varnames[0]) is texts
    if (code.co_argcount and not takes) or result not in (None, type(None), lang.U8) or code.co_kwonlyargcount:
        message = "'main' has parameters or a result of other types"
        raise refuse_at(node_source, code.co_firstlineno, 1, message, MAIN_HINT)
    call = f"main({'arguments' if takes else ''})"
    body = f"return {call}" if result is lang.U8 else f"{call}\n    return U8(0)"
    text = f"def program_main(arguments: List[Text]) -> U8:\n    {body}\n"
    names = {"main": main, "List": sdk.List, "Text": sdk.Text, "U8": lang.U8}
    made: Callable[..., Any] = lang.generate(text, "program_main", names)
    return made


def _evaluated(note: Any, function: Any) -> Any:
    return eval(note, function.__globals__) if isinstance(note, str) else note


def compile_program(source: Path, arch: str, out: Path, *, optimize: str = "2") -> Artifact:
    """Build the program in the file `source` into the ELF file `out`. Raises CompileError."""
    goal = target(arch, "user")
    module = import_program(source)
    main = _main_of(module, source)
    start = importlib.import_module("cloudos.sdk.start")
    image = start.IMAGE
    compiled, _ = translate(
        goal,
        image.entries,
        assemblies=image.assemblies,
        substitutes={start.program_main: _adapter(main, source)},
    )
    build(
        compiled.units, goal, output=out, optimize=optimize, entry=image.entry_symbol,
        linker_script=image.linker_script, cache=cache_folder(), lto=True,
    )  # fmt: skip
    return Artifact(out)


def compile_image(image: lang.ProgramImage, arch: str, out: Path, *, optimize: str = "2") -> Artifact:
    """Build what an image names, for user mode and without the SDK, into the ELF file `out`. Raises CompileError."""
    goal = target(arch, "user")
    compiled, _ = translate(goal, image.entries, assemblies=image.assemblies)
    build(
        compiled.units, goal, output=out, optimize=optimize, entry=image.entry_symbol,
        linker_script=image.linker_script, cache=cache_folder(), lto=True,
    )  # fmt: skip
    return Artifact(out)


# Host libraries


def compile_host(
    functions: Sequence[Callable[..., Any]],
    out: Path,
    optimize: str = "2",
    bindings: Mapping[Any, dict[TypeVar, Any]] | None = None,
) -> HostLibrary:
    """Build functions into a shared object that this process loads; `bindings` fills in type variables."""
    goal = host_target()
    compiled, entries = translate(goal, functions, bindings=bindings, host=True)
    support = Unit(HOST_SUPPORT_NAME, PRELUDE + HOST_SUPPORT_SOURCE)
    build([*compiled.units, support], goal, output=out, optimize=optimize, cache=cache_folder())
    return HostLibrary(out, entries)


def compile_library(image: lang.ProgramImage, out: Path, *, optimize: str = "2") -> Artifact:
    """Build a shared object that another process of this machine loads: see `exported` and `imported`.

    It must bring `cloudos_panic`, and has no heap. Raises CompileError.
    """
    goal = host_target()
    compiled, _ = translate(goal, image.entries, assemblies=image.assemblies)
    build(compiled.units, goal, output=out, optimize=optimize, cache=cache_folder())
    return Artifact(out)


__all__ = [
    "Artifact", "CompileError", "Diagnostic", "HostLibrary", "compile_host", "compile_image", "compile_kernel",
    "compile_library",
    "compile_program",
]  # fmt: skip
