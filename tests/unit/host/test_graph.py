"""The drawing of an image: a tree that names everything once, and boxes that do not overlap."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudos.host import graph, graph_layout, system_image
from cloudos.host.errors import ToolError
from tests.unit.host.image_files import small_system

SPACE = "{http://www.w3.org/2000/svg}"


def test_the_tree_shows_who_serves_whom(tmp_path: Path) -> None:
    text = graph.tree(system_image.load(str(small_system(tmp_path))))
    assert text.splitlines() == [
        "test: an image",
        "└─ sh  [1 MB, priority 100]",
        "   ├─ console: terminal  [offers Console; 1 MB, priority 100]",
        "   │  └─ serial: uart  [offers Serial; 1 MB, priority 100]",
        "   │     ├─ files (signal): files  [offers Files; 1 MB, priority 100]",
        "   │     │  ├─ clock: rtc  [offers Clock; 1 MB, priority 100]",
        "   │     │  │  └─ machine  [index: ports 0x70-0x71]",
        "   │     │  └─ image: image  [granted by the kernel]",
        "   │     └─ machine  [data: ports 0x3e8-0x3ef; line: interrupt 5]",
        "   ├─ files (mint): files  [see above]",
        "   ├─ clock: rtc  [see above]",
        "   └─ init: init  [offers Supervisor]",
    ]


def test_the_drawing_has_every_box_and_label_in_its_place(tmp_path: Path) -> None:
    system = system_image.load(str(small_system(tmp_path)))
    root = ElementTree.fromstring(graph.svg(system))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = []
    for group in root.iter(f"{SPACE}g"):
        box = group.find(f"{SPACE}rect")
        assert box is not None
        x, y, w, h = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert 0 < x < x + w < width
        assert 0 < y < y + h < height
        boxes.append((x, y, x + w, y + h))
        for text in group.iter(f"{SPACE}text"):
            assert x < float(text.attrib["x"])
            assert y < float(text.attrib["y"]) <= y + h
    for (a, b, c, d), (e, f, g, h) in combinations(boxes, 2):
        assert c <= e or g <= a or d <= f or h <= b, "two boxes overlap"
    kinds = sorted(group.attrib["class"] for group in root.iter(f"{SPACE}g"))
    assert kinds == ["component"] * 5 + ["device"] * 2 + ["grant", "init"]
    labels = sorted(text.text or "" for text in root.iter(f"{SPACE}text") if text.attrib["class"] == "label")
    assert labels == ["clock", "clock", "console", "files (mint)", "files (signal)", "image", "init", "serial"]
    paths = [path for path in root.iter(f"{SPACE}path") if path.attrib.get("class", "").startswith("edge")]
    assert len(paths) == 10
    assert sum("signal" in path.attrib["class"] for path in paths) == 1
    assert all(re.fullmatch(r"M[-\d. ]+(C[-\d. ]+)+", path.attrib["d"]) for path in paths)


def test_the_drawing_is_written_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_system(tmp_path)
    graph.draw(str(path), tmp_path / "out.svg")
    assert (tmp_path / "out.svg").read_text().startswith("<svg")
    assert capsys.readouterr().out.startswith("test: an image\n")
    with pytest.raises(ToolError, match="cannot write"):
        graph.draw(str(path), tmp_path / "no" / "out.svg")


NODES = [chr(ord("a") + n) for n in range(9)]
PAIRS = list(combinations(NODES, 2))
EDGES = st.sets(st.integers(0, len(PAIRS) - 1), max_size=16).map(lambda some: [PAIRS[n] for n in sorted(some)])


@given(EDGES, st.lists(st.integers(10, 300), min_size=9, max_size=9), st.sets(st.sampled_from(NODES)))
def test_layouts_keep_order_and_distance(edges: list[tuple[str, str]], sizes: list[int], last: set[str]) -> None:
    widths = dict(zip(NODES, map(float, sizes), strict=True))
    layout = graph_layout.arrange(widths, edges, sorted(last))
    for source, target in edges:
        assert layout.layer[source] < layout.layer[target]
        route = layout.routes[source, target]
        assert len(route) == layout.layer[target] - layout.layer[source] + 1
        assert (route[0], route[-1]) == (layout.x[source], layout.x[target])
    for number in set(layout.layer.values()):
        row = sorted((layout.x[name], widths[name]) for name in NODES if layout.layer[name] == number)
        for (x, w), (y, v) in pairwise(row):
            assert x + w / 2 + graph_layout.SPACING <= y - v / 2 + 0.01
    assert min(layout.x[name] - widths[name] / 2 for name in NODES) >= -0.01


def test_a_cycle_has_no_layers() -> None:
    with pytest.raises(ValueError, match="cycle"):
        graph_layout.arrange({"a": 1.0, "b": 1.0}, [("a", "b"), ("b", "a")])


def test_crossings_are_counted_and_avoided() -> None:
    near = {"a": ["y"], "b": ["x"], "x": ["b"], "y": ["a"]}
    level = {"a": 0, "b": 0, "x": 1, "y": 1}
    assert graph_layout.crossings([["a", "b"], ["x", "y"]], near, level) == 1
    assert graph_layout.crossings([["a", "b"], ["y", "x"]], near, level) == 0
    layout = graph_layout.arrange({name: 10.0 for name in "abxy"}, [("a", "y"), ("b", "x")])
    assert (layout.x["a"] < layout.x["b"]) == (layout.x["y"] < layout.x["x"])


@given(EDGES)
def test_ordering_never_makes_more_crossings(edges: list[tuple[str, str]]) -> None:
    level = graph_layout.layers_of(NODES, edges, [])
    near: dict[str, list[str]] = {name: [] for name in NODES}
    for source, target in edges:
        if level[target] == level[source] + 1:
            near[source].append(target)
            near[target].append(source)
    rows = [[name for name in NODES if level[name] == number] for number in range(max(level.values()) + 1)]
    before = graph_layout.crossings(rows, near, level)
    graph_layout.order(rows, near, level)
    assert graph_layout.crossings(rows, near, level) <= before
    assert sorted(name for row in rows for name in row) == NODES
