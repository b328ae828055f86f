"""Changes to systems Python that keep it Python: for inputs of the compiler that get past the parser.

An input is a list of changes to a function of a good program. Each takes a few bytes: what to change, which node, what
to put there. All that is put there is taken from the program itself or from a short list of what the language knows.
"""

from __future__ import annotations

import ast
import copy
from typing import TypeVar

from tests.fuzz.target import Feed

N = TypeVar("N", bound=ast.AST)
MOST_CHANGES = 6
SNIPPETS = tuple(
    ast.parse(text, mode="eval").body
    for text in (
        "0", "1", "-1", "255", "256", "1 << 63", "(1 << 64) - 1", "True", "None", "1.5", "'text'", "b'bytes'", "f'{1}'",
        "U8(1)", "U64(0)", "I64(-1)", "U32(7)", "[1, 2]", "(1, 2)", "{1: 2}", "lambda: 0", "[x for x in y]", "not x",
        "x if y else z", "x.y", "x[0]", "x[1:2]", "x()", "Slice", "Ptr.to(x)", "null()", "zeroed()", "copy(x)", "self",
        "data(b'abc')", "U8", "x is None", "x in y", "1 < 2 < 3", "x and y", "(x := 1)", "(*x,)", "panic('no')", "~x",
        "await x", "...", "U8.range(3)", "U64.MAX", "F64(1)", "x.value", "x.length", "x == y", "U8(300)", "x ** y",
    )
)  # fmt: skip
STATEMENTS = tuple(
    ast.parse(text).body[0]
    for text in (
        "pass", "return", "return 1", "return x", "raise Error", "break", "continue", "x = 1", "x = U8(1)",
        "x: U8 = U8(1)",
        "x += 1", "del x", "global x", "assert x", "assert False, 'never'", "import os", "x, y = y, x", "x = y = 1",
        "while True:\n    pass", "for x in y:\n    pass", "if x:\n    pass", "try:\n    pass\nfinally:\n    return",
        "with x:\n    pass", "def inner():\n    return 1", "class Inner:\n    pass", "x.y = 1", "x[0] = 1", "yield x",
        "match x:\n    case 1:\n        pass\n    case _:\n        pass", "try:\n    x\nexcept Error:\n    raise", "x",
        "for x in U64.range(3):\n    continue\nelse:\n    pass", "nonlocal x", "async def f():\n    pass",
    )
)  # fmt: skip
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift,
             ast.RShift, ast.Div, ast.Pow, ast.MatMult)  # fmt: skip
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn)
TYPES = ("U8", "U16", "U32", "U64", "I8", "I64", "bool", "None", "F64", "Slice[U8]", "U64 | None", "tuple[U8, U8]",
         "str", "int", "Ptr[U8]", "Array[U8, Literal[4]]", "Nowhere", "U8 | U16", "Slice", "Array[U8, 4]",
         "3", "List[U8]")  # fmt: skip


class Mutator:
    """Changes one function."""

    def __init__(self, feed: Feed, function: ast.FunctionDef, module: ast.Module) -> None:
        self.feed = feed
        self.function = function
        self.pool = [node for node in ast.walk(module) if isinstance(node, ast.expr) and not is_place(node)]

    def run(self) -> None:
        """Make the changes of the input."""
        for _ in range(MOST_CHANGES):
            if not self.feed.left:
                return
            change = self.feed.choose(CHANGES)
            change(self)

    def node(self, *kinds: type[ast.AST]) -> ast.AST | None:
        """A node of the function's body of one of these kinds."""
        found = [node for statement in self.function.body for node in ast.walk(statement) if isinstance(node, kinds)]
        return found[self.feed.number(2) % len(found)] if found else None

    def expression(self) -> ast.expr:
        """Something to put in: of the program, or a snippet whose names are those of the function."""
        if self.feed.odds(2):
            chosen: ast.expr = copy.deepcopy(self.pool[self.feed.number(2) % len(self.pool)])
        else:
            chosen = copy.deepcopy(self.feed.choose(SNIPPETS))
        return self.with_names(chosen)

    def with_names(self, chosen: N) -> N:
        """The names x, y and z become names that the function has."""
        names = sorted({node.id for node in ast.walk(self.function) if isinstance(node, ast.Name)}
                       | {argument.arg for argument in self.function.args.args}) or ["x"]  # fmt: skip
        for node in ast.walk(chosen):
            if isinstance(node, ast.Name) and node.id in ("x", "y", "z"):
                node.id = names[self.feed.number() % len(names)]
        return chosen

    def replace_expression(self) -> None:
        """Another expression in a field that holds one."""
        parent = self.node(ast.AST)
        if parent is None:
            return
        fields = [(name, value) for name, value in ast.iter_fields(parent) if is_value(value)]
        if isinstance(parent, ast.JoinedStr | ast.FormattedValue):
            # Texts in an f-string, and its format specifications, are nodes that stand nowhere else.
            fields = [(name, value) for name, value in fields if name == "value"]
        if not fields:
            return
        name, value = self.feed.choose(fields)
        if isinstance(value, list):
            value[self.feed.number() % len(value)] = self.expression()
        else:
            setattr(parent, name, self.expression())

    def change_operator(self) -> None:
        """Another operator, or another constant or name."""
        node = self.node(ast.BinOp, ast.AugAssign, ast.Compare, ast.Constant, ast.Name)
        if isinstance(node, ast.BinOp | ast.AugAssign):
            node.op = self.feed.choose(OPERATORS)()
        elif isinstance(node, ast.Compare):
            node.ops[0] = self.feed.choose(COMPARISONS)()
        elif isinstance(node, ast.Constant):
            node.value = self.feed.choose(
                (0, 1, -1, 255, 256, 1 << 32, (1 << 64) - 1, 1 << 64, True, None, "t", b"t", 0.5)
            )
        elif isinstance(node, ast.Name):
            other = self.node(ast.Name)
            assert isinstance(other, ast.Name)
            node.id = other.id

    def blocks(self) -> list[list[ast.stmt]]:
        """Every list of statements in the function."""
        found = [self.function.body]
        for statement in self.function.body:
            for node in ast.walk(statement):
                for _, value in ast.iter_fields(node):
                    if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                        found.append(value)
        return found

    def change_statement(self) -> None:
        """Remove, repeat, swap or insert a statement."""
        block = self.feed.choose(self.blocks())
        at = self.feed.number() % len(block)
        form = self.feed.number() % 5
        if form == 0 and len(block) > 1:
            del block[at]
        elif form == 1:
            block.insert(at, copy.deepcopy(block[at]))
        elif form == 2:
            other = self.feed.number() % len(block)
            block[at], block[other] = block[other], block[at]
        elif form == 3:
            other_block = self.feed.choose(self.blocks())
            block.insert(at, copy.deepcopy(other_block[self.feed.number() % len(other_block)]))
        else:
            made: ast.stmt = self.with_names(copy.deepcopy(self.feed.choose(STATEMENTS)))
            block.insert(at, made)

    def change_types(self) -> None:
        """Another type of a parameter, the result or a local; one parameter less, or one more."""
        type_ = ast.parse(self.feed.choose(TYPES), mode="eval").body
        places: list[ast.arg | ast.AnnAssign] = list(self.function.args.args)
        places += [node for node in ast.walk(self.function) if isinstance(node, ast.AnnAssign)]
        form = self.feed.number() % (len(places) + 2)
        if form == len(places):
            self.function.returns = type_
        elif form > len(places):
            self.function.args.args.append(ast.arg("x", type_))
        else:
            places[form].annotation = type_

    def change_call(self) -> None:
        """An argument less, more, or by name."""
        node = self.node(ast.Call)
        if not isinstance(node, ast.Call):
            return
        form = self.feed.number() % 3
        if form == 0 and node.args:
            node.args.pop()
        elif form == 1:
            node.args.append(self.expression())
        elif node.args:
            node.keywords.append(ast.keyword("x", node.args.pop()))


CHANGES = (
    Mutator.replace_expression, Mutator.replace_expression, Mutator.change_operator, Mutator.change_operator,
    Mutator.change_statement, Mutator.change_types, Mutator.change_call,
)  # fmt: skip


def is_place(node: ast.expr) -> bool:
    """Whether something is assigned to it."""
    return isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)


def is_value(value: object) -> bool:
    """Whether a field holds an expression that is read, or several."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, ast.expr) and not is_place(one) for one in value)
    return isinstance(value, ast.expr) and not is_place(value)
