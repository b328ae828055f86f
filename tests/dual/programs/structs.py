"""Structs: references, copies, nesting, arrays of them, methods, equality."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import I16, U8, U16, U32, U64, Array, Ptr, align_of, copy, null, offset_of, size_of, struct, zeroed


@struct
class Point:
    x: U32
    y: U32 = U32(7)

    def total(self) -> U32:
        return self.x + self.y

    def move(self, dx: U32) -> Point:
        self.x += dx
        return self

    @property
    def wide(self) -> bool:
        return self.x > self.y

    @staticmethod
    def diagonal(at: U32) -> Point:
        return Point(at, at)

    def __eq__(self, other: Point) -> bool:  # type: ignore[override]
        return self.x == other.x and self.y == other.y


@struct
class Mixed:
    small: U8 = U8(0)
    medium: U16 = U16(0)
    flag: bool = False
    large: U64 = U64(0)
    signed: I16 = I16(-1)


@struct
class Segment:
    start: Point
    end: Point
    tags: Array[U8, Literal[3]] = zeroed()


@struct
class Grid:
    points: Array[Point, Literal[4]] = zeroed()
    rows: Array[Array[U16, Literal[3]], Literal[2]] = zeroed()
    segment: Segment = zeroed()


@struct
class Node:
    value: U32
    next: Ptr[Node] = null()


GRID = Grid()


def construct(a: U8, b: U8) -> U32:
    p = Point(U32(a), U32(b))
    return p.x * 1000 + p.y


def construct_default(a: U8) -> U32:
    return Point(U32(a)).total()


def construct_keywords(a: U8, b: U8) -> U32:
    p = Point(y=U32(a), x=U32(b))
    return p.x * 1000 + p.y


def layout() -> tuple[U64, U64, U64, U64, U64]:
    return (
        U64(size_of(Mixed)),
        U64(align_of(Mixed)),
        U64(offset_of(Mixed, "medium")),
        U64(offset_of(Mixed, "large")),
        U64(size_of(Grid)),
    )


def fields(a: U8, b: U16, c: bool, d: U64, e: I16) -> tuple[U8, U16, bool, U64, I16]:
    m = Mixed(a, b, c, d, e)
    m.small = m.small.wrapping_add(1)
    m.flag = not m.flag
    m.signed = m.signed.wrapping_sub(1)
    return m.small, m.medium, m.flag, m.large, m.signed


def second_name(a: U8) -> U32:
    p = Point(U32(a))
    q = p
    q.x += 1
    return p.x


def parameter_is_a_reference(a: U8) -> U32:
    p = Point(U32(a))
    _change(p, U32(3))
    return p.x


def _change(p: Point, by: U32) -> None:
    p.x += by
    p = Point(U32(0))
    p.x = by


def copy_is_separate(a: U8) -> U32:
    p = Point(U32(a))
    q = copy(p)
    q.x += 1
    return p.x * 1000 + q.x


def store_copies(a: U8) -> tuple[U32, U32]:
    p = Point(U32(a))
    s = Segment(p, p)
    s.start.x += 1
    p.x += 50
    return s.start.x, s.end.x


def load_aliases(a: U8) -> tuple[U32, U32]:
    s = Segment(Point(U32(a)), Point(U32(2)))
    start = s.start
    start.x += 1
    s.end = start
    start.x += 1
    return s.start.x, s.end.x


def store_over_an_alias(a: U8) -> tuple[U32, U32]:
    """An alias sees what is later stored into the field."""
    s = Segment(Point(U32(a)), Point(U32(2)))
    start = s.start
    s.start = Point(U32(9), U32(8))
    return start.x, start.y


def store_into_itself(a: U8) -> U32:
    s = Segment(Point(U32(a)), Point(U32(2)))
    s.start = s.start
    return s.start.x


def swap_members(a: U8, b: U8) -> tuple[U32, U32]:
    """Loads alias: the second store sees what the first one wrote."""
    s = Segment(Point(U32(a)), Point(U32(b)))
    s.start, s.end = s.end, s.start
    return s.start.x, s.end.x


def rebinding(a: U8) -> tuple[U32, U32]:
    p = Point(U32(a))
    q = p
    p = Point(U32(1))
    p.x += 4
    return p.x, q.x


def new_each_round(n: U8) -> U32:
    """A struct made in a loop is a new one every round."""
    total = U32(0)
    for i in U32.range(U32(n)):
        p = Point(i)
        p.x += 1
        total += p.x
    return total


def loop_keeps_previous(n: U8) -> U32:
    previous = Point(U32(1000), U32(0))
    total = U32(0)
    for i in U32.range(U32(n % 8)):
        current = Point(i, U32(0))
        total = total * 3 + previous.x
        previous.x = current.x
    return total


def returned_fresh(a: U8) -> tuple[U32, U32]:
    p = Point.diagonal(U32(a))
    q = Point.diagonal(U32(a))
    p.x += 1
    return p.x, q.x


def returned_argument(a: U8) -> U32:
    p = Point(U32(a))
    p.move(U32(2)).move(U32(3)).x += 1
    return p.x


def returned_nested(a: U8) -> U32:
    s = _segment(U32(a))
    return s.start.x * 1000 + s.end.y


def _segment(a: U32) -> Segment:
    result = Segment(Point(a), Point(a, a + 1))
    result.start.x += 2
    return result


def methods(a: U8, b: U8) -> tuple[U32, bool]:
    p = Point(U32(a), U32(b))
    return p.total(), p.wide


def equality(a: U8, b: U8) -> tuple[bool, bool]:
    p, q = Point(U32(a % 3), U32(1)), Point(U32(b % 3), U32(1))
    return p == q, p != q


def static_struct(i: U8, a: U8) -> U32:
    GRID.points[i % 5].x = U32(a)
    GRID.points[i % 4].y += 1
    total = U32(0)
    for point in GRID.points:
        total = total.wrapping_mul(31).wrapping_add(point.x ^ point.y)
    return total


def array_of_structs_copies(a: U8) -> tuple[U32, U32]:
    p = Point(U32(a))
    GRID.points[0] = p
    p.x += 1
    GRID.points[1] = GRID.points[0]
    GRID.points[0].x += 5
    return GRID.points[0].x, GRID.points[1].x


def nested_arrays(i: U8, j: U8, a: U16) -> tuple[U16, U16, U64]:
    rows = GRID.rows
    rows[i % 3][j % 4] = a
    rows[0] = rows[1]
    rows[1][0] = U16(5)
    return GRID.rows[0][0], GRID.rows[0][2], GRID.rows.length * 10 + rows[0].length


def deep(a: U8) -> tuple[U32, U8]:
    GRID.segment.start = Point(U32(a), U32(1))
    GRID.segment.tags[a % 4] = a
    segment = copy(GRID.segment)
    GRID.segment.start.x += 1
    return segment.start.x, segment.tags[1]


def whole_copy(a: U8) -> U32:
    local = copy(GRID)
    local.points[2].x = U32(a)
    GRID.points[2].x = U32(1)
    return local.points[2].x - GRID.points[2].x


def linked(a: U8, b: U8) -> U32:
    second = Node(U32(a))
    first = Node(U32(b), Ptr.to(second))
    first.next.value.value += 1
    total = U32(0)
    at = Ptr.to(first)
    while not at.is_null():
        total = total * 100 + at.value.value
        at = at.value.next
    return total


def local_zeroed() -> U64:
    m: Mixed = zeroed()
    return m.large + U64(m.small) + U64(m.flag)


def temporaries(a: U8, b: U8) -> U32:
    return _sum(Point(U32(a)), Point(U32(b), U32(1)))


def _sum(p: Point, q: Point) -> U32:
    return p.total() * 1000 + q.total()


def conditional_reference(a: U8, first: bool) -> tuple[U32, U32]:
    p, q = Point(U32(a)), Point(U32(1))
    chosen = p if first else q
    chosen.x += 10
    return p.x, q.x


def with_lock(a: U8) -> tuple[U32, U32]:
    with GUARD as guard:
        guard.value += U32(a)
        inside = guard.depth
    return inside * 10 + guard.depth, guard.value


@struct
class Guard:
    depth: U32 = U32(0)
    value: U32 = U32(0)

    def __enter__(self) -> Guard:
        self.depth += 1
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.depth -= 1


GUARD = Guard()


def with_early_return(a: U8) -> U32:
    with GUARD:
        if a > 100:
            return GUARD.depth
        for _ in U8.range(5):
            with GUARD:
                if a > 50:
                    break
    return GUARD.depth * 100
