"""Compiles many programs of system images, each in a process of its own, and to few bytes: all of them take memory.

What a compiled program depends on is known from the modules that its process imported (image.py): programs compiled one
after the other in one process would seem to depend on each other, and would all be compiled again when one changes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from cloudos.host import image, state
from cloudos.host.bootstrap import say, write_atomically
from cloudos.host.errors import ToolError

MOST_AT_ONCE = 2
"""A compilation takes some hundred MB of memory."""


def build_all(sources: Iterable[Path], architecture: str) -> dict[Path, Path]:
    """Compile what is not compiled yet; the ELF file of each source.

    Raises NotFound, CannotRun, CompileError and ToolError: those of the first program that cannot be compiled.
    """
    wanted = list(dict.fromkeys(sources))
    for source in wanted:
        image.check_source(source)
    stale = [source for source in wanted if not image.is_built(source, architecture, small=True)]
    if len(stale) == 1:
        say(f"compiling {shown(stale[0])}")
    elif stale:
        say(f"compiling {len(stale)} programs")
    _in_processes([(source, architecture) for source in stale])
    return {source: image.program_file(source, architecture, small=True) for source in wanted}


def names_of(source: Path, names: str, architecture: str) -> tuple[str, ...]:
    """The texts in an attribute: "ATTRIBUTE" of a program's own module, or "MODULE:ATTRIBUTE".

    They are kept beside the compiled program, and read again when anything changes that they were made from. Raises
    CompileError when the module cannot be imported, ToolError when it has no such attribute or it is none of texts.
    """
    compiled = image.program_file(source, architecture, small=True)
    output = compiled.with_name(f"{compiled.stem}-{''.join(c if c.isalnum() else '-' for c in names)}.json")
    if not image.up_to_date(output.with_suffix(".sources.json"), names, output):
        _in_processes([(source, names, str(output))])
    return tuple(json.loads(output.read_text()))


def _in_processes(tasks: list[tuple[Path, str] | tuple[Path, str, str]]) -> None:
    """Do all tasks, some at once. Raises what the first failed one raised, when all that had begun are done."""
    context = multiprocessing.get_context("fork")
    running: list[tuple[BaseProcess, Connection]] = []
    process: BaseProcess
    waiting = list(tasks)
    failure: BaseException | None = None
    try:
        while running or (waiting and failure is None):
            while waiting and failure is None and len(running) < min(MOST_AT_ONCE, os.cpu_count() or 1):
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(theirs, *waiting.pop(0)))
                process.start()
                theirs.close()
                running.append((process, ours))
            multiprocessing.connection.wait([ours for _, ours in running])
            for process, ours in [pair for pair in running if pair[1].poll()]:
                failure = failure or _result(process, ours)
                running.remove((process, ours))
    finally:
        for process, _ in running:
            process.terminate()
            process.join()
    if failure is not None:
        raise failure


def _result(process: BaseProcess, channel: Connection) -> BaseException | None:
    """What a process sent; the error for one that ended without a word."""
    try:
        found = channel.recv()
    except EOFError:
        process.join()
        return ToolError(f"a compilation ended with status {process.exitcode}", "please report this as a defect")
    finally:
        channel.close()
    process.join()
    assert found is None or isinstance(found, BaseException)
    return found


def _work(channel: Connection, source: Path, what: str, output: str = "") -> None:
    """In the new process: compile for the architecture `what`, or write the names in `what` to `output`."""
    failure: BaseException | None = None
    try:
        if output:
            path = Path(output)
            image.compiled(path, what, lambda: write_atomically(path, json.dumps(_names(source, what)).encode()))
        else:
            image.build_program(source, what, small=True)
    except (Exception, KeyboardInterrupt) as error:
        failure = error
    try:
        channel.send(failure)
    except Exception:  # not every exception can be sent
        channel.send(ToolError(f"{type(failure).__name__}: {failure}", "please report this as a defect"))


def _names(source: Path, names: str) -> list[str]:
    """Import the module and read its attribute. Raises CompileError, ToolError."""
    from importlib import import_module

    from cloudos.compiler import api

    module_name, _, attribute = names.rpartition(":")
    try:
        module = import_module(module_name) if module_name else api.import_program(source)
    except ImportError as error:
        raise ToolError(f"cannot import {module_name}: {error}", "names are in MODULE:ATTRIBUTE") from error
    found = getattr(module, attribute, None)
    if not isinstance(found, tuple | list) or not found or not all(isinstance(one, str) for one in found):
        place = module_name or shown(source)
        raise ToolError(f"{place} has no names in {attribute}", f'write for example {attribute} = ("ls", "cat")')
    return list(found)


def shown(path: Path) -> str:
    """A path for people: from the folder of CloudOS when it is in there."""
    try:
        return str(path.relative_to(state.ROOT))
    except ValueError:
        return str(path)
