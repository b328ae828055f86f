"""C text of functions: prototypes, bodies, machine templates, tables of methods."""

from __future__ import annotations

import re
from typing import Any

from cloudos.compiler.diagnostics import refuse_node
from cloudos.compiler.instructions import Branch, Do, FunctionCode, Instruction, Jump, Label
from cloudos.compiler.lower.builder import RESULT, c_result, result_type
from cloudos.compiler.program import FunctionInstance, Parameter, Program
from cloudos.compiler.shorten import FAST_SECTION, OFTEN_SECTION
from cloudos.compiler.typesystem import NEVER, ManagedType, ProtocolType, TupleType, Type, TypeOf, is_counted

HOOKS = ("cloudos_panic", "cloudos_panic_text")
"""Functions that the program defines and emitted code calls; no part of it where all panics are traps."""


def value_parameters(instance: FunctionInstance) -> list[Parameter]:
    """The parameters that exist in machine code."""
    return [entry for entry in instance.parameters if not isinstance(entry.type, TypeOf)]


def c_return(program: Program, instance: FunctionInstance) -> str:
    """The C return type."""
    found = c_result(program, instance)
    if result_type(instance) is None:
        return found or "void"
    return f"{found}_r" if instance.abi_raises else f"{found}_v"


def parameter_list(program: Program, instance: FunctionInstance) -> str:
    """The C parameters, with the place of the result first when the caller provides it."""
    entries = [f"{program.type_name(entry.type)}_v p_{entry.name}" for entry in value_parameters(instance)]
    if instance.fresh_result:
        entries.insert(0, f"{program.type_name(instance.result)}_v out")
    return ", ".join(entries) or "void"


def prototype(program: Program, instance: FunctionInstance) -> str:
    """The declaration of a function."""
    marks = ""
    if instance.result == NEVER and not instance.abi_raises:
        marks += "__attribute__((noreturn, cold)) "
    if program.target.kind == "kernel":
        # The limit on the kernel's size is tight, and few of its functions are called often.
        fast = getattr(instance.live, "__fast__", False)
        # LLVM's outliner of AArch64, which costs less, leaves alone what has a section.
        if fast or (getattr(instance.live, "__often__", False) and program.target.arch == "x86_64"):
            marks += f'__attribute__((section("{FAST_SECTION if fast else OFTEN_SECTION}{instance.symbol}"))) '
        if not fast:
            marks += "__attribute__((minsize)) "
    if getattr(instance.live, "__inlined__", False):
        marks += "__attribute__((always_inline)) "
    if getattr(instance.live, "__never_inlined__", False):
        marks += "__attribute__((noinline)) "
    if program.target.kind == "host" and instance.exported and instance.symbol not in HOOKS:
        # What the loading process has, or looks for. All else is hidden.
        marks += '__attribute__((visibility("default"))) '
    if instance.kept or (instance.exported and instance.kind == "python" and instance.symbol not in HOOKS):
        marks += "__attribute__((used)) "
    return f"{marks}{c_return(program, instance)} {instance.symbol}({parameter_list(program, instance)})"


def site_number(program: Program, path: str, line: int) -> int:
    """File and line as panics carry them."""
    return (program.file_index(path) << 16) | min(line, 0xFFFF)


def function_text(program: Program, code: FunctionCode) -> str:
    """The definition of a function."""
    instance = code.instance
    path = instance.source.path
    first = instance.source.node.lineno
    lines = [prototype(program, instance) + " {", "    u32 error = 0;"]
    for name, kind in code.variables.items():
        # Beside an error the result means nothing: giving it no value saves the instruction on the way out.
        initial = name if name == RESULT and not is_counted(kind) else f"ZERO_{program.type_name(kind)}"
        lines.append(f"    {program.type_name(kind)}_v {name} = {initial};")
    for name, kind in code.storage.items():
        lines.append(f"    {program.type_name(kind)}_s {name};")
    for name, text in code.raw.items():
        lines.append(f"    {text} {name};")
    # C counts lines on from a #line: all that belongs to one Python line stands on one.
    rows = [f'#line {first} "{path}"', " ".join(lines)]
    current = first
    for instruction in code.instructions:
        line = getattr(instruction, "line", 0) or current
        site = f"{site_number(program, path, line)}u"
        text = _instruction(instruction).replace("@", site)
        if line == current:
            rows[-1] += text
        else:
            rows += [f'#line {line} "{path}"', text]
            current = line
    rows[-1] += _leave(program, instance) + " }"
    return "\n".join(rows)


def _instruction(instruction: Instruction) -> str:
    if isinstance(instruction, Do):
        return f"    {instruction.dest} = {instruction.text};" if instruction.dest else f"    {instruction.text};"
    if isinstance(instruction, Label):
        return f"{instruction.name}:;"
    if isinstance(instruction, Jump):
        return f"    goto {instruction.target};"
    if isinstance(instruction, Branch):
        condition = f"UNLIKELY({instruction.condition})" if instruction.unlikely else instruction.condition
        return f"    if ({condition}) goto {instruction.target};"
    rows = [f"    switch ({instruction.subject}) {{"]
    for numbers, label in instruction.cases:
        rows.append(" ".join(f"case {number}:" for number in numbers) + f" goto {label};")
    rows.append(f"default: {f'goto {instruction.default}' if instruction.default else 'PANIC(BAD_ENUM, @)'};")
    return " ".join([*rows, "}"])


def _leave(program: Program, instance: FunctionInstance) -> str:
    kind = result_type(instance)
    if instance.result == NEVER and not instance.abi_raises:
        return "    __builtin_unreachable();"
    if kind is None:
        return "    return error;" if instance.abi_raises else "    return;"
    if instance.abi_raises:
        return f"    return ({program.type_name(kind)}_r){{error, result}};"
    return "    return result;"


# Machine templates

REGISTER_CONSTRAINT = re.compile(r"(=?&?)\{(\w+)\}")


def machine_text(program: Program, instance: FunctionInstance) -> str:
    """A function whose body is an inline template."""
    template = instance.live.__machine__.get(program.target.arch)
    if template is None:
        source = instance.source
        message = f"'{instance.display}' has no template for {program.target.arch}"
        raise refuse_node(source.path, source.node, message, "", source.text)
    if template.register is not None:
        return _held(program, instance, template.register)
    kind = result_type(instance)
    declare, leave = "", ""
    outputs = Operands(template.clobbers)
    inputs = Operands(template.clobbers)
    if kind is not None:
        declare = f"{program.type_name(kind)}_v result; "
        leave = " return result;"
        if isinstance(kind, TupleType):
            for number, constraint in enumerate(template.results):
                outputs.add(f"result{number}", constraint, f"result.i{number}")
        else:
            outputs.add("result", str(template.result), "result")
    elif instance.result == NEVER:
        leave = " __builtin_unreachable();"
    for name, constraint in template.inputs.items():
        inputs.add(name, constraint, f"p_{name}")
    clobbers = ", ".join(f'"{entry}"' for entry in template.clobbers if entry not in inputs.lost)
    volatile = " volatile" if template.volatile else ""
    changed = ", ".join([*outputs.texts, *inputs.changed])
    body = f"__asm__{volatile}({c_text(template.text)} : {changed} : {', '.join(inputs.texts)} : {clobbers});"
    head = f"OPERATION {c_return(program, instance)} {instance.symbol}({parameter_list(program, instance)})"
    before, after = outputs.declared + inputs.declared, outputs.stored
    return f"{head} {{ {declare}{before}{body}{after}{leave} }}"


def _held(program: Program, instance: FunctionInstance, register: str) -> str:
    """A function that gives what a register holds, which code then uses in its place."""
    variable = f"held_{instance.symbol}"
    head = f"OPERATION {c_return(program, instance)} {instance.symbol}({parameter_list(program, instance)})"
    return f'register u64 {variable} __asm__("{register}"); {head} {{ return {variable}; }}'


class Operands:
    """Inputs or outputs of a template. A constraint `{x0}` names a register, on machines that have no letter for it:
    C says that through a variable. A register that is an input and lost is an output too, whose value nobody wants."""

    def __init__(self, clobbers: tuple[str, ...]) -> None:
        self.clobbers = clobbers
        self.texts: list[str] = []
        self.changed: list[str] = []
        self.lost: set[str] = set()
        self.declared = self.stored = ""

    def add(self, name: str, constraint: str, value: str) -> None:
        """Add an operand with its C expression."""
        found = REGISTER_CONSTRAINT.fullmatch(constraint)
        if found is None:
            self.texts.append(f'[{name}] "{constraint}"({value})')
            return
        place, register = f"in_{name}", found[2]
        self.declared += f'register __typeof__({value}) {place} __asm__("{register}")'
        self.declared += "; " if found[1] else f" = {value}; "
        if found[1]:
            self.texts.append(f'[{name}] "{found[1]}r"({place})')
            self.stored += f" {value} = {place};"
        elif register in self.clobbers:
            self.changed.append(f'[{name}] "+r"({place})')
            self.lost.add(register)
        else:
            self.texts.append(f'[{name}] "r"({place})')


def c_text(text: str) -> str:
    """Assembly text as C string literals, a line each."""
    rows = [row.strip() for row in text.strip().splitlines()]
    escaped = [row.replace("\\", "\\\\").replace('"', '\\"') for row in rows]
    return " ".join(f'"{row}\\n"' if len(rows) > 1 else f'"{row}"' for row in escaped)


# Tables of methods


def table_type(program: Program, protocol: ProtocolType, methods: list[str]) -> str:
    """The struct of a protocol's table."""
    rows = [f"struct table_{program.type_name(protocol)} {{"]
    if _has_counts(program):
        rows.append("    struct table base;")
    for method in methods:
        signature = program.virtual_signature(protocol, method)
        rest = [f"{program.type_name(entry.type)}_v" for entry in value_parameters(signature)[1:]]
        rows.append(f"    {c_return(program, signature)} (*m_{method})({', '.join(['void *', *rest])});")
    return "\n".join([*rows, "};"])


def _has_counts(program: Program) -> bool:
    """Whether objects may be counted references: kernels have none."""
    return program.target.kind != "kernel"


def table_data(program: Program, protocol: ProtocolType, kind: Type, methods: list[str]) -> str:
    """The table of one class, with the functions that adapt its methods."""
    symbol = program.table_symbol(protocol, kind)
    rows: list[str] = []
    fields = []
    for method in methods:
        signature = program.virtual_signature(protocol, method)
        instance = program.virtual_instances[protocol, method, kind]
        _require_same(program, signature, instance)
        rows.append(_adapter(program, f"{symbol}__{method}", signature, instance))
        fields.append(f".m_{method} = {symbol}__{method}")
    counts = "{0, 0}"
    if isinstance(kind, ManagedType):
        name = program.type_name(kind)
        rows.append(f"static void {symbol}__retain(void *object) {{ retain_{name}(({name}_v)object); }}")
        rows.append(f"static void {symbol}__release(void *object) {{ release_{name}(({name}_v)object); }}")
        counts = f"{{{symbol}__retain, {symbol}__release}}"
    if _has_counts(program):
        fields.insert(0, f".base = {counts}")
    rows.append(f"const struct table_{program.type_name(protocol)} {symbol} = {{ {', '.join(fields)} }};")
    return "\n".join(rows)


def _require_same(program: Program, signature: FunctionInstance, instance: FunctionInstance) -> None:
    wanted = [entry.type for entry in signature.parameters[1:]]
    found = [entry.type for entry in instance.parameters[1:]]
    if wanted != found or signature.result != instance.result or instance.fresh_result:
        source = instance.source
        message = f"'{instance.display}' differs from '{signature.display}' in parameters or result"
        hint = "give both the same types; a struct result must be an existing object"
        raise refuse_node(source.path, source.node, message, hint, source.text)


def _adapter(program: Program, name: str, signature: FunctionInstance, instance: FunctionInstance) -> str:
    rest = value_parameters(signature)[1:]
    declared = ", ".join(["void *self", *(f"{program.type_name(entry.type)}_v a{n}" for n, entry in enumerate(rest))])
    self_type = program.type_name(instance.parameters[0].type)
    call = f"{instance.symbol}({', '.join([f'({self_type}_v)self', *(f'a{n}' for n in range(len(rest)))])})"
    returned = c_return(program, signature)
    if signature.abi_raises == instance.abi_raises:
        body = f"{'return ' if returned != 'void' else ''}{call};"
    elif result_type(signature) is None:
        body = f"{call}; return 0;"
    else:
        body = f"return ({returned}){{0, {call}}};"
    return f"static {returned} {name}({declared}) {{ {body} }}"


def text_thunk(program: Program, instance: FunctionInstance) -> tuple[str, str]:
    """The struct of an f-string's captured values and the function that unpacks them."""
    captured = instance.parameters[1:]
    fields = " ".join(f"{program.type_name(entry.type)}_v c{n};" for n, entry in enumerate(captured))
    struct = f"struct env_{instance.symbol} {{ {fields} }};"
    values = "".join(f", environment->c{n}" for n in range(len(captured)))
    call = f"{instance.symbol}(sink{values})"
    body = f"return {call};" if instance.abi_raises else f"{call}; return 0;"
    function = (
        f"u32 {instance.symbol}__thunk(const void *data, proto_t sink) "
        f"{{ const struct env_{instance.symbol} *environment = data; (void)environment; {body} }}"
    )
    return struct, function


__all__ = ["Any", "function_text", "machine_text", "prototype", "table_data", "table_type", "text_thunk"]
