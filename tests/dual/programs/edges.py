"""Corners where features meet."""

from __future__ import annotations

from typing import ClassVar, Literal

from cloudos.lang import (
    I8,
    I64,
    U8,
    U16,
    U32,
    U64,
    Array,
    Error,
    PhysAddr,
    Ptr,
    Slice,
    comptime,
    copy,
    data,
    generate,
    managed,
    panic,
    struct,
    write_text,
    zeroed,
)


class Stop(Error):
    code = 951


@struct
class Pair:
    a: U32 = U32(0)
    b: U32 = U32(0)

    LIMIT: ClassVar[int] = 50

    def swapped(self) -> Pair:
        return Pair(self.b, self.a)

    def sum(self, extra: U32 = U32(1)) -> U32:
        return self.a + self.b + extra

    def limited(self) -> bool:
        return self.a < self.LIMIT

    @staticmethod
    def twice(value: U32) -> U32:
        return value * 2


@struct
class Store:
    words: Array[U32, Literal[6]] = zeroed()
    pairs: Array[Pair, Literal[3]] = zeroed()
    text: Array[U8, Literal[120]] = zeroed()
    used: U64 = U64(0)
    int: U32 = U32(0)
    register: U32 = U32(0)

    def write(self, data: Slice[U8]) -> None:
        self.text.slice()[self.used : self.used + data.length].copy_from(data)
        self.used += data.length


@struct
class Limited:
    at: U8
    limit: U8
    fail: U8

    def __iter__(self) -> Limited:
        return self

    def __next__(self) -> U8:
        if self.at == self.fail:
            raise Stop
        if self.at >= self.limit:
            raise StopIteration
        self.at += 1
        return self.at


@struct
class Gate:
    open: U32 = U32(0)
    limit: U32 = U32(0)

    def __enter__(self) -> U32:
        if self.limit == 3:
            raise Stop
        self.open += 1
        return self.open * 10

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.open -= 1


@managed
class Link:
    value: U32
    next: Link | None = None
    other: Link | None = None

    def linked(self, to: Link) -> Link:
        self.next = to
        return self


STORE = Store()
GATE = Gate()
PAGE = U64(4096)
MASK = U32(0xFF00)
YES = True
BASE = PhysAddr(0x10_0000)
NAME = b"edges"
PRIMES = (U32(2), U32(3), U32(5))
THREE = 3
third = generate(
    "def third(value: U32) -> U32:\n    return value // 3\n",
    "third",
    {"U32": U32},
)


@comptime
def power_of_two(exponent: int) -> int:
    return 1 << exponent


def _maybe_stop(a: U8) -> U8:
    if a % 7 == 3:
        raise Stop
    return a


def swapped_into_itself(a: U8, b: U8) -> tuple[U32, U32]:
    p = Pair(U32(a), U32(b))
    p = p.swapped()
    q = p
    p = p.swapped()
    return p.a * 1000 + p.b, q.a * 1000 + q.b


def method_of_a_temporary(a: U8) -> U32:
    return Pair(U32(a), U32(2)).swapped().sum() + Pair(U32(1)).swapped().a + Pair.twice(U32(a)) + Pair().twice(U32(1))


def picked(a: U8, first: bool) -> tuple[U32, U32]:
    p, q = Pair(U32(a)), Pair(U32(9))
    _pick(p, q, first).b = U32(77)
    return p.b, q.b


def _pick(p: Pair, q: Pair, first: bool) -> Pair:
    return p if first else q


def rebound_while_iterating(n: U8) -> U32:
    """The slice is taken once; the name may be bound again."""
    for i in U32.range(6):
        STORE.words[i] = i + 1
    rest = STORE.words.slice()[n % 4 :]
    total = U32(0)
    for word in rest:
        rest = rest[: rest.length // 2]
        total = total * 10 + word
    return total * 10 + U32(rest.length)


def elements_change_while_iterating(n: U8) -> U32:
    for i in U32.range(6):
        STORE.words[i] = i
    total = U32(0)
    for word in STORE.words:
        STORE.words[U64(word + 1) % 6] += U32(n)
        if total > 1000:
            break
        total += word % 6
    return total


def range_of_a_changing_variable(n: U8) -> U32:
    rounds = U32(0)
    limit = n % 10
    for i in U8.range(limit):
        limit = U8(0)
        rounds += U32(i) + 1
    return rounds


def error_in_condition(n: U8) -> U32:
    i = n % 5
    while _maybe_stop(i) < 9:
        i += 1
    return U32(i)


def error_in_match(n: U8) -> U32:
    match _maybe_stop(n):
        case 1:
            return U32(5)
        case _:
            return U32(6)


def error_in_range(n: U8) -> U32:
    total = U32(0)
    for i in U8.range(_maybe_stop(n % 30), _maybe_stop(n % 20) + 5):
        total += U32(i)
    return total


def error_in_index(n: U8) -> U32:
    STORE.words[0] = U32(1)
    STORE.words[_maybe_stop(n) % 6] += U32(_maybe_stop(n % 10))
    return STORE.words[0]


def error_in_text(n: U8) -> U64:
    STORE.used = U64(0)
    write_text(STORE, f"{_maybe_stop(n)} and {_maybe_stop(n // 2)}")
    return STORE.used


def error_in_second_argument(n: U8) -> U32:
    return Pair(U32(n), U32(_maybe_stop(n))).sum(U32(_maybe_stop(n % 11)))


def error_in_logic(n: U8) -> bool:
    return n > 100 or (_maybe_stop(n) > 50 and _maybe_stop(n + 1) < 60)


def error_in_conditional(n: U8) -> U8:
    return _maybe_stop(n) if n % 2 == 0 else U8(3)


def error_in_return(n: U8) -> U32:
    try:
        return U32(_maybe_stop(n)) + 1
    except Stop:
        return U32(1000)
    finally:
        STORE.int += 1


def error_in_enter(n: U8) -> U32:
    GATE.open = U32(0)
    GATE.limit = U32(n % 5)
    try:
        with GATE as value:
            return value + U32(_maybe_stop(n))
    except Stop:
        return GATE.open + 500


def error_in_iterator(n: U8) -> U32:
    total = U32(0)
    try:
        for value in Limited(U8(0), n % 9, U8(5)):
            total = total * 10 + U32(value)
    except Stop:
        return total + 1_000_000
    return total


def stop_iteration_of_the_body(n: U8) -> U32:
    """A StopIteration that the body raises does not end the loop as if it were done."""
    inner = Limited(U8(0), U8(3), U8(99))
    total = U32(0)
    try:
        for value in Limited(U8(0), n % 9, U8(99)):
            total = total * 10 + U32(inner.__next__()) + U32(value)
    except StopIteration:
        return total + 1_000_000
    return total


def loop_else_and_finally(n: U8) -> U32:
    total = U32(0)
    for i in U8.range(n % 8):
        try:
            if i == 5:
                break
            if i % 2 == 1:
                continue
            total += 10
        finally:
            total += 1
    else:
        total += 1000
    return total


def deep_returns(n: U8) -> U32:
    GATE.limit = U32(0)
    for i in U8.range(4):
        for j in U8.range(4):
            with GATE:
                try:
                    if i * 4 + j == n % 20:
                        return U32(i) * 10 + U32(j)
                finally:
                    STORE.register = U32(j)
    return U32(99) + GATE.open


def constants(a: U8) -> U64:
    return U64(a) * 5 * 60 + PAGE - 1 + U64(MASK) + (1 << 20) // 3 - 7 % 4 + power_of_two(THREE + 2)


def constant_objects(a: U32) -> U32:
    return a % 1000 + PRIMES[1] + (PRIMES[2] if YES else PRIMES[0]) + U32(BASE.value >> 4) + U32(third(a % 90))


def class_constants(a: U8) -> tuple[bool, U32]:
    return Pair(U32(a)).limited(), U32(Pair.LIMIT) + U32(U8.MAX) + U32(U16.BITS)


def module_bytes(i: U8) -> U8:
    return data(NAME)[i % 6]


def bool_operators(a: bool, b: bool) -> tuple[bool, bool, bool, bool]:
    return a & b, a | b, a ^ b, not (a is not b) if False else a == b


def negated_none(a: U8) -> U32:
    item = _find(U32(a))
    if not item is None:  # noqa: E714
        return item.a
    return U32(7)


def _find(a: U32) -> Pair | None:
    if a > 100:
        return STORE.pairs[a % 3]
    return None


def never_returns_in_expression(a: U8) -> U8:
    return a if a < 200 else _fail(a)


def _fail(a: U8) -> U8:
    panic(f"cannot use {a}")


def assigned_after_no_return(a: U8) -> U8:
    if a > 100:
        result = a - 1
    else:
        panic("small")
    return result


def assigned_in_every_branch(a: U8) -> U8:
    match a % 3:
        case 0:
            result = U8(1)
        case 1:
            result = U8(2)
        case _:
            result = U8(3)
    return result


def assigned_in_while_true(a: U8) -> U8:
    i = U8(0)
    while True:
        found = i * 2
        if found >= a // 2:
            break
        i += 1
    return found


def assigned_in_try(a: U8) -> U8:
    try:
        result = _maybe_stop(a)
    except Stop:
        result = U8(9)
    return result


def keyword_names(a: U8) -> U32:
    switch, default, auto, error, out, result, done = U32(a), U32(1), U32(2), U32(3), U32(4), U32(5), U32(6)
    register = switch + default + auto + error + out + result + done
    STORE.register = register
    STORE.int = register + 1
    return STORE.register + STORE.int


def unicode_names(größe: U8) -> U32:
    länge = U32(größe) + 1
    return länge


def shadowed_names(a: U8) -> U32:
    min_ = U32(a)
    for a_ in U32.range(3):
        min_ += a_
    gate = min_
    return gate


def many_lines(a: U8, b: U8) -> U32:
    first = U32(a) - 1
    second = U32(b) - 2
    return first * second - 100


def big_copy(a: U8) -> U32:
    STORE.words[3] = U32(a)
    local = copy(STORE)
    STORE.words[3] += 1
    other = local
    other.words[3] += 5
    STORE.pairs = local.pairs
    return local.words[3] * 1000 + STORE.words[3]


def pointers_to_elements(i: U8, j: U8) -> U32:
    STORE.pairs[0] = Pair(U32(1), U32(2))
    STORE.pairs[1] = Pair(U32(3), U32(4))
    STORE.pairs[2] = Pair(U32(5), U32(6))
    a, b = Ptr.to(STORE.pairs[i % 3]), Ptr.to(STORE.pairs[j % 3])
    a.value, b.value = b.value, a.value
    a.value.a += 10
    return STORE.pairs[i % 3].a * 100 + STORE.pairs[j % 3].b


def negative_offset(i: U8) -> U32:
    last = Ptr.to(STORE.words).cast(U32).offset(U64(5))
    STORE.words[5 - U64(i % 6)] = U32(i)
    return last.offset(-I64(i % 6)).value


def signed_remainders(a: I8, b: I8) -> tuple[I8, I8]:
    return (a // b) * b + a % b, a % b


def reversed_list(n: U8) -> U32:
    head: Link | None = None
    for i in U32.range(U32(n % 6)):
        head = Link(i, head)
    reverse: Link | None = None
    while head is not None:
        following = head.next
        head.next = reverse
        reverse = head
        head = following
    total = U32(0)
    at = reverse
    while at is not None:
        total = total * 10 + at.value + 1
        at = at.next
    return total


def swapped_links(a: U8) -> U32:
    link = Link(U32(a), Link(U32(1)), Link(U32(2)))
    link.next, link.other = link.other, link.next
    first, second = link.next, link.other
    assert first is not None and second is not None
    return first.value * 10 + second.value


def chained_methods(a: U8) -> U32:
    link = Link(U32(a)).linked(Link(U32(1)).linked(Link(U32(2))))
    following = link.next
    assert following is not None
    last = following.next
    return link.value if last is None else last.value + link.value


def error_with_temporaries(n: U8) -> U32:
    return _link_value(Link(U32(1)), Link(U32(_maybe_stop(n))), Link(U32(3)))


def _link_value(a: Link, b: Link, c: Link) -> U32:
    return a.value + b.value + c.value


def error_in_loop_of_objects(n: U8) -> U32:
    total = U32(0)
    for i in U8.range(n % 12):
        try:
            link = Link(U32(_maybe_stop(i)), Link(U32(1)))
            total += link.value
        except Stop:
            link = Link(U32(100))
        total += link.value
    return total


def text_of_objects(a: U8) -> U64:
    STORE.used = U64(0)
    link = Link(U32(a), Link(U32(5)))
    following = link.next
    assert following is not None
    write_text(STORE, f"{link.value}->{following.value}")
    return STORE.used


@struct
class Window:
    view: Slice[U32] = zeroed()
    start: U64 = U64(0)

    def open(self, view: Slice[U32]) -> None:
        self.view = view[self.start :]

    def first(self) -> U32:
        return self.view[0]


WINDOW = Window()


def local_window_on_a_local_array(a: U8) -> U32:
    """A local object may keep a reference to another one."""
    items = Array[U32, Literal[4]]()
    items[2] = U32(a)
    window = Window(start=U64(a % 5))
    window.open(items.slice())
    return window.first()


def static_window_on_a_static_array(a: U8) -> U32:
    STORE.words[1] = U32(a)
    WINDOW.start = U64(0)
    WINDOW.open(STORE.words.slice()[1:3])
    return WINDOW.first()


def windows_in_a_loop(n: U8) -> U32:
    """What is made and used within one round may refer to what this round made."""
    total = U32(0)
    for i in U32.range(U32(n % 5)):
        items = Array[U32, Literal[3]]()
        items[1] = i
        part = items.slice()[1:]
        pair = Pair(i, part[0])
        same = pair
        same.a += 1
        total = total * 7 + pair.a + part[0] + U32(part.length)
    return total


def parts_of_a_buffer(text: Slice[U8]) -> U32:
    """Splitting a local buffer: names bound again and again to parts of one array."""
    buffer = Array[U8, Literal[24]]()
    rest = buffer.slice()[: min(text.length, U64(24))]
    rest.copy_from(text[: rest.length])
    longest = rest[:0]
    while rest.length > 0:
        end = U64(0)
        while end < rest.length and rest[end] != 32:
            end += 1
        if end > longest.length:
            longest = rest[:end]
        rest = rest[min(end + 1, rest.length) :]
    return U32(longest.length) * 1000 + (U32(longest[0]) if longest.length > 0 else U32(0))
