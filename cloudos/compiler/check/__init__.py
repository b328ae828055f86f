"""Second pass: from syntax to the typed tree, or a refusal with its place and what to write instead.

`check_program` works through the functions reachable from the entries. Read `checker.py` for the state, then
`statements.py`, `expressions.py`, `operators.py`, `calls.py`; `flow.py` and `narrowing.py` hold what is known at a
point, `escape.py` what may not leave its function.
"""

from __future__ import annotations

from cloudos.compiler.check.checker import Checker, declared_method, make_instance, member, protocol_methods
from cloudos.compiler.check.construction import require_all
from cloudos.compiler.diagnostics import CompileError, with_origin
from cloudos.compiler.program import FunctionInstance, Program, origin_of_need, plain_function
from cloudos.compiler.typesystem import NEVER, NONE, ManagedType, ProtocolType, StructType, Type, strip_optional


def check_instance(program: Program, instance: FunctionInstance) -> None:
    """Check the body of one function instance. What is refused in library code says what of the program led there."""
    if instance.checked:
        return
    caller = program.here
    try:
        _check_function(program, instance)
    except CompileError as error:
        inside = not instance.source.path.startswith(("cloudos/", "<"))
        raise error if inside else with_origin(error, origin_of_need(instance.needed_by)) from None
    program.here = caller


def _check_function(program: Program, instance: FunctionInstance) -> None:
    from cloudos.compiler.check.statements import check_body

    instance.checking = True
    checker = Checker(program, instance)
    for parameter in instance.parameters:
        checker.locals[parameter.name] = parameter.type
        checker.flow.assigned.add(parameter.name)
    instance.body = check_body(checker, checker.source.node.body)
    if not checker.flow.dead and instance.result not in (NONE,):
        if instance.result == NEVER:
            checker.refuse(checker.source.node, f"'{instance.display}' is declared never to return, but can")
        checker.refuse(checker.source.node, f"'{instance.display}' can end without returning {instance.result}")
    if not checker.flow.dead:
        require_all(checker, checker.source.node)
    instance.fresh_result = bool(checker.fresh)
    instance.checking = False
    instance.checked = True


def _add_methods(program: Program, protocol: ProtocolType, kind: Type) -> None:
    assert isinstance(kind, StructType | ManagedType)
    for name in protocol_methods(protocol.cls):
        declared_method(program, protocol, name)
        function = plain_function(member(kind.cls, name))
        program.virtual_instances[protocol, name, kind] = make_instance(program, function, kind, {})


def check_program(program: Program) -> None:
    """Check everything reachable from the queued instances."""
    program.on_implementer = lambda protocol, kind: _add_methods(program, protocol, kind)
    while program.queue:
        instance = program.queue.pop()
        if instance.kind == "python":
            check_instance(program, instance)


def reach_drop(program: Program, kind: ManagedType) -> None:
    """The `drop` method of a managed class is called by the compiler: make it part of the program."""
    if kind not in program.drops:
        function = plain_function(member(kind.cls, "drop"))
        program.drops[kind] = None
        from cloudos.compiler.emit.declarations import field_types

        # What its fields hold is released with it, even if this program never makes such an object.
        for _, inner in field_types(kind):
            inner = strip_optional(inner)
            if isinstance(inner, ManagedType):
                reach_drop(program, inner)
        if function is not None:
            program.drops[kind] = make_instance(program, function, kind, {})


__all__ = ["check_instance", "check_program", "reach_drop"]
