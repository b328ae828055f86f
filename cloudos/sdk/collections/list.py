"""`List`: a growable array of integers or managed references."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from cloudos.lang import U64, Slice, forget, free_slice, interpreted, iterate, managed, new_slice, sequence
from cloudos.sdk.collections.elements import check_elements
from cloudos.sdk.collections.sorting import Comparator, merge_sort, natural_sort

T = TypeVar("T")
C = TypeVar("C", bound=Comparator)

LEAST_CAPACITY = 4


@sequence
@managed
class List(Generic[T]):
    """A list. Its elements are integers, floats, enums, pointers or managed objects.

    Structs are refused: reading an element would give a reference into the list's storage, and the next append may
    move that storage. Use a managed class instead.
    """

    item_type: type[T]
    storage: Slice[T]
    count: U64

    @interpreted
    def __init_subclass__(cls) -> None:
        check_elements(cls)

    def __init__(self) -> None:
        self.storage = new_slice(self.item_type, U64(0))
        self.count = U64(0)

    def drop(self) -> None:
        forget(self.storage)
        free_slice(self.storage)

    @property
    def length(self) -> U64:
        return self.count

    def content(self) -> Slice[T]:
        """The elements, to read or change in place: valid until the list grows or dies."""
        return self.storage[0 : self.count]

    @interpreted
    def __iter__(self) -> Iterator[T]:
        return iterate(self)

    def __getitem__(self, index: U64 | int) -> T:
        return self.storage[0 : self.count][index]

    def __setitem__(self, index: U64 | int, value: T) -> None:
        self.storage[0 : self.count][index] = value

    def __contains__(self, value: T) -> bool:
        return self.index(value) is not None

    def reserve(self, more: U64) -> None:
        """Make room for `more` elements, so that appending them moves nothing."""
        if self.storage.length - self.count >= more:
            return
        old = self.storage
        fresh = new_slice(self.item_type, max(self.count + more, max(old.length * 2, U64(LEAST_CAPACITY))))
        fresh[0 : self.count].copy_from(old[0 : self.count])
        self.storage = fresh
        forget(old)
        free_slice(old)

    def append(self, value: T) -> None:
        if self.count == self.storage.length:
            self.reserve(U64(1))
        self.storage[self.count] = value
        self.count += 1

    def extend(self, other: List[T]) -> None:
        """Append the elements of another list, or of this one."""
        more = other.count
        self.reserve(more)
        for i in U64.range(more):
            self.append(other.storage[i])

    def insert(self, index: U64, value: T) -> None:
        """Put `value` before the element at `index`, which may be the length; panics beyond it."""
        assert index <= self.count, "insert beyond the end of a list"
        self.append(value)
        position = self.count - 1
        while position > index:
            self.storage[position] = self.storage[position - 1]
            position -= 1
        self.storage[index] = value

    def pop(self) -> T:
        """Remove and return the last element; panics when there is none."""
        assert self.count > 0, "pop from an empty list"
        return self.remove_at(self.count - 1)

    def remove_at(self, index: U64) -> T:
        """Remove and return the element at `index`; those behind move up. Panics beyond the end."""
        result = self[index]
        for i in U64.range(index + 1, self.count):
            self.storage[i - 1] = self.storage[i]
        forget(self.storage[self.count - 1 : self.count])
        self.count -= 1
        return result

    def truncate(self, length: U64) -> None:
        """Remove the elements from position `length` on; panics when there are fewer than that."""
        forget(self.storage[length : self.count])
        self.count = length

    def clear(self) -> None:
        """Remove all elements, keep the room."""
        forget(self.storage[0 : self.count])
        self.count = U64(0)

    def slice(self, start: U64, stop: U64) -> List[T]:
        """A new list of the elements from `start` up to `stop`; panics unless start <= stop <= length."""
        part = self.content()[start:stop]
        result = List[T]()
        result.reserve(part.length)
        result.storage[0 : part.length].copy_from(part)
        result.count = part.length
        return result

    def index(self, value: T) -> U64 | None:
        """The position of the first element equal to `value`."""
        for i in U64.range(self.count):
            if self.storage[i] == value:
                return i
        return None

    def reverse(self) -> None:
        if self.count < 2:
            return
        low = U64(0)
        high = self.count - 1
        while low < high:
            held = self.storage[low]
            self.storage[low] = self.storage[high]
            self.storage[high] = held
            low += 1
            high -= 1

    def sort(self, reverse: bool = False) -> None:
        """Sort in place by the elements' own `<`. Stable: equal elements keep their order, in reverse too."""
        natural_sort(self.item_type, self.content(), reverse)  # type: ignore[type-var]  # T has an order, or this is refused

    def sort_by(self, comparator: C) -> None:
        """Sort in place as `comparator.less(left, right)` says. Stable."""
        merge_sort(self.item_type, self.content(), comparator)
