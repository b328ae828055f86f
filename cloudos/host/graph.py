"""`cloudos graph`: who serves whom in an image, as a tree of text and as a drawing in SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from pathlib import Path

from cloudos.host.errors import ToolError
from cloudos.host.graph_layout import Layout, arrange
from cloudos.host.image_commands import device_text, short
from cloudos.host.machine import describe
from cloudos.host.system_wiring import INIT, System

LETTER = 7.2
"""Width of a letter at the size of the text."""

LINE = 17.0
PADDING = 12.0
MARGIN = 24.0
LAYER_GAP = 72.0

STYLE = """\
text { font: 13px/1 ui-sans-serif, system-ui, sans-serif; fill: #1b2733; }
.name { font-weight: 600; } .more { font-size: 11px; fill: #52606d; }
.component rect { fill: #e8f1fb; stroke: #3d7ab8; } .init rect { fill: #fdf1dc; stroke: #b7791f; }
.grant rect { fill: #efe9f7; stroke: #7550a8; } .device rect { fill: #e6f4ea; stroke: #3c8455; }
.edge { fill: none; stroke: #52606d; stroke-width: 1.3; } .signal { stroke-dasharray: 5 4; }
.label { font-size: 11px; fill: #3a4754; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
"""


@dataclass(frozen=True)
class Node:
    """A box: `kind` is component, init, grant or device; `lines` below the title."""

    kind: str
    title: str
    lines: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """As wide as its longest line."""
        return max(len(text) for text in (self.title, *self.lines)) * LETTER + 2 * PADDING

    @property
    def height(self) -> float:
        """As high as its lines."""
        return (1 + len(self.lines)) * LINE + 2 * PADDING - 4


@dataclass
class Graph:
    """Boxes by their identity, and labelled edges from who uses to who serves."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    signals: set[tuple[str, str]] = field(default_factory=set)


def graph_of(system: System) -> Graph:
    """The components of an image, init where it is needed, devices, and what init grants."""
    graph = Graph()
    for placed in system.placed:
        one = placed.component
        offers = [short(contract) for contract in one.offers]
        lines = [f"offers {', '.join(offers)}"] if offers else []
        lines.append(f"{describe(one.memory)}, priority {one.schedule.priority}")
        lines += [f"label {one.label}"] if one.label else []
        graph.nodes[one.name] = Node("component", one.name, tuple(lines))
    for link in system.links:
        if link.server == INIT:
            graph.nodes.setdefault(INIT, Node("init", INIT, ("offers Supervisor",)))
        text = link.need.name + (f" ({link.need.use})" if link.need.use != "use" else "")
        graph.edges.setdefault((link.user, link.server), []).append(text)
        if link.need.use == "signal":
            graph.signals.add((link.user, link.server))
    for placed in system.placed:
        one = placed.component
        devices = tuple(f"{part.name}: {device_text(part.kind, part.first, part.length)}" for part in one.resources)
        if devices:
            graph.nodes[f"device {one.name}"] = Node("device", "machine", devices)
            graph.edges[one.name, f"device {one.name}"] = []
        for grant in one.grants:
            graph.nodes.setdefault(f"grant {grant.kind}", Node("grant", grant.kind, ("granted by the kernel",)))
            graph.edges.setdefault((one.name, f"grant {grant.kind}"), []).append(grant.name)
    return graph


def tree(system: System) -> str:
    """The wiring as text: each component that nobody needs, and below it what serves it. Ends with a line feed."""
    graph = graph_of(system)
    used = {target for _, target in graph.edges}
    roots = [name for name in graph.nodes if name not in used] or list(graph.nodes)
    shown: set[str] = set()
    lines = [f"{system.manifest.name}: {system.manifest.description}"]
    for number, root in enumerate(roots):
        lines += _branch(graph, root, [], "", number == len(roots) - 1, shown)
    lines += [line for name in graph.nodes if name not in shown for line in _branch(graph, name, [], "", True, shown)]
    return "\n".join(lines) + "\n"


def _branch(graph: Graph, name: str, needs: list[str], indent: str, last: bool, shown: set[str]) -> Iterator[str]:
    """The lines of one box and of all that it uses, unless they were shown before."""
    node = graph.nodes[name]
    label = f"{', '.join(needs)}: " if needs else ""
    again = name in shown and any(source == name for source, _ in graph.edges)
    more = "see above" if again else "; ".join(node.lines)
    yield f"{indent}{'└─' if last else '├─'} {label}{node.title}  [{more}]"
    if name in shown:
        return
    shown.add(name)
    below = [(target, texts) for (source, target), texts in graph.edges.items() if source == name]
    for number, (target, texts) in enumerate(below):
        deeper = indent + ("   " if last else "│  ")
        yield from _branch(graph, target, texts, deeper, number == len(below) - 1, shown)


def svg(system: System) -> str:
    """The wiring as a drawing."""
    graph = graph_of(system)
    # A signal goes back to who is served: it does not decide who stands above whom.
    solid = [edge for edge in graph.edges if edge not in graph.signals]
    bottom = [name for name, node in graph.nodes.items() if node.kind in ("grant", "device", "init")]
    layout = arrange({name: node.width for name, node in graph.nodes.items()}, solid, bottom)
    tops = _tops(graph, layout)
    width = max(layout.x[name] + node.width / 2 for name, node in graph.nodes.items()) + 2 * MARGIN
    width = max(width, *(x + 2 * MARGIN for route in layout.routes.values() for x in route), 0.0)
    parts = [edge for pair in graph.edges for edge in _edge(graph, layout, tops, pair)]
    parts += [
        part for name in graph.nodes for part in _box(graph.nodes[name], layout.x[name], tops, layout.layer[name])
    ]
    title = escape(f"{system.manifest.name}: {system.manifest.description}")
    marker = (
        '<marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L10 5L0 10z" fill="#52606d"/></marker>'
    )
    size = f'width="{width:.0f}" height="{tops[-1]:.0f}" viewBox="0 0 {width:.0f} {tops[-1]:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<title>{title}</title>\n<style>\n{STYLE}</style>'
    back = '<rect width="100%" height="100%" fill="#ffffff"/>'
    heading = f'<text class="name" x="{MARGIN}" y="{MARGIN + 4}">{title}</text>'
    return "\n".join([head, f"<defs>{marker}</defs>", back, heading, *parts, "</svg>"]) + "\n"


def _tops(graph: Graph, layout: Layout) -> list[float]:
    """The top of each layer, and last the height of the drawing."""
    tops = [2 * MARGIN + 8]
    for number in range(max(layout.layer.values()) + 1):
        highest = max((node.height for name, node in graph.nodes.items() if layout.layer[name] == number), default=0.0)
        tops.append(tops[-1] + highest + LAYER_GAP)
    tops[-1] += MARGIN - LAYER_GAP
    return tops


def _box(node: Node, x: float, tops: list[float], layer: int) -> Iterator[str]:
    left, top = x - node.width / 2 + MARGIN, tops[layer]
    yield f'<g class="{node.kind}">'
    yield f'<rect x="{left:.1f}" y="{top:.1f}" width="{node.width:.1f}" height="{node.height:.1f}" rx="6"/>'
    for number, text in enumerate((node.title, *node.lines)):
        style = "name" if number == 0 else "more"
        y = top + PADDING + 9 + number * LINE
        yield f'<text class="{style}" x="{left + PADDING:.1f}" y="{y:.1f}">{escape(text)}</text>'
    yield "</g>"


def _edge(graph: Graph, layout: Layout, tops: list[float], pair: tuple[str, str]) -> Iterator[str]:
    """A curve from the lower side of who uses to the upper side of who serves, through the layers between."""
    source, target = pair
    route = layout.routes.get(pair, [layout.x[source], layout.x[target]])
    down = layout.layer[target] > layout.layer[source]
    begin = tops[layout.layer[source]] + (graph.nodes[source].height if down else 0)
    end = tops[layout.layer[target]] + (0 if down else graph.nodes[target].height)
    points = [(route[0] + MARGIN, begin)]
    for number, x in enumerate(route[1:-1], layout.layer[source] + 1):
        points += [(x + MARGIN, tops[number]), (x + MARGIN, tops[number + 1] - LAYER_GAP)]
    points.append((route[-1] + MARGIN, end))
    if layout.layer[target] == layout.layer[source]:
        points = [points[0], ((route[0] + route[-1]) / 2 + MARGIN, begin - LAYER_GAP / 2), (points[-1][0], begin)]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        path += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    dashed = " signal" if pair in graph.signals else ""
    yield f'<path class="edge{dashed}" d="{path}" marker-end="url(#arrow)"/>'
    texts = ", ".join(graph.edges[pair])
    if texts:
        (x0, y0), (x1, y1) = points[-2:]
        place = f'x="{x0 + (x1 - x0) * 0.72:.1f}" y="{y0 + (y1 - y0) * 0.66:.1f}"'
        yield f'<text class="label" text-anchor="middle" {place}>{escape(texts)}</text>'


def draw(name: str, file: Path | None, architecture: str = "x86_64") -> None:
    """Print the tree of an image, and write its drawing when a file is named. Raises ToolError."""
    from cloudos.host import system_image

    system = system_image.load(name, architecture)
    if file is not None:
        try:
            file.write_text(svg(system))
        except OSError as error:
            raise ToolError(f"cannot write {file}: {error.strerror}", "choose another file with --svg") from error
    print(tree(system), end="")
