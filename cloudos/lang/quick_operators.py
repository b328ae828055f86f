"""The operators of the integer types once more, for each type with its limits written in: tests run millions of them.

What is usual is done at once; all else, a panic above all, is left to the method of `Integer` of the same name.
"""

from __future__ import annotations

from typing import Any

ARITHMETIC = {"__add__": "+", "__sub__": "-", "__mul__": "*", "__and__": "&", "__or__": "|", "__xor__": "^"}
REVERSED = {
    "__add__": "__radd__",
    "__mul__": "__rmul__",
    "__and__": "__rand__",
    "__or__": "__ror__",
    "__xor__": "__rxor__",
}
COMPARISONS = {"__eq__": "==", "__ne__": "!=", "__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}

OPERATOR = """
def {name}(self, other):
    if other.__class__ is cls:
        value = self._value {operator} other._value
    elif other.__class__ is int and {least} <= other <= {most}:
        value = self._value {operator} other
    else:
        return usual(self, other)
    if {least} <= value <= {most}:
        result = new(cls)
        result._value = value
        return result
    return usual(self, other)
"""
COMPARISON = """
def {name}(self, other):
    if other.__class__ is cls:
        return self._value {operator} other._value
    if other.__class__ is int and {least} <= other <= {most}:
        return self._value {operator} other
    return usual(self, other)
"""
CONSTRUCTOR = """
def __init__(self, value):
    if value.__class__ is int and {least} <= value <= {most}:
        self._value = value
    else:
        usual(self, value)
"""


def install(cls: Any) -> None:
    """Give an integer type its own."""
    _make(cls, "__init__", CONSTRUCTOR, "")
    for name, operator in ARITHMETIC.items():
        _make(cls, name, OPERATOR, operator)
    for name, name_reversed in REVERSED.items():
        setattr(cls, name_reversed, getattr(cls, name))
    for name, operator in COMPARISONS.items():
        _make(cls, name, COMPARISON, operator)
    # Python takes it away from who defines __eq__.
    cls.__hash__ = cls.__mro__[1].__hash__


def _make(cls: Any, name: str, text: str, operator: str) -> None:
    usual = getattr(cls, name)
    space = {"cls": cls, "usual": usual, "new": object.__new__}
    # Under this file's name: a panic's place is where it was that this package was called from.
    exec(compile(text.format(name=name, operator=operator, least=cls.MIN, most=cls.MAX), __file__, "exec"), space)
    made: Any = space[name]
    made.__intrinsic__, made.__doc__ = usual.__intrinsic__, usual.__doc__
    made.__qualname__, made.__module__ = f"{cls.__name__}.{name}", cls.__module__
    setattr(cls, name, made)
