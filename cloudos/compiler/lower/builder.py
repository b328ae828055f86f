"""The state of lowering one function: fresh names, the contexts that an exit passes through, reference counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudos.compiler import tree
from cloudos.compiler.instructions import Branch, Do, FunctionCode, Instruction, Jump, Label
from cloudos.compiler.program import FunctionInstance, Program
from cloudos.compiler.typesystem import NEVER, NONE, TEXT, BoolType, Type, is_counted

ERROR = "error"
RESULT = "result"


@dataclass
class LoopContext:
    """A loop: where break and continue go."""

    on_break: str
    on_continue: str


@dataclass
class FinalContext:
    """A finally part that every exit runs."""

    body: list[tree.Stmt]


@dataclass
class HandlerContext:
    """Where an error goes from here."""

    label: str


Context = LoopContext | FinalContext | HandlerContext


@dataclass
class Builder:
    """Appends instructions to one function."""

    program: Program
    instance: FunctionInstance
    code: FunctionCode
    contexts: list[Context] = field(default_factory=list)
    caught: list[str] = field(default_factory=list)
    """Variables that hold the error being handled, innermost last."""
    number: int = 0

    # Names

    def fresh(self, prefix: str) -> str:
        """A new name."""
        self.number += 1
        return f"{prefix}{self.number}"

    def variable(self, kind: Type, prefix: str = "t") -> str:
        """A new variable; counted ones are released when the function ends."""
        name = self.fresh(prefix)
        self.code.variables[name] = kind
        if is_counted(kind):
            self.code.counted.append(name)
        return name

    def place(self, kind: Type) -> str:
        """New storage for a struct or an array on the stack of the function."""
        name = self.fresh("s")
        self.code.storage[name] = kind
        return name

    # Instructions

    def add(self, instruction: Instruction) -> None:
        """Append an instruction."""
        self.code.instructions.append(instruction)

    def do(self, line: int, form: str, *operands: str) -> None:
        """Append an instruction without a result."""
        self.add(Do(line, None, form, operands))

    def compute(self, kind: Type, line: int, form: str, *operands: str) -> str:
        """Append an instruction with a result that is not counted, or is borrowed and will not outlive the line."""
        name = self.fresh("t")
        self.code.variables[name] = kind
        self.add(Do(line, name, form, operands))
        return name

    def label(self, name: str) -> None:
        """Place a label."""
        self.add(Label(name))

    def jump(self, line: int, target: str) -> None:
        """Go to a label."""
        self.add(Jump(line, target))

    def branch(self, line: int, condition: str, target: str, unlikely: bool = False) -> None:
        """Go to a label when the condition holds."""
        self.add(Branch(line, condition, target, unlikely))

    # Reference counts

    def type_name(self, kind: Type) -> str:
        """The name of a type in C identifiers."""
        return self.program.type_name(kind)

    def keep(self, line: int, name: str, kind: Type, value: str) -> None:
        """Put a borrowed value into a counted variable."""
        self.do(line, f"keep_{self.type_name(kind)}(&{{0}}, {{1}})", name, value)

    def take(self, line: int, name: str, kind: Type, value: str) -> None:
        """Put a value that is already counted for us into a counted variable."""
        self.do(line, f"take_{self.type_name(kind)}(&{{0}}, {{1}})", name, value)

    def set(self, line: int, name: str, kind: Type, value: str) -> None:
        """Assign a variable of any type."""
        if is_counted(kind):
            self.keep(line, name, kind, value)
        else:
            self.add(Do(line, name, "{0}", (value,)))

    def borrowed(self, kind: Type, line: int, form: str, *operands: str) -> str:
        """The value of `form`, kept alive until the function ends when it is counted."""
        value = self.compute(kind, line, form, *operands)
        if not is_counted(kind):
            return value
        name = self.variable(kind)
        self.keep(line, name, kind, value)
        return name

    def owned(self, kind: Type, line: int, form: str, *operands: str) -> str:
        """The value of `form`, which hands a count over when it is counted."""
        value = self.compute(kind, line, form, *operands)
        if not is_counted(kind):
            return value
        name = self.variable(kind)
        self.take(line, name, kind, value)
        return name

    # Errors

    def error_target(self) -> str:
        """Where an error goes from this point."""
        for context in reversed(self.contexts):
            if isinstance(context, HandlerContext):
                return context.label
        return "failed"

    def check_error(self, line: int) -> None:
        """Leave for the handler when `error` is set."""
        self.branch(line, ERROR, self.error_target(), unlikely=True)


def result_type(instance: FunctionInstance) -> Type | None:
    """The type that the function returns by value, or None when it returns nothing or into the caller's storage."""
    if instance.result in (NONE, NEVER) or instance.fresh_result:
        return None
    return instance.result


def c_result(program: Program, instance: FunctionInstance) -> str:
    """The key of the function's C return type: '', 'u32' (error only), or names of value and error structs."""
    kind = result_type(instance)
    if kind is None:
        return "u32" if instance.abi_raises else ""
    return program.type_name(kind)


__all__ = ["ERROR", "RESULT", "TEXT", "BoolType", "Builder", "FinalContext", "HandlerContext", "LoopContext"]
