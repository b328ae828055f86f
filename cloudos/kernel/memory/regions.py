"""The regions of a space: a balanced tree (Adelson-Velsky and Landis) and a list, both in order of address.

Each node knows the widest gap in front of a region of its subtree, so that room is found without looking at all.
Every operation takes a number of steps that grows with the logarithm of the number of regions.
"""

from __future__ import annotations

from cloudos.kernel.hal.interface import PAGE_SIZE
from cloudos.kernel.memory.structures import Region, Space
from cloudos.lang import U8, U64, Ptr, fast, null


def find(space: Space, address: U64) -> Ptr[Region]:
    """The first region that ends above `address`; null when there is none."""
    best: Ptr[Region] = null()
    node = space.root
    while not node.is_null():
        if node.value.end > address:
            best = node
            node = node.value.left
        else:
            node = node.value.right
    return best


@fast
def at(space: Space, address: U64) -> Ptr[Region]:
    """The region that holds `address`; null when there is none."""
    node = space.root
    while not node.is_null():
        if node.value.end <= address:
            node = node.value.right
        elif node.value.start > address:
            node = node.value.left
        else:
            return node
    return node


def insert(space: Space, region: Ptr[Region]) -> None:
    """Add a region that overlaps none."""
    following = find(space, region.value.start)
    previous = last(space)
    if not following.is_null():
        previous = following.value.previous
        following.value.previous = region
    region.value.next = following
    region.value.previous = previous
    if previous.is_null():
        space.first = region
    else:
        previous.value.next = region
    region.value.left = null()
    region.value.right = null()
    space.root = _insert(space.root, region)
    space.count += 1


def remove(space: Space, region: Ptr[Region]) -> None:
    """Take a region out."""
    following = region.value.next
    previous = region.value.previous
    if previous.is_null():
        space.first = following
    else:
        previous.value.next = following
    if not following.is_null():
        following.value.previous = previous
    space.root = _remove(space.root, region)
    if not following.is_null():
        _refresh(space.root, following.value.start)
    space.count -= 1


def last(space: Space) -> Ptr[Region]:
    """The highest region, or null."""
    node = space.root
    while not node.is_null() and not node.value.right.is_null():
        node = node.value.right
    return node


def find_room(space: Space, low: U64, high: U64, size: U64, alignment: U64) -> U64:
    """The lowest start of `size` free bytes in [low, high) that needs no more than aligning; 0 when there is none."""
    # Everything is made of whole pages.
    wanted = size + (alignment - PAGE_SIZE)
    found = _first_gap(space.root, wanted, low)
    start = low
    if not found.is_null():
        start = max(_gap_start(found.value), low)
    elif not last(space).is_null():
        start = max(last(space).value.end, low)
    start = (start + (alignment - 1)) // alignment * alignment
    if start > high or size > high - start:
        return U64(0)
    return start


def _first_gap(node: Ptr[Region], wanted: U64, low: U64) -> Ptr[Region]:
    """The lowest region of a subtree with a gap of `wanted` bytes above `low` in front of it; or null."""
    found: Ptr[Region] = null()
    if node.is_null() or node.value.room < wanted:
        return found
    region = node.value
    if region.start > low:
        found = _first_gap(region.left, wanted, low)
        if not found.is_null():
            return found
        if region.start - low >= wanted and region.start - _gap_start(region) >= wanted:
            return node
    return _first_gap(region.right, wanted, low)


def _gap_start(region: Region) -> U64:
    if region.previous.is_null():
        return U64(0)
    return region.previous.value.end


def _height(node: Ptr[Region]) -> U8:
    if node.is_null():
        return U8(0)
    return node.value.height


def _room(node: Ptr[Region]) -> U64:
    if node.is_null():
        return U64(0)
    return node.value.room


def _update(node: Ptr[Region]) -> None:
    region = node.value
    region.height = max(_height(region.left), _height(region.right)) + 1
    region.room = max(region.start - _gap_start(region), max(_room(region.left), _room(region.right)))


def _rotate_left(node: Ptr[Region]) -> Ptr[Region]:
    top = node.value.right
    node.value.right = top.value.left
    top.value.left = node
    _update(node)
    _update(top)
    return top


def _rotate_right(node: Ptr[Region]) -> Ptr[Region]:
    top = node.value.left
    node.value.left = top.value.right
    top.value.right = node
    _update(node)
    _update(top)
    return top


def _balance(node: Ptr[Region]) -> Ptr[Region]:
    region = node.value
    if _height(region.left) > _height(region.right) + 1:
        left = region.left.value
        if _height(left.left) < _height(left.right):
            region.left = _rotate_left(region.left)
        return _rotate_right(node)
    if _height(region.right) > _height(region.left) + 1:
        right = region.right.value
        if _height(right.right) < _height(right.left):
            region.right = _rotate_right(region.right)
        return _rotate_left(node)
    _update(node)
    return node


def _insert(node: Ptr[Region], region: Ptr[Region]) -> Ptr[Region]:
    if node.is_null():
        _update(region)
        return region
    if region.value.start < node.value.start:
        node.value.left = _insert(node.value.left, region)
    else:
        node.value.right = _insert(node.value.right, region)
    return _balance(node)


def _remove(node: Ptr[Region], region: Ptr[Region]) -> Ptr[Region]:
    if node == region:
        if region.value.right.is_null():
            return region.value.left
        top = region.value.right
        while not top.value.left.is_null():
            top = top.value.left
        right = _remove_first(region.value.right)
        top.value.right = right
        top.value.left = region.value.left
        return _balance(top)
    if region.value.start < node.value.start:
        node.value.left = _remove(node.value.left, region)
    else:
        node.value.right = _remove(node.value.right, region)
    return _balance(node)


def _remove_first(node: Ptr[Region]) -> Ptr[Region]:
    """The subtree without its lowest region."""
    if node.value.left.is_null():
        return node.value.right
    node.value.left = _remove_first(node.value.left)
    return _balance(node)


def _refresh(node: Ptr[Region], start: U64) -> None:
    """The gap in front of the region at `start` changed."""
    if start < node.value.start:
        _refresh(node.value.left, start)
    elif start > node.value.start:
        _refresh(node.value.right, start)
    _update(node)
