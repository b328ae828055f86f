"""Third pass: from the typed tree to instructions.

Evaluation order becomes the order of instructions; errors become branches; every way out of a function passes its
finally parts and then one place that releases what the function holds. `lower_function` is the entry.
"""

from __future__ import annotations

from cloudos.compiler.check.checker import assigned_in
from cloudos.compiler.instructions import Do, FunctionCode
from cloudos.compiler.lower.builder import ERROR, RESULT, Builder, result_type
from cloudos.compiler.lower.expressions import local_name
from cloudos.compiler.lower.statements import lower_body
from cloudos.compiler.program import FunctionInstance, Program
from cloudos.compiler.typesystem import LiveType, TypeOf, is_counted


def lower_function(program: Program, instance: FunctionInstance) -> FunctionCode:
    """Lower one checked function."""
    code = FunctionCode(instance)
    builder = Builder(program, instance, code)
    parameters = {parameter.name for parameter in instance.parameters}
    assigned = assigned_in(instance.source.node.body)
    line = instance.source.node.lineno
    for name, kind in instance.locals.items():
        if isinstance(kind, TypeOf | LiveType) or kind.__class__.__name__ in ("NoneType", "NeverType"):
            continue
        variable = local_name(builder, name)
        code.variables[variable] = kind
        borrowed = name in parameters and name not in assigned
        if is_counted(kind) and not borrowed:
            code.counted.append(variable)
        if borrowed:
            # The caller holds its arguments until the call is over.
            builder.add(Do(line, variable, "{0}", (f"p_{name}",)))
        elif name in parameters:
            # A parameter that is assigned to must be ours to release when it is counted.
            builder.set(line, variable, kind, f"p_{name}")
    result = result_type(instance)
    if result is not None:
        code.variables[RESULT] = result
    lower_body(builder, instance.body)
    builder.add(Do(line, ERROR, "0"))
    builder.label("failed")
    builder.label("done")
    for name in code.counted:
        builder.do(line, f"release_{program.type_name(code.variables[name])}({{0}})", name)
    return code
