"""The intermediate form: what `lower` makes and `emit` writes as C.

A function is a list of instructions over named variables. Operands are variables or constants, never nested
expressions, so that the order of evaluation is the order of the list. `form` is a C expression with `{0}`, `{1}` for
the operands and `@` for the panic site of the line; `str()` of an instruction shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudos.compiler.program import FunctionInstance
from cloudos.compiler.typesystem import Type


@dataclass(frozen=True)
class Do:
    """Compute `form` and keep it in `dest`, if there is one."""

    line: int
    dest: str | None
    form: str
    operands: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The expression as C."""
        return self.form.format(*self.operands)

    def __str__(self) -> str:
        text = self.text
        return f"    {self.dest} = {text}" if self.dest else f"    {text}"


@dataclass(frozen=True)
class Label:
    name: str

    def __str__(self) -> str:
        return f"{self.name}:"


@dataclass(frozen=True)
class Jump:
    line: int
    target: str

    def __str__(self) -> str:
        return f"    goto {self.target}"


@dataclass(frozen=True)
class Branch:
    """Jump when the condition holds; go on otherwise. `likely` is False for error paths."""

    line: int
    condition: str
    target: str
    unlikely: bool = False

    def __str__(self) -> str:
        return f"    if {self.condition} goto {self.target}"


@dataclass(frozen=True)
class SwitchJump:
    line: int
    subject: str
    cases: tuple[tuple[tuple[int, ...], str], ...]
    default: str | None

    def __str__(self) -> str:
        rows = [f"{list(numbers)} -> {label}" for numbers, label in self.cases]
        return f"    switch {self.subject}: {'; '.join(rows)}; else {self.default}"


Instruction = Do | Label | Jump | Branch | SwitchJump


@dataclass
class FunctionCode:
    """A lowered function. `variables` hold values, `storage` holds places, `raw` has variables of C types
    of the back end's own (results with errors, captured values of texts)."""

    instance: FunctionInstance
    variables: dict[str, Type] = field(default_factory=dict)
    storage: dict[str, Type] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)

    def __str__(self) -> str:
        names = [f"    var {name}: {kind}" for name, kind in self.variables.items()]
        places = [f"    place {name}: {kind}" for name, kind in self.storage.items()]
        return "\n".join([f"function {self.instance.symbol}", *names, *places, *map(str, self.instructions)])
