"""Stable merge sort over a slice."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

from cloudos.lang import U64, Slice, forget, free_slice, new_slice, struct
from cloudos.sdk.collections.hashable import Ordered

T = TypeVar("T")
O = TypeVar("O", bound=Ordered)  # noqa: E741

RUN = 8  # elements; runs of this length are sorted by insertion before merging begins


class Comparator(Protocol):
    """An order: `less` says whether `left` has to come before `right`. The parameters have the elements' type."""

    def less(self, left: Any, right: Any) -> bool: ...


C = TypeVar("C", bound=Comparator)


@struct
class NaturalOrder(Generic[O]):
    """The order of the elements' own `<`, or its reverse."""

    reverse: bool

    def less(self, left: O, right: O) -> bool:
        if self.reverse:
            return right < left
        return left < right


def natural_sort(item_type: type[O], items: Slice[O], reverse: bool) -> None:
    """Sort `items` in place by their own `<`, or its reverse."""
    merge_sort(item_type, items, NaturalOrder[O](reverse))


def merge_sort(item_type: type[T], items: Slice[T], comparator: C) -> None:
    """Sort `items` in place; needs scratch space for half of them."""
    length = items.length
    for start in U64.range(0, length, RUN):
        insertion_sort(items[start : min(start + RUN, length)], comparator)
    if length <= RUN:
        return
    scratch = new_slice(item_type, length)
    width = U64(RUN)
    while width < length:
        start = U64(0)
        while start + width < length:
            stop = min(start + width * 2, length)
            merge(items[start:stop], width, scratch, comparator)
            start = stop
        width = width * 2
    forget(scratch)
    free_slice(scratch)


def insertion_sort(items: Slice[T], comparator: C) -> None:
    for i in U64.range(1, items.length):
        held = items[i]
        position = i
        while position > 0 and comparator.less(held, items[position - 1]):
            items[position] = items[position - 1]
            position -= 1
        items[position] = held


def merge(items: Slice[T], middle: U64, scratch: Slice[T], comparator: C) -> None:
    """Merge the sorted items[:middle] and items[middle:]; of equal ones the left come first."""
    if not comparator.less(items[middle], items[middle - 1]):
        return  # already in order, as in sorted input
    left = scratch[0:middle]
    left.copy_from(items[0:middle])
    i = U64(0)
    j = middle
    position = U64(0)
    while i < middle and j < items.length:
        if comparator.less(items[j], left[i]):
            items[position] = items[j]
            j += 1
        else:
            items[position] = left[i]
            i += 1
        position += 1
    items[position : position + (middle - i)].copy_from(left[i:middle])
