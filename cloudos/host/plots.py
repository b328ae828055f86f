"""Drawings of benchmark results, made by matplotlib, which is installed only when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cloudos.host import state
from cloudos.host.bootstrap import Environment, SetupError
from cloudos.host.errors import ToolError

COLOURS = {"x86_64": "#1f5fa8", "aarch64": "#d9822b"}
BAR = 0.38
ROW_HEIGHT = 0.30  # inches


def require() -> None:
    """Install what draws, unless it is there. Raises ToolError."""
    try:
        Environment(state.ROOT, state.directory()).ensure("plots")
    except SetupError as error:
        raise ToolError(str(error), "the drawings need matplotlib") from error


def bars(
    path: Path,
    title: str,
    unit: str,
    names: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    note: str,
    line: float | None = None,
) -> None:
    """Horizontal bars on a logarithmic scale, one of each architecture for each name; None leaves one out.

    `unit` names the scale, `note` stands small below, and a vertical line where it is asked for. `path` ends with the
    format, .svg or .png. Raises ToolError when matplotlib is not there.
    """
    try:
        matplotlib = importlib.import_module("matplotlib")
    except ImportError as error:
        raise ToolError("matplotlib is not installed", "bin/cloudos bench --plots installs it") from error
    matplotlib.use("Agg")
    # Text stays text and identifiers are the same in every run: small files, and differences that mean something.
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cloudos", "font.size": 9})
    drawing: Any = importlib.import_module("matplotlib.pyplot")
    figure, axes = drawing.subplots(figsize=(8, 1.3 + ROW_HEIGHT * len(names)), layout="constrained")
    for number, (arch, row) in enumerate(values.items()):
        draw(axes, arch, number, row)
    if line is not None:
        axes.axvline(line, color="#444444", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.margins(x=0.08, y=0.01)
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower right", frameon=False, ncols=2)
    figure.text(0.01, 0.005, note, fontsize=7, color="#555555")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    drawing.close(figure)


def draw(axes: Any, arch: str, number: int, values: Sequence[float | None]) -> None:
    """The bars of one architecture, with their numbers behind them."""
    shown = [(index, value) for index, value in enumerate(values) if value is not None]
    places = [index + (number - 0.5) * BAR for index, _ in shown]
    made = axes.barh(places, [value for _, value in shown], height=BAR, label=arch, color=COLOURS[arch])
    axes.bar_label(made, [label(value) for _, value in shown], padding=2, fontsize=6.5)


def label(value: float) -> str:
    """A number of about three digits."""
    if value >= 1_000_000:
        return f"{value / 1_000_000:,.1f}M"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
