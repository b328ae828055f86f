"""`X | None`, narrowing and tuples."""

from __future__ import annotations

from typing import Literal

from cloudos.lang import U8, U16, U32, U64, Array, panic, struct, zeroed


@struct
class Item:
    key: U32 = U32(0)
    value: U32 = U32(0)


@struct
class Table:
    items: Array[Item, Literal[6]] = zeroed()
    used: U64 = U64(0)

    def find(self, key: U32) -> Item | None:
        for i in U64.range(self.used):
            if self.items[i].key == key:
                return self.items[i]
        return None

    def add(self, key: U32, value: U32) -> Item | None:
        if self.used == self.items.length:
            return None
        item = self.items[self.used]
        item.key = key
        item.value = value
        self.used += 1
        return item


TABLE = Table()


def _prepare() -> None:
    TABLE.used = U64(0)
    for key in U32.range(1, 5):
        TABLE.add(key, key * 11)


def find(a: U8) -> U32:
    _prepare()
    item = TABLE.find(U32(a % 7))
    if item is None:
        return U32(999)
    item.value += 1
    return item.value


def find_positive(a: U8) -> U32:
    _prepare()
    item = TABLE.find(U32(a % 7))
    if item is not None:
        return item.value
    return U32(998)


def narrowed_by_and(a: U8) -> bool:
    _prepare()
    item = TABLE.find(U32(a % 7))
    return item is not None and item.value > 20


def narrowed_by_or(a: U8) -> bool:
    _prepare()
    item = TABLE.find(U32(a % 7))
    return item is None or item.value > 20


def narrowed_by_assert(a: U8) -> U32:
    _prepare()
    item = TABLE.find(U32(a % 7))
    assert item is not None
    return item.value


def narrowed_by_panic(a: U8) -> U32:
    _prepare()
    item = TABLE.find(U32(a % 7))
    if item is None:
        panic("no such item")
    return item.value


def narrowed_in_loop(n: U8) -> U32:
    TABLE.used = U64(0)
    count = U32(0)
    while True:
        item = TABLE.add(count, U32(n))
        if item is None:
            break
        count += 1
    return count


def narrowed_conditional(a: U8) -> U32:
    _prepare()
    item = TABLE.find(U32(a % 7))
    return item.value if item is not None else U32(5)


def assigned_later(a: U8) -> U32:
    found: Item | None = None
    local = Item(U32(a), U32(3))
    if a > 10:
        found = local
    if found is None:
        return U32(0)
    found.value += 1
    return local.value


def reset_in_loop(a: U8) -> U32:
    _prepare()
    item = TABLE.find(U32(1))
    rounds = U32(0)
    while item is not None:
        rounds += 1
        item = TABLE.find(item.key + 1)
    return rounds + U32(a)


def scalar(a: U8) -> U16 | None:
    return _double(a)


def _double(a: U8) -> U16 | None:
    if a > 100:
        return None
    return U16(a) * 2


def scalar_narrowed(a: U8) -> U32:
    value = _double(a)
    if value is None:
        return U32(7)
    return U32(value) + 1


def scalar_local(a: U8) -> U64:
    best: U8 | None = None
    for i in U8.range(a % 10):
        if i % 4 == 3:
            best = i
    return U64(99) if best is None else U64(best)


def optional_bool(a: U8) -> U8:
    answer = _answer(a)
    if answer is None:
        return U8(2)
    return U8(answer)


def _answer(a: U8) -> bool | None:
    return None if a > 200 else a > 100


def optional_argument(a: U8) -> U32:
    return _or_default(a if a > 10 else None) * 1000 + _or_default(None)


def _or_default(a: U8 | None) -> U32:
    return U32(77) if a is None else U32(a)


def tuples(a: U8, b: U8) -> tuple[U8, U16, bool]:
    low, high, flag = _several(a, b)
    return low, high + 1, not flag


def _several(a: U8, b: U8) -> tuple[U8, U16, bool]:
    if a > b:
        return b, U16(a), True
    return a, U16(b), False


def tuple_with_optional(a: U8) -> U32:
    count, item = _count_and_find(U32(a % 7))
    if item is None:
        return count
    return count * 100 + item.value


def _count_and_find(key: U32) -> tuple[U32, Item | None]:
    _prepare()
    return U32(TABLE.used), TABLE.find(key)


def tuple_with_struct(a: U8) -> U32:
    item, extra = _chosen(U32(a))
    item.value += extra
    return item.value + TABLE.items[0].value


def _chosen(a: U32) -> tuple[Item, U32]:
    return TABLE.items[a % 3], a * 2
