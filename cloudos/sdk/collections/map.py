"""`Map`: a hash table that remembers the order of insertion.

The layout is CPython's compact dict (Objects/dictobject.c): entries stand in the order they came in, and a separate,
sparse index of small integers says where. Here the entries are three parallel slices, because a struct may not hold
managed references, and the index is probed linearly. A removed entry stays as a hole until the next rebuild.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from cloudos.lang import U32, U64, Slice, forget, free_slice, interpreted, managed, new_slice
from cloudos.sdk.collections.elements import check_elements
from cloudos.sdk.collections.hashable import Hashable
from cloudos.sdk.errors import KeyMissing

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LEAST_INDEX = 8  # slots
GROWTH = 128  # bytes for each entry of tables of twice the size, each rounded up to a power of two
LIVE = 0x80000000  # set in the stored hash of every entry; a hole has hash 0
LARGEST_INDEX = 2**31  # slots: entry numbers are 32 bits wide


@managed
class Map(Generic[K, V]):
    """A dictionary. Keys are integers, `Text`, `Bytes` or anything `Hashable`; values are what a `List` may hold."""

    key_type: type[K]
    value_type: type[V]
    index: Slice[U32]  # a power of two of slots: 0 is free, otherwise the entry's number plus one
    hashes: Slice[U32]
    entry_keys: Slice[K]
    entry_values: Slice[V]
    used: U64  # entries so far, holes included
    count: U64  # entries without holes

    @interpreted
    def __init_subclass__(cls) -> None:
        check_elements(cls)

    def __init__(self) -> None:
        self.index = new_slice(U32, U64(0))
        self.hashes = new_slice(U32, U64(0))
        self.entry_keys = new_slice(self.key_type, U64(0))
        self.entry_values = new_slice(self.value_type, U64(0))
        self.used = U64(0)
        self.count = U64(0)

    def drop(self) -> None:
        self.release_storage()

    @property
    def length(self) -> U64:
        return self.count

    def growth(self) -> U64:
        """Bytes that adding an entry takes at most for larger tables: 0 where there is a place for it."""
        return U64(0) if self.used < self.hashes.length else (self.count + LEAST_INDEX) * GROWTH

    def __contains__(self, key: K) -> bool:
        return self.locate(key, stored_hash(key)) is not None

    def get(self, key: K, default: V) -> V:
        """The value of `key`, or `default` where there is none."""
        position = self.locate(key, stored_hash(key))
        if position is None:
            return default
        return self.entry_values[position]

    def __getitem__(self, key: K) -> V:
        """The value of `key`; raises KeyMissing."""
        position = self.locate(key, stored_hash(key))
        if position is None:
            raise KeyMissing
        return self.entry_values[position]

    def __setitem__(self, key: K, value: V) -> None:
        """Replace the value of `key`, which keeps its place, or add it at the end."""
        mark = stored_hash(key)
        position = self.locate(key, mark)
        if position is not None:
            self.entry_values[position] = value
            return
        self.add_entry(key, mark, value)

    def pop(self, key: K) -> V:
        """Remove `key` and return its value; raises KeyMissing."""
        position = self.locate(key, stored_hash(key))
        if position is None:
            raise KeyMissing
        value = self.entry_values[position]
        self.hashes[position] = U32(0)
        forget(self.entry_keys[position : position + 1])
        forget(self.entry_values[position : position + 1])
        self.count -= 1
        return value

    def clear(self) -> None:
        """Remove all entries and give their memory back."""
        self.release_storage()
        self.index = new_slice(U32, U64(0))
        self.hashes = new_slice(U32, U64(0))
        self.entry_keys = new_slice(self.key_type, U64(0))
        self.entry_values = new_slice(self.value_type, U64(0))
        self.used = U64(0)
        self.count = U64(0)

    def __iter__(self) -> MapKeys[K, V]:
        """Iterates over the keys in the order of their insertion. The map must not grow meanwhile."""
        return MapKeys[K, V](self)

    def items(self) -> MapItems[K, V]:
        """Iterates over pairs of key and value, in order."""
        return MapItems[K, V](self)

    def values(self) -> MapValues[K, V]:
        """Iterates over the values, in order."""
        return MapValues[K, V](self)

    def locate(self, key: K, mark: U32) -> U64 | None:
        """The number of the entry with this key and stored hash."""
        if self.count == 0:
            return None
        mask = self.index.length - 1
        slot = U64(mark) & mask
        while self.index[slot] != 0:
            position = U64(self.index[slot] - 1)
            if self.hashes[position] == mark and self.entry_keys[position] == key:
                return position
            slot = (slot + 1) & mask
        return None

    def enter(self, mark: U32, number: U64) -> None:
        """Write an entry's number (counted from one) into the first free slot for its hash."""
        mask = self.index.length - 1
        slot = U64(mark) & mask
        while self.index[slot] != 0:
            slot = (slot + 1) & mask
        self.index[slot] = U32(number)

    def add_entry(self, key: K, mark: U32, value: V) -> None:
        """Append an entry for a key that the map does not have."""
        if self.used == self.hashes.length:
            self.rebuild()
        self.hashes[self.used] = mark
        self.entry_keys[self.used] = key
        self.entry_values[self.used] = value
        self.used += 1
        self.count += 1
        self.enter(mark, self.used)

    def rebuild(self) -> None:
        """Make room for at least one more entry: close the holes, and double the table unless half of it is holes."""
        slots = self.index.length
        if slots == 0:
            slots = U64(LEAST_INDEX)
        elif self.count * 2 > self.hashes.length:
            assert slots < LARGEST_INDEX, "a Map holds at most 1,431,655,765 entries"
            slots = slots * 2
        hashes = self.hashes
        entry_keys = self.entry_keys
        entry_values = self.entry_values
        free_slice(self.index)
        capacity = slots - slots // 3
        self.index = new_slice(U32, slots)
        self.hashes = new_slice(U32, capacity)
        self.entry_keys = new_slice(self.key_type, capacity)
        self.entry_values = new_slice(self.value_type, capacity)
        kept = U64(0)
        for i in U64.range(self.used):
            if hashes[i] != 0:
                self.hashes[kept] = hashes[i]
                self.entry_keys[kept] = entry_keys[i]
                self.entry_values[kept] = entry_values[i]
                kept += 1
                self.enter(hashes[i], kept)
        self.used = kept
        forget(entry_keys)
        forget(entry_values)
        free_slice(hashes)
        free_slice(entry_keys)
        free_slice(entry_values)

    def release_storage(self) -> None:
        forget(self.entry_keys)
        forget(self.entry_values)
        free_slice(self.index)
        free_slice(self.hashes)
        free_slice(self.entry_keys)
        free_slice(self.entry_values)

    def next_position(self, start: U64) -> U64:
        """The number of the first entry from `start` on that is no hole, or `used`."""
        position = start
        while position < self.used and self.hashes[position] == 0:
            position += 1
        return position


@managed
class MapKeys(Generic[K, V]):
    """Iterator over the keys of a map."""

    map: Map[K, V]
    position: U64

    def __init__(self, map: Map[K, V]) -> None:
        self.map = map
        self.position = U64(0)

    def __iter__(self) -> MapKeys[K, V]:
        return self

    def __next__(self) -> K:
        position = self.map.next_position(self.position)
        if position >= self.map.used:
            raise StopIteration
        self.position = position + 1
        return self.map.entry_keys[position]


@managed
class MapValues(Generic[K, V]):
    """Iterator over the values of a map."""

    map: Map[K, V]
    position: U64

    def __init__(self, map: Map[K, V]) -> None:
        self.map = map
        self.position = U64(0)

    def __iter__(self) -> MapValues[K, V]:
        return self

    def __next__(self) -> V:
        position = self.map.next_position(self.position)
        if position >= self.map.used:
            raise StopIteration
        self.position = position + 1
        return self.map.entry_values[position]


@managed
class MapItems(Generic[K, V]):
    """Iterator over the pairs of key and value of a map."""

    map: Map[K, V]
    position: U64

    def __init__(self, map: Map[K, V]) -> None:
        self.map = map
        self.position = U64(0)

    def __iter__(self) -> MapItems[K, V]:
        return self

    def __next__(self) -> tuple[K, V]:
        position = self.map.next_position(self.position)
        if position >= self.map.used:
            raise StopIteration
        self.position = position + 1
        return self.map.entry_keys[position], self.map.entry_values[position]


def stored_hash(key: K) -> U32:
    """The hash as the table keeps it: 31 bits and the mark of a live entry."""
    return mark_of(key.hash())


def mark_of(hash: U64) -> U32:
    """31 bits of a hash and the mark of a live entry."""
    return U32.truncate(hash) | LIVE
