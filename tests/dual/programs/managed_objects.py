"""Reference-counted objects: every call must leave as many alive as it found."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from cloudos.lang import U8, U16, U32, U64, Error, Slice, forget, free_slice, managed, new_slice, struct

T = TypeVar("T")


class Refused(Error):
    code = 911


@struct
class Drops:
    count: U32 = U32(0)


DROPS = Drops()
"""How often `drop` ran. CPython calls it at once, compiled code when the function ends: no compared result may
depend on when."""


@managed
class Box:
    value: U32
    label: U16 = U16(3)

    def drop(self) -> None:
        DROPS.count += 1

    def doubled(self) -> U32:
        return self.value * 2

    @property
    def odd(self) -> bool:
        return self.value % 2 == 1


@managed
class Node:
    value: U32
    next: Node | None = None
    box: Box | None = None


@managed
class Custom:
    total: U32
    parts: Slice[U32]

    def __init__(self, count: U32) -> None:
        self.total = count * 2
        self.parts = new_slice(U32, U64(count))
        for i in U64.range(self.parts.length):
            self.parts[i] = U32(i) * 3

    def drop(self) -> None:
        free_slice(self.parts)


@managed
class Holder(Generic[T]):
    item: T

    def replace(self, item: T) -> T:
        old = self.item
        self.item = item
        return old


class Valued(Protocol):
    def doubled(self) -> U32: ...


def create(a: U8) -> tuple[U32, U16]:
    box = Box(U32(a))
    return box.doubled(), box.label


def temporary(a: U8) -> U32:
    return Box(U32(a)).doubled() + Box(U32(1), U16(4)).value


def unused(a: U8) -> U32:
    Box(U32(a))
    return U32(a)


def same_object(a: U8) -> U32:
    box = Box(U32(a))
    other = box
    other.value += 1
    return box.value


def identity(a: U8) -> tuple[bool, bool]:
    box = Box(U32(a))
    other = box
    third = Box(U32(a))
    return box is other, box is third


def replaced(a: U8) -> U32:
    """The old object goes when its last name is bound again."""
    box = Box(U32(a))
    box = Box(U32(1))
    return box.value


def in_a_loop(n: U8) -> U32:
    total = U32(0)
    for i in U32.range(U32(n)):
        box = Box(i)
        total += box.value
    return total


def dropped_at_return(a: U8) -> U32:
    return _use(a)


def _use(a: U8) -> U32:
    box = Box(U32(a))
    if a > 100:
        return U32(0)
    second = Box(U32(5))
    return box.value + second.value


def dropped_at_error(a: U8) -> U32:
    try:
        _fail(a)
    except Refused:
        return U32(100)
    return U32(3)


def _fail(a: U8) -> Box:
    box = Box(U32(a))
    other = Node(U32(1), None, box)
    if a % 2 == 0:
        raise Refused
    _refuse(a)
    assert other.value == 1
    return box


def _refuse(a: U8) -> None:
    if a % 3 == 0:
        raise Refused


def escaping_error(a: U8) -> U32:
    return _fail(a).value


def chain(n: U8) -> U32:
    head: Node | None = None
    for i in U32.range(U32(n % 50)):
        head = Node(i, head)
    total = U32(0)
    at = head
    while at is not None:
        total = total * 3 % 100003 + at.value
        at = at.next
    return total


def cut_chain(n: U8) -> U32:
    head = Node(U32(1), Node(U32(2), Node(U32(3), None, Box(U32(9))), Box(U32(8))))
    second = head.next
    assert second is not None
    second.next = None
    head.next = None
    return second.value * 100 + head.value


def long_chain() -> U32:
    """Releasing a long list must not use stack by its length."""
    head = Node(U32(0))
    for i in U32.range(2000):
        head = Node(i, head)
    return head.value


def field_replaced(a: U8) -> U32:
    node = Node(U32(a), None, Box(U32(1)))
    node.box = Box(U32(2))
    node.box = node.box
    box = node.box
    node.box = None
    assert box is not None
    return box.value


def parameter(a: U8) -> U32:
    box = Box(U32(a))
    return _read(box) + _read(box) + _rebind(box) + box.value


def _read(box: Box) -> U32:
    return box.value


def _rebind(box: Box) -> U32:
    box = Box(box.value + 1)
    return box.value


def argument_lives_through_the_call(a: U8) -> U32:
    """The callee drops the field that holds its argument: the caller's reference keeps it alive."""
    node = Node(U32(1), None, Box(U32(a)))
    box = node.box
    assert box is not None
    return _clear(node, box)


def _clear(node: Node, box: Box) -> U32:
    node.box = None
    return box.value


def returned(a: U8) -> U32:
    return _make(a).value + _pass(_make(a)).value


def _make(a: U8) -> Box:
    box = Box(U32(a))
    box.value += 1
    return box


def _pass(box: Box) -> Box:
    return box


def optional(a: U8) -> U32:
    box = _maybe(a)
    if box is None:
        return U32(7)
    return box.value


def _maybe(a: U8) -> Box | None:
    return Box(U32(a)) if a > 50 else None


def conditional(a: U8, first: bool) -> U32:
    box, other = Box(U32(a)), Box(U32(1))
    chosen = box if first else other
    return chosen.value


def tuple_result(a: U8) -> U32:
    box, node = _both(a)
    assert node.box is box
    return box.value + node.value


def _both(a: U8) -> tuple[Box, Node]:
    box = Box(U32(a))
    return box, Node(U32(2), None, box)


def swapped(a: U8, b: U8) -> U32:
    x, y = Box(U32(a)), Box(U32(b))
    x, y = y, x
    return x.value * 1000 + y.value


def constructor(n: U8) -> U32:
    custom = Custom(U32(n % 20) + 1)
    return custom.total * 1000 + custom.parts[custom.parts.length - 1]


def generic(a: U8) -> U32:
    holder = Holder[Box](Box(U32(a)))
    old = holder.replace(Box(U32(1)))
    number = Holder[U32](U32(4))
    return old.value + holder.item.value + number.replace(U32(5)) + number.item


def slice_of_objects(n: U8) -> U32:
    boxes = new_slice(Box, U64(n % 10) + 1)
    for i in U64.range(boxes.length):
        boxes[i] = Box(U32(i))
    boxes[0] = Box(U32(100))
    total = U32(0)
    for box in boxes:
        total += box.value
    forget(boxes)
    free_slice(boxes)
    return total


def empty_slot(n: U8) -> U32:
    boxes = new_slice(Box, U64(3))
    boxes[0] = Box(U32(6))
    value = boxes[n % 2].value
    forget(boxes)
    free_slice(boxes)
    return value


def heap_slice(n: U8, i: U8) -> U64:
    words = new_slice(U64, U64(n))
    for j in U64.range(words.length):
        words[j] = j * j
    total = words[i % 200] + words.length
    free_slice(words)
    return total


def heap_slice_is_zeroed(n: U8) -> U64:
    total = U64(0)
    for _ in U64.range(2):
        words = new_slice(U64, U64(n % 40))
        for word in words:
            total += word
        words.fill(U64(7))
        free_slice(words)
    return total


def through_a_protocol(a: U8) -> U32:
    return _value(Box(U32(a)))


def _value(item: Valued) -> U32:
    return item.doubled() + item.doubled()


def expression_temporaries(a: U8) -> bool:
    return (_make(a).value > 5 and _make(a).odd) or Box(U32(a)).value == 2


def while_condition(n: U8) -> U32:
    i = U8(0)
    while _make(i).value < U32(n % 30):
        i += 1
    return U32(i)


def break_and_continue(n: U8) -> U32:
    total = U32(0)
    for i in U8.range(n % 12):
        box = Box(U32(i))
        if i % 3 == 0:
            continue
        second = Box(box.value)
        if second.value > 7:
            break
        total += box.value + second.value
    return total


def finally_sees_the_object(a: U8) -> U32:
    box = Box(U32(a))
    try:
        if a % 2 == 0:
            return box.value
        box = Box(U32(3))
    finally:
        box.value += 1
    return box.value


def _drops_so_far() -> U32:
    """For the test of `drop`."""
    return DROPS.count
