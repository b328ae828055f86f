"""Which functions keep references that they are given, so that nobody gives them one to local storage.

A function *keeps* a parameter when it stores a reference to it, or one found in it, in something that outlives the
call: static data, a managed object, or what another parameter refers to. `solve` follows this through calls, those
through tables of methods included, and refuses a call that would leave a reference to the caller's storage behind.
As in `escape.py`, a `Ptr` that is kept is the programmer's responsibility.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudos.compiler import tree
from cloudos.compiler.check import escape
from cloudos.compiler.check.checker import holds_reference
from cloudos.compiler.diagnostics import refuse_node
from cloudos.compiler.program import FunctionInstance, Program
from cloudos.compiler.typesystem import TEXT, ProtocolType, PtrType

if TYPE_CHECKING:
    from cloudos.compiler.check.checker import Checker

Source = tuple[int, bool]
"""A parameter by position, and whether the reference was found inside it (else it is to the parameter itself)."""

Kept = tuple[Source, int | None]
"""A source, and the parameter whose object keeps it; None for anything that outlives the call anyway."""


@dataclass(frozen=True)
class Passed:
    """One argument: whether it refers to the caller's storage, or holds references to it, and its own sources."""

    local: bool
    carries: bool
    sources: frozenset[Source]


@dataclass(frozen=True)
class Passing:
    """One call, with all its arguments."""

    caller: FunctionInstance
    callee: FunctionInstance | tuple[ProtocolType, str]
    arguments: tuple[Passed, ...]
    node: ast.AST


def sources_of(checker: Checker, value: tree.Expr) -> set[Source]:
    """The parameters that a reference may come from."""
    if isinstance(value, tree.Local):
        return checker.sources.get(value.name, set())
    found: set[Source] = set()
    inside = isinstance(value, tree.LoadField | tree.LoadIndex) and not value.type.is_place
    for part in escape.parts(value):
        if holds_reference(part.type) and part.type != TEXT:
            found |= {(index, inner or inside) for index, inner in sources_of(checker, part)}
    return found


def note_sources(checker: Checker, name: str, value: tree.Expr) -> None:
    """Record which parameters a name may refer to."""
    if holds_reference(value.type):
        checker.sources[name] = checker.sources.get(name, set()) | sources_of(checker, value)


def note_store(checker: Checker, base: tree.Expr | None, value: tree.Expr) -> None:
    """Record that a store keeps what `value` refers to: places are copied, only what they hold is kept."""
    if isinstance(value.type, PtrType) or not (holds_reference(value.type) and value.type != TEXT):
        return
    found = sources_of(checker, value)
    if value.type.is_place:
        found = {(index, True) for index, _ in found} if escape.embeds_reference(value.type) else set()
    if not found:
        return
    if base is not None and escape.is_local(checker, base):
        for root in escape.root_names(checker, base):
            checker.sources[root] = checker.sources.get(root, set()) | found
        return
    keepers: set[int | None] = {index for index, _ in sources_of(checker, base)} if base is not None else set()
    kept = checker.program.keeps.setdefault(checker.instance, set())
    kept |= {(source, keeper) for source in found for keeper in (keepers or {None})}


def note_call(
    checker: Checker,
    callee: FunctionInstance | tuple[ProtocolType, str],
    values: list[tree.Expr],
    node: ast.AST,
) -> None:
    """Record a call that passes references on."""
    passed = []
    for value in values:
        relevant = holds_reference(value.type) and value.type != TEXT and not isinstance(value.type, PtrType)
        local = relevant and escape.is_local(checker, value)
        carries = relevant and value.type.is_place and escape.carries_local(checker, value)
        passed.append(Passed(local, carries, frozenset(sources_of(checker, value) if relevant else ())))
    if any(entry.local or entry.carries or entry.sources for entry in passed):
        checker.program.passings.append(Passing(checker.instance, callee, tuple(passed), node))


def solve(program: Program) -> None:
    """Follow kept parameters through all calls. Raises CompileError for a call that would leave a reference behind."""
    changed = True
    while changed:
        changed = False
        for call in program.passings:
            for callee in _callees(program, call):
                for kept in list(program.keeps.get(callee, ())):
                    changed |= _follow(program, call, callee, kept)


def _callees(program: Program, call: Passing) -> list[FunctionInstance]:
    if isinstance(call.callee, FunctionInstance):
        return [call.callee]
    protocol, method = call.callee
    return [
        instance
        for (owner, name, _), instance in program.virtual_instances.items()
        if owner == protocol and name == method
    ]


def _follow(program: Program, call: Passing, callee: FunctionInstance, kept: Kept) -> bool:
    """What it means for the caller that the callee keeps a parameter; whether anything new came of it."""
    (index, inside), keeper = kept
    given = call.arguments[index]
    into = call.arguments[keeper] if keeper is not None else None
    if into is not None and into.local:
        return False
    if given.carries if inside else given.local:
        source = call.caller.source
        message = f"'{callee.display}' keeps a reference to what it is given here, which ends with this call"
        hint = "give it something that lives longer, or let it copy"
        raise refuse_node(source.path, call.node, message, hint, source.text)
    keepers: set[int | None] = {position for position, _ in into.sources} if into is not None else set()
    new = {((position, inner or inside), target) for position, inner in given.sources for target in (keepers or {None})}
    known = program.keeps.setdefault(call.caller, set())
    before = len(known)
    known |= new
    return len(known) > before
