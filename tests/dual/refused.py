"""Programs that must be refused: `§` stands before the construct that the message points at."""

from __future__ import annotations

from typing import NamedTuple

HEADER = """\
from __future__ import annotations

from typing import Generic, Literal, NoReturn, Protocol, TypeVar

from cloudos.lang import (
    F64, I8, I32, I64, U8, U16, U32, U64, Array, Atomic, Error, IntEnum, PhysAddr, Ptr, Slice, UserPtr, VirtAddr,
    copy, data, enum, interpreted, length_of, managed, new_slice, null, offset_of, panic, struct, write_text, zeroed,
)

T = TypeVar("T")


class Broken(Error):
    code = 931


@enum(U8)
class Color(IntEnum):
    RED = 1
    GREEN = 2


@struct
class Point:
    x: U32 = U32(0)
    y: U32 = U32(0)

    def total(self) -> U32:
        return self.x + self.y


@struct
class Holder:
    point: Point = zeroed()
    pointer: Ptr[Point] = null()
    items: Array[U64, Literal[4]] = zeroed()


@managed
class Box:
    value: U64


HOLDER = Holder()


"""


class Case(NamedTuple):
    """A program (entry function `run`), and a part of the message it must be refused with."""

    name: str
    text: str
    fragment: str


def one_line(name: str, line: str, fragment: str) -> Case:
    """A case whose body is one line; a, b are U64, s is U8, i is I64, f is F64, t a bool."""
    text = f"def run(a: U64, b: U64, s: U8, i: I64, f: F64, t: bool) -> None:\n    {line}\n"
    return Case(name, text, fragment)


CASES = [
    # Types of operands
    one_line("mixed widths", "x = §a + s", "'+' of U64 and U8"),
    one_line("mixed signs", "x = §a * i", "U64 and I64"),
    one_line("mixed comparison", "x = §a < s", "U64"),
    one_line("mixed equality", "x = §a == i", "U64"),
    one_line("integer and float", "x = §f + a", "F64"),
    one_line("true division", "x = §a / b", "'/'"),
    one_line("power", "x = §a ** b", "'**'"),
    one_line("negative unsigned", "x = §-a", "U64"),
    one_line("not of an integer", "x = not §a", "condition must be a bool"),
    one_line("integer condition", "if §a:\n        pass", "condition must be a bool"),
    one_line("integer in and", "x = t and §a", "condition must be a bool"),
    one_line("while condition", "while §s:\n        pass", "condition must be a bool"),
    one_line("float operator", "x = §f % f", "'%'"),
    one_line("constant too large", "x = §s + 256", "does not fit"),
    one_line("negative constant", "x = §a + -1", "does not fit"),
    one_line("constant conversion", "x = §U8(300)", "does not fit"),
    one_line("bad constant shift", "x = §s << 8", "shift"),
    one_line("bare number", "§x = 3", "width"),
    one_line("bool arithmetic", "x = §t + t", "bool"),
    one_line("string and number", "x = §'a' + a", "str"),
    one_line("bytes without data", "§x = b'ab'", "data(b"),
    one_line("huge constant", "x = a + (§1 << 1099511627776)", "too large"),
    one_line("array without a type", "x = §Array()", "needs the type"),
    one_line("float of a bool", "x = §F64(True)", "bool does not convert to F64"),
    one_line("offset of no field", "x = U64(§offset_of(Point, 0))", "Point has no field 0"),
    one_line("offset in no struct", "x = U64(§offset_of(U64, 'x'))", "U64 is no struct"),
    one_line("length of no array", "x = U64(§length_of(Point))", "Point is no array"),
    one_line("offset of nothing", "x = U64(§offset_of(Point))", "offset_of"),
    one_line("object for a type", "x = §Pair[HOLDER](HOLDER, HOLDER)", "is no type"),
    # Statements and expressions that are not supported
    one_line("list display", "x = §[a, b]", "not supported"),
    one_line("dict display", "x = §{a: b}", "not supported"),
    one_line("set display", "x = §{a, b}", "not supported"),
    one_line("list comprehension", "x = §[y for y in HOLDER.items]", "not supported"),
    one_line("generator expression", "x = §(y for y in HOLDER.items)", "not supported"),
    one_line("lambda", "x = §lambda y: y", "not supported"),
    one_line("walrus", "x = (§y := a) + 1", "not supported"),
    one_line("del", "§del a", "not supported"),
    one_line("global", "§global HOLDER", "not supported"),
    one_line("nested function", "§def inner() -> None:\n        pass", "not supported"),
    one_line("nested class", "§class Inner:\n        pass", "not supported"),
    one_line("import", "§import os", "not supported"),
    one_line("yield", "§yield a", "not supported"),
    one_line("star unpacking", "x, *y = §a, b, a", "unpacked"),
    one_line("star argument", "helper(§*HOLDER.items)", "not supported"),
    one_line("chained assignment", "§x = y = a", "one target"),
    one_line("negative index", "x = HOLDER.items[§-1]", "negative index"),
    one_line("signed index", "x = HOLDER.items[§i]", "unsigned"),
    one_line("index of a struct", "x = §HOLDER[0]", "no elements"),
    one_line("slice with a step", "x = HOLDER.items.slice()[::§2]", "step"),
    one_line("builtin range", "for x in §range(3):\n        pass", "range"),
    one_line("builtin len", "x = §len(HOLDER.items)", "len"),
    one_line("builtin print", "§print(a)", "print"),
    one_line("builtin open", "x = §open('a')", "open"),
    one_line("integer to bool", "x = §bool(a)", "bool(x)"),
    one_line("iterate an integer", "for x in §a:\n        pass", "cannot be iterated"),
    one_line("step of zero", "for x in U64.range(0, a, §0):\n        pass", "step"),
    one_line("format with repr", "write(§f'{a!r}')", "not supported"),
    one_line("unknown format", "write(§f'{a:q}')", "format"),
    # Names and attributes
    one_line("unknown name", "x = §unknown", "not defined"),
    one_line("unknown field", "x = §HOLDER.wrong", "wrong"),
    one_line("unknown field stored", "§HOLDER.wrong = a", "wrong"),
    one_line("unknown method", "§HOLDER.point.wrong()", "wrong"),
    one_line("method not called", "x = §HOLDER.point.total", "not called"),
    one_line("call of a number", "x = §a()", "cannot be called"),
    one_line("assigned to a global's name", "x = §HOLDER\n    HOLDER = x", "not be set"),
    # Wrong types
    one_line("wrong type stored", "HOLDER.point.x = §a", "expected U32, found U64"),
    one_line("wrong element stored", "HOLDER.items[0] = §s", "expected U64, found U8"),
    one_line("second type of a local", "x = a\n    §x = s", "U64"),
    one_line("wrong augmented type", "§a += s", "U64"),
    one_line("wrong argument", "helper(§s)", "expected U64, found U8"),
    one_line("missing argument", "§helper()", "missing"),
    one_line("too many arguments", "helper(a, §b)", "too many"),
    one_line("unknown keyword", "helper(wrong=§a)", "wrong"),
    one_line("wrong field type", "x = Point(§a)", "expected U32, found U64"),
    one_line("struct for a number", "helper(§HOLDER.point)", "expected U64"),
    one_line("None for a struct", "total(§None)", "expected Point"),
    one_line("addresses do not mix", "x = §PhysAddr(a) == VirtAddr(a)", "PhysAddr"),
    one_line("address arithmetic", "x = §PhysAddr(a) + 1", "PhysAddr"),
    one_line("user pointers cannot be loaded", "x = §UserPtr.at(Point, a).value", "value"),
    one_line("index of a pointer", "x = §HOLDER.pointer[0]", "no elements"),
    one_line("unpacking too many", "x, y = §pair(a)\n    z, w, v = §pair(a)".replace("§", "", 1), "unpacked"),
    one_line("unpacking a number", "x, y = §a", "unpacked"),
    one_line("equality of structs", "x = §HOLDER.point == HOLDER.point", "'=='"),
    one_line("is of numbers", "x = §a is b", "'is'"),
    one_line("never None", "x = §HOLDER.point is None", "never None"),
    # Errors
    one_line("raise of no error", "raise §Point", "Error"),
    one_line("raise of a builtin", "raise §ValueError", "Error"),
    one_line("error with payload", "raise §Broken(a)", "payload"),
    one_line("named error", "try:\n        pass\n    except Broken as §error:\n        pass".replace("§", ""), ""),
    one_line("bare raise", "§raise", "except"),
    # Whole functions
    Case("no result annotation", "§def run(a: U64):\n    pass\n", "does not say what it returns"),
    Case("no parameter annotation", "def run(§a) -> None:\n    pass\n", "has no type"),
    Case("variable parameters", "§def run(*a: U64) -> None:\n    pass\n", "variable number"),
    Case(
        "can end without a result", "§def run(a: U64) -> U64:\n    if a > 3:\n        return a\n", "without returning"
    ),
    Case("wrong result", "def run(a: U64) -> U8:\n    return §a\n", "expected U8, found U64"),
    Case("result of none", "def run(a: U64) -> None:\n    return §a\n", "expected None"),
    Case("declared never to return", "§def run(a: U64) -> NoReturn:\n    helper(a)\n", "never to return"),
    Case(
        "may not be set",
        "def run(a: U64) -> U64:\n    if a > 3:\n        x = a\n    return §x\n",
        "may not be set",
    ),
    Case(
        "may not be set after a loop",
        "def run(a: U64) -> U64:\n    for i in U64.range(a):\n        x = i\n    return §x\n",
        "may not be set",
    ),
    Case(
        "may not be set after try",
        "def run(a: U64) -> U64:\n    try:\n        fail(a)\n        x = a\n    except Broken:\n        pass\n"
        "    return §x\n",
        "may not be set",
    ),
    Case("escaping struct", "def run(a: U64) -> None:\n    p = Point()\n    §HOLDER.pointer = Ptr.to(p)\n", "outlive"),
    Case("escaping result", "def run(a: U64) -> None:\n    leak()\n", "local"),
    Case("not narrowed", "def run(a: U64) -> U32:\n    p = find(a)\n    return §p.x\n", "may be None"),
    Case(
        "narrowing ends with an assignment",
        "def run(a: U64) -> U32:\n    p = find(a)\n    if p is None:\n        return U32(0)\n    p = find(a + 1)\n"
        "    return §p.x\n",
        "may be None",
    ),
    Case("optional to plain parameter", "def run(a: U64) -> None:\n    total(§find(a))\n", "expected Point"),
    Case(
        "match leaves out a member",
        "def run(a: U8) -> U8:\n    §match Color(a):\n        case Color.RED:\n            return a\n    return a\n",
        "GREEN",
    ),
    Case(
        "match with a guard",
        "def run(a: U8) -> U8:\n    match a:\n        case 1 if §a > 3:\n            return a\n    return a\n",
        "not supported",
    ),
    Case(
        "match of a sequence",
        "def run(a: U8) -> U8:\n    match a:\n        case §[1, 2]:\n            return a\n    return a\n",
        "not supported",
    ),
    Case(
        "match of the same case twice",
        "def run(a: U8) -> U8:\n    match a:\n        case 1:\n            return a\n"
        "        case §1:\n            pass\n    return a\n",
        "earlier case",
    ),
    Case("interpreted function", "def run(a: U64) -> None:\n    §only_python()\n", "only under CPython"),
    Case(
        "generic without its type",
        "def run(a: U64) -> None:\n    x = §Pair(a, a)\n",
        "",
    ),
    Case("type argument without width", "def run(a: U64) -> None:\n    x = §Pair[int](a, a)\n", "has no width"),
    Case(
        "float format with groups",
        "def run(a: U64) -> None:\n    write(§f'{F64(a):,.1f}')\n",
        "do not work for floats",
    ),
    Case(
        "parameter without width",
        "def run(a: U64) -> None:\n    wide(3)\n\n\ndef wide(n: §int) -> None:\n    pass\n",
        "no width",
    ),
    Case("bare float", "def run(a: U64) -> None:\n    §x = 3.5\n", "write F64"),
    Case("generic class without its type", "def run(a: U64) -> bool:\n    return isinstance(a, §Pair)\n", "its types"),
    Case("async function", "§async def run(a: U64) -> None:\n    pass\n", ""),
    Case(
        "managed object in a struct",
        "@struct\nclass Wrong:\n    box: Box\n\n\ndef run(a: U64) -> None:\n    x = Wrong(Box(a))\n",
        "",
    ),
    Case(
        "protocol not satisfied",
        "class Shape(Protocol):\n    def area(self) -> U64: ...\n\n\ndef measure(shape: Shape) -> U64:\n"
        "    return shape.area()\n\n\ndef run(a: U64) -> U64:\n    return measure(§HOLDER.point)\n",
        "area",
    ),
    Case(
        "inherited fields",
        """\
@struct
class Wide(Point):
    z: U32 = U32(0)

def run(a: U64) -> U32:
    wide = §Wide()
    return wide.z
""",
        "inherits the fields of Point",
    ),
    Case(
        "parameter without width",
        """\
def shift(n: §int) -> U64:
    return U64(1)

def run(a: U64) -> U64:
    return shift(1)
""",
        "int has no width",
    ),
    Case(
        "result without width",
        """\
def one() -> §int:
    return 1

def run(a: U64) -> U64:
    return a + one()
""",
        "int has no width",
    ),
    Case(
        "field never set",
        """\
@managed
class Half:
    left: U64
    right: U64

    §def __init__(self, a: U64) -> None:
        self.left = a
        if a > 3:
            self.right = a

def run(a: U64) -> U64:
    return Half(a).left
""",
        "without setting the field 'right'",
    ),
    Case(
        "field read before it is set",
        """\
@managed
class Half:
    left: U64

    def __init__(self, a: U64) -> None:
        self.left = §self.left + a

def run(a: U64) -> U64:
    return Half(a).left
""",
        "the field 'left' may not be set here",
    ),
    one_line("name shown by an f-string", 'write(§f"{a=}")', "= are not supported"),
]

HELPERS = """

def helper(a: U64) -> None:
    pass


def total(point: Point) -> U32:
    return point.x


def pair(a: U64) -> tuple[U64, U64]:
    return a, a


def fail(a: U64) -> None:
    if a > 3:
        raise Broken


def find(a: U64) -> Point | None:
    return None if a > 3 else HOLDER.point


def leak() -> Ptr[Point]:
    p = Point()
    return Ptr.to(p)


@struct
class Pair(Generic[T]):
    left: T
    right: T


class Text(Protocol):
    def write(self, data: Slice[U8]) -> None: ...


def write(text: str) -> None:
    pass


@interpreted
def only_python() -> None:
    pass
"""
