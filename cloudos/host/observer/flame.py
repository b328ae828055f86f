"""Flame graphs: one self-contained SVG file, a box for each function, above the one that called it.

Its width says how many instructions it and all that it calls took. Blue is the kernel, green the SDK, grey what is no
function of Python, and from yellow to red the rest.
"""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from cloudos.host.observer.profiles import KERNEL, Frame, Profile, Tree, totals_of

WIDTH = 1200.0
MARGIN = 10.0
HEADER = 46.0
ROW = 18.0
LETTER = 6.7
"""Width of a letter of the text in a box."""
NARROWEST = 0.3
"""Boxes that would be less wide are left out."""

STYLE = """\
text { font-size: 11px; font-family: "DejaVu Sans Mono", ui-monospace, monospace; fill: #1b2733; pointer-events: none; }
.title { font-size: 15px; font-weight: 600; font-family: "DejaVu Sans", ui-sans-serif, sans-serif; }
.more { font-size: 12px; font-family: "DejaVu Sans", ui-sans-serif, sans-serif; fill: #52606d; }
rect { stroke: #ffffff; stroke-width: 0.6; } g:hover > rect { stroke: #1b2733; stroke-width: 1.2; }
"""


@dataclass(frozen=True)
class Box:
    """A function in the drawing: left edge and width in pixels, level from 0 at the bottom."""

    tree: Tree
    left: float
    width: float
    level: int
    total: int


def boxes(profile: Profile) -> Iterator[Box]:
    """All boxes that are wide enough, callers first; the functions called by one in order of their names."""
    totals = totals_of(profile.tree)
    scale = (WIDTH - 2 * MARGIN) / max(1, profile.total)
    waiting = [(profile.tree, MARGIN, 0)]
    while waiting:
        tree, left, level = waiting.pop()
        total = totals[tree]
        if total * scale < NARROWEST:
            continue
        yield Box(tree, left, total * scale, level, total)
        for one in sorted(tree.inner.values(), key=lambda one: (one.frame.function, one.frame.file, one.frame.binary)):
            waiting.append((one, left, level + 1))
            left += totals[one] * scale


def colour(frame: Frame) -> str:
    """The colour of a function: always the same."""
    number = zlib.crc32(f"{frame.file}:{frame.function}".encode())
    light, turn = 66 + number % 12, number // 16
    if not frame.binary:
        return shade(210, 12, light + 8)
    if frame.binary == KERNEL:
        return shade(205 + turn % 25, 62, light)
    if not frame.file:
        return shade(210, 8, light)
    if frame.file.startswith("cloudos/sdk/"):
        return shade(120 + turn % 45, 42, light)
    return shade(14 + turn % 36, 84, light)


def shade(hue: int, saturation: int, light: int) -> str:
    """A colour from its hue in degrees, saturation and lightness in percent."""
    parts = colorsys.hls_to_rgb(hue / 360, light / 100, saturation / 100)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def draw(profile: Profile, title: str) -> str:
    """The SVG of a profile."""
    found = list(boxes(profile))
    height = HEADER + (max((box.level for box in found), default=0) + 1) * ROW + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" '
        f'height="{height:g}">',
        f"<style>{STYLE}</style>",
        f'<rect x="0" y="0" width="{WIDTH:g}" height="{height:g}" style="fill: #ffffff; stroke: none"/>',
        f'<text class="title" x="{MARGIN:g}" y="20">{escape(title)}</text>',
        f'<text class="more" x="{MARGIN:g}" y="37">{profile.total:,} instructions; a box is as wide as what its '
        "function and all that it calls took</text>",
    ]
    parts += [draw_box(box, height, profile.total) for box in found]
    return "\n".join([*parts, "</svg>", ""])


def draw_box(box: Box, height: float, total: int) -> str:
    """A box with its title, and its name where there is room."""
    frame = box.tree.frame
    top = height - MARGIN - (box.level + 1) * ROW
    share = 100 * box.total / max(1, total)
    where = f" ({frame.binary}, {frame.file})" if frame.file else f" ({frame.binary})" if frame.binary else ""
    about = f"{frame.function}{where}: {box.total:,} instructions, {share:.2f} %, {box.tree.own:,} of its own"
    letters = int((box.width - 4) / LETTER)
    name = frame.function if len(frame.function) <= letters else frame.function[: max(0, letters - 1)] + "…"
    text = f'<text x="{box.left + 3:.2f}" y="{top + 12.5:.2f}">{escape(name)}</text>' if letters >= 3 else ""
    shape = f'x="{box.left:.2f}" y="{top:.2f}" width="{box.width:.2f}" height="{ROW:g}" fill="{colour(frame)}"'
    return f"<g><title>{escape(about)}</title><rect {shape}/>{text}</g>"
