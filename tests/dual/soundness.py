"""Programs whose references, optional names or unset names would go wrong when running: all must be refused."""

from __future__ import annotations

from tests.dual.refused import Case

SOUNDNESS = [
    Case(
        "narrowing: loop",
        """\
def run(a: U64) -> U32:
    p = find(a)
    total = U32(0)
    if p is None:
        return total
    for i in U64.range(a):
        total += §p.x
        p = find(a + i)
    return total
""",
        "may be None",
    ),
    Case(
        "narrowing: while",
        """\
def run(a: U64) -> U32:
    p = find(a)
    total = U32(0)
    if p is not None:
        while total < 100:
            total += §p.x
            p = find(a)
    return total
""",
        "may be None",
    ),
    Case(
        "narrowing: try",
        """\
def run(a: U64) -> U32:
    p = find(a)
    if p is None:
        return U32(0)
    try:
        p = find(a + 1)
        fail(a)
    except Broken:
        return §p.x
    return U32(1)
""",
        "may be None",
    ),
    Case(
        "narrowing: finally",
        """\
def run(a: U64) -> U32:
    p = find(a)
    if p is None:
        return U32(0)
    total = U32(0)
    try:
        p = None
        fail(a)
        p = HOLDER.point
    finally:
        total += §p.x
    return total
""",
        "may be None",
    ),
    Case(
        "narrowing: else loop",
        """\
def run(a: U64) -> U32:
    p: Point | None = HOLDER.point
    for i in U64.range(a):
        if i > 3:
            p = None
            continue
    return §p.x
""",
        "may be None",
    ),
    Case(
        "narrowing: break",
        """\
def run(a: U64) -> U32:
    p: Point | None = HOLDER.point
    while True:
        if a > 3:
            p = None
            break
        p = HOLDER.point
        if a > 2:
            break
    return §p.x
""",
        "may be None",
    ),
    Case(
        "assignment: try finally",
        """\
def run(a: U64) -> U64:
    try:
        fail(a)
        x = a
    finally:
        y = §x
    return y
""",
        "may not be set",
    ),
    Case(
        "assignment: handler",
        """\
def run(a: U64) -> U64:
    try:
        fail(a)
        x = a
    except Broken:
        return x
    return x
""",
        "may not be set",
    ),
    Case(
        "assignment: while",
        """\
def run(a: U64) -> U64:
    while a > 3:
        x = a
        a -= 1
    return §x
""",
        "may not be set",
    ),
    Case(
        "assignment: while true break",
        """\
def run(a: U64) -> U64:
    while True:
        if a > 3:
            break
        x = a
        break
    return §x
""",
        "may not be set",
    ),
    Case(
        "assignment: with",
        """\
def run(a: U64) -> U64:
    for i in U64.range(a):
        pass
    return §i
""",
        "may not be set",
    ),
    Case(
        "assignment: match",
        """\
def run(a: U64) -> U64:
    match a:
        case 1:
            x = a
        case 2:
            x = a
    return §x
""",
        "may not be set",
    ),
    Case(
        "assignment: and",
        """\
def run(a: U64) -> U64:
    if a > 3 and a < 9:
        x = a
    else:
        pass
    return §x
""",
        "may not be set",
    ),
    Case(
        "loop: text loop",
        """\
def run(a: U64) -> None:
    first = ""
    for i in U64.range(a):
        t = f"{i}"
        if i == 0:
            first = t
    write(first)
""",
        "next round",
    ),
    Case(
        "loop: struct loop",
        """\
def run(a: U64) -> U32:
    kept = HOLDER.point
    for i in U32.range(4):
        p = Point(i)
        if i == 0:
            kept = p
    return kept.x
""",
        "next round",
    ),
    Case(
        "loop: struct loop field",
        """\
def run(a: U64) -> U32:
    kept = HOLDER.point
    for i in U32.range(4):
        h = Holder()
        h.point.x = i
        if i == 0:
            kept = h.point
    return kept.x
""",
        "next round",
    ),
    Case(
        "loop: struct loop call",
        """\
def run(a: U64) -> U32:
    kept = HOLDER.point
    for i in U32.range(4):
        p = Point(i)
        if i == 0:
            kept = same(p)
    return kept.x
""",
        "next round",
    ),
    Case(
        "loop: struct loop slice",
        """\
def run(a: U64) -> U64:
    kept = HOLDER.items.slice()
    for i in U64.range(4):
        items = Array[U64, Literal[4]]()
        items[0] = i
        if i == 0:
            kept = items.slice()
    return kept[0]
""",
        "next round",
    ),
    Case(
        "escape: static field",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    KEEPER.view = items.slice()
""",
        "local object",
    ),
    Case(
        "escape: return slice",
        """\
def run(a: U64) -> U64:
    return inner()[0]


def inner() -> Slice[U64]:
    items = Array[U64, Literal[4]]()
    return items.slice()[1:]
""",
        "local object",
    ),
    Case(
        "escape: return through",
        """\
def run(a: U64) -> U64:
    return inner()[0]


def inner() -> Slice[U64]:
    items = Array[U64, Literal[4]]()
    return whole(items.slice())
""",
        "local object",
    ),
    Case(
        "escape: tuple",
        """\
def run(a: U64) -> U64:
    view, n = inner()
    return view[0]


def inner() -> tuple[Slice[U64], U64]:
    items = Array[U64, Literal[4]]()
    return first(items.slice(), HOLDER.items.slice())
""",
        "local object",
    ),
    Case(
        "escape: tuple unpack",
        """\
def run(a: U64) -> U64:
    return inner()[0]


def inner() -> Slice[U64]:
    items = Array[U64, Literal[4]]()
    view, n = first(items.slice(), HOLDER.items.slice())
    return view
""",
        "local object",
    ),
    Case(
        "escape: generic",
        """\
def run(a: U64) -> U64:
    return inner()[0]


def inner() -> Slice[U64]:
    items = Array[U64, Literal[4]]()
    return ident(items.slice())
""",
        "local object",
    ),
    Case(
        "escape: struct with slice",
        """\
def run(a: U64) -> U64:
    return inner().view[0]


def inner() -> Keeper:
    items = Array[U64, Literal[4]]()
    k = Keeper(shape=HOLDER.point)
    k.view = items.slice()
    return k
""",
        "local object",
    ),
    Case(
        "escape: struct with slice construct",
        """\
def run(a: U64) -> U64:
    return inner().view[0]


def inner() -> Keeper:
    items = Array[U64, Literal[4]]()
    return Keeper(items.slice(), shape=HOLDER.point)
""",
        "local object",
    ),
    Case(
        "escape: struct copied to static",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    k = Keeper(items.slice(), shape=HOLDER.point)
    STATIC.inner = k


@struct
class Outer:
    inner: Keeper




STATIC = Outer(Keeper(shape=HOLDER.point))
""",
        "local object",
    ),
    Case(
        "escape: protocol",
        """\
def run(a: U64) -> None:
    p = Point(U32(3))
    KEEPER.shape = p
""",
        "local object",
    ),
    Case(
        "escape: mixed return",
        """\
def run(a: U64) -> U32:
    return inner(a).x


def inner(a: U64) -> Point:
    if a > 3:
        return HOLDER.point
    return Point(U32(3))
""",
        "one return gives a new object",
    ),
    Case(
        "escape: param alias return",
        """\
def run(a: U64) -> U32:
    return inner(a).x


def inner(a: U64) -> Point:
    p = Point(U32(3))
    return same(p)
""",
        "local object",
    ),
    Case(
        "escape: optional",
        """\
def run(a: U64) -> U32:
    p = inner(a)
    return U32(0) if p is None else p.x


def inner(a: U64) -> Point | None:
    p = Point(U32(3))
    return p
""",
        "local object",
    ),
    Case(
        "escape: managed field",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    b = View(items.slice())
    KEEPER.count = b.view[0]


@managed
class View:
    view: Slice[U64]


""",
        "local object",
    ),
    Case(
        "escape: text return",
        """\
def run(a: U64) -> None:
    write(inner(a))


def inner(a: U64) -> str:
    return f"{a}"
""",
        "local object",
    ),
    Case(
        "escape: array element",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    VIEWS[0] = items.slice()


VIEWS = Array[Slice[U64], Literal[2]]()
""",
        "local object",
    ),
    Case(
        "escape: kept by a function",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    §keep_static(items.slice())
""",
        "keeps a reference",
    ),
    Case(
        "escape: kept by a method",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    §KEEPER.keep(items.slice()[1:])
""",
        "keeps a reference",
    ),
    Case(
        "escape: kept two calls down",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    §pass_on(KEEPER, items)


def pass_on(keeper: Keeper, items: Array[U64, Literal[4]]) -> None:
    part = items.slice()[1:]
    keeper.keep(part)
""",
        "keeps a reference",
    ),
    Case(
        "escape: kept from inside a struct",
        """\
def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    local = Keeper(items.slice(), shape=HOLDER.point)
    §take_over(local)


def take_over(keeper: Keeper) -> None:
    KEEPER.view = keeper.view
""",
        "keeps a reference",
    ),
    Case(
        "escape: kept through a protocol",
        """\
class Taker(Protocol):
    def keep(self, view: Slice[U64]) -> None: ...


def run(a: U64) -> None:
    items = Array[U64, Literal[4]]()
    offer(KEEPER, items.slice())


def offer(taker: Taker, view: Slice[U64]) -> None:
    taker.keep(view)
""",
        "keeps a reference",
    ),
]

SOUNDNESS_HELPERS = """

@struct
class Keeper:
    view: Slice[U64] = zeroed()
    text: Slice[U8] = zeroed()
    shape: Shaped = zeroed()
    count: U64 = U64(0)

    def keep(self, view: Slice[U64]) -> None:
        self.view = view

    def write(self, data: Slice[U8]) -> None:
        self.text = data


class Shaped(Protocol):
    def total(self) -> U32: ...


KEEPER = Keeper(shape=HOLDER.point)


def whole(view: Slice[U64]) -> Slice[U64]:
    return view


def same(point: Point) -> Point:
    return point


def first(view: Slice[U64], other: Slice[U64]) -> tuple[Slice[U64], U64]:
    return view, U64(1)


def ident(x: T) -> T:
    return x


def keep_static(view: Slice[U64]) -> None:
    KEEPER.view = view


def maybe_stop(a: U64) -> U64:
    if a > 3:
        raise Broken
    return a
"""
