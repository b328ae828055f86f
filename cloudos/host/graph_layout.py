"""Layered drawing of a directed graph without cycles (after Sugiyama, Tagawa and Toda 1981).

Nodes get layers by the longest path, edges that pass through layers get a point in each, layers are ordered by the
average place of their neighbours to avoid crossings, and places within layers are then averaged apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 24
SPACING = 28.0
"""Between neighbours in a layer, in the unit of the widths."""

Edge = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """`x`: the middle of each node; `layer`: 0 at the top; `routes`: the x of each edge in every layer it touches."""

    x: dict[str, float]
    layer: dict[str, int]
    routes: dict[Edge, list[float]]


def layers_of(nodes: Sequence[str], edges: Sequence[Edge], last: Sequence[str]) -> dict[str, int]:
    """The layer of each node: below all that lead to it; those in `last` are in the lowest. Raises ValueError."""
    layer = dict.fromkeys(nodes, 0)
    for round_number in range(len(nodes) + 1):
        changed = False
        for source, target in edges:
            if layer[target] <= layer[source]:
                layer[target], changed = layer[source] + 1, True
        if not changed:
            break
        if round_number == len(nodes):
            raise ValueError("the graph has a cycle")
    bottom = max([layer[name] for name in nodes], default=0)
    return layer | {name: bottom for name in last if not any(source == name for source, _ in edges)}


def arrange(widths: Mapping[str, float], edges: Sequence[Edge], last: Sequence[str] = ()) -> Layout:
    """Place nodes of these widths. Raises ValueError when the edges have a cycle."""
    layer = layers_of(list(widths), edges, last)
    chains = {edge: _chain(edge, layer) for edge in edges}
    size = {**{point: 0.0 for chain in chains.values() for point in chain}, **widths}
    level = {**layer}
    for edge, chain in chains.items():
        level.update({point: layer[edge[0]] + n for n, point in enumerate(chain)})
    near: dict[str, list[str]] = {name: [] for name in size}
    for chain in chains.values():
        for upper, lower in pairwise(chain):
            near[upper].append(lower)
            near[lower].append(upper)
    rows: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for name in size:
        rows[level[name]].append(name)
    order(rows, near, level)
    x = _places(rows, near, size)
    return Layout({name: x[name] for name in widths}, layer, {edge: [x[p] for p in c] for edge, c in chains.items()})


def _chain(edge: Edge, layer: Mapping[str, int]) -> list[str]:
    """The ends of an edge, and a point in each layer between them."""
    between = range(layer[edge[0]] + 1, layer[edge[1]])
    return [edge[0], *(f"{edge[0]}\0{edge[1]}\0{number}" for number in between), edge[1]]


def order(rows: list[list[str]], near: Mapping[str, Sequence[str]], level: Mapping[str, int]) -> None:
    """Order each layer by the average place of neighbours above, then below, again and again; the best one stays."""
    best, fewest = [list(row) for row in rows], crossings(rows, near, level)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        numbers = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for number in numbers:
            other = rows[number - 1 if downwards else number + 1]
            place = {name: n for n, name in enumerate(other)}
            keys = {}
            for n, name in enumerate(rows[number]):
                found = [place[one] for one in near[name] if one in place]
                keys[name] = sum(found) / len(found) if found else float(n)
            rows[number].sort(key=keys.__getitem__)
        count = crossings(rows, near, level)
        if count < fewest:
            best, fewest = [list(row) for row in rows], count
    rows[:] = best


def crossings(rows: Sequence[Sequence[str]], near: Mapping[str, Sequence[str]], level: Mapping[str, int]) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for number in range(len(rows) - 1):
        place = {name: n for n, name in enumerate(rows[number + 1])}
        ends = [sorted(place[one] for one in near[name] if level[one] == number + 1) for name in rows[number]]
        flat = [end for group in ends for end in group]
        same = sum(1 for group in ends for i, a in enumerate(group) for b in group[i + 1 :] if a > b)
        total += sum(1 for i, a in enumerate(flat) for b in flat[i + 1 :] if a > b) - same
    return total


def _places(
    rows: Sequence[Sequence[str]], near: Mapping[str, Sequence[str]], size: Mapping[str, float]
) -> dict[str, float]:
    """The middle of each point: near the average of its neighbours, and apart from the others of its layer."""
    x: dict[str, float] = {}
    for row in rows:
        at = 0.0
        for name in row:
            x[name] = at + size[name] / 2
            at += size[name] + SPACING
    for _ in range(SWEEPS):
        for row in (*rows, *reversed(rows)):
            wanted = [sum(x[one] for one in near[name]) / len(near[name]) if near[name] else x[name] for name in row]
            for name, place in zip(row, _apart(row, wanted, size), strict=True):
                x[name] = place
    left = min((x[name] - size[name] / 2 for name in x), default=0.0)
    return {name: place - left for name, place in x.items()}


def _apart(row: Sequence[str], wanted: Sequence[float], size: Mapping[str, float]) -> list[float]:
    """Places as near to the wanted ones as the order and the spacing allow (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (size[left] + size[right]) / 2 + SPACING)
    groups: list[tuple[float, int]] = []  # sum and number of what the members of a group want, without offsets
    for place, offset in zip(wanted, offsets, strict=True):
        groups.append((place - offset, 1))
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            (last, n), (before, m) = groups.pop(), groups.pop()
            groups.append((last + before, n + m))
    means = [total / count for total, count in groups for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
