"""Draws the edges of the lifecycle as an SVG. Only the places of the boxes are decided here."""

from __future__ import annotations

from math import hypot
from xml.sax.saxutils import escape

from lifecycle_walk import AT_THE_DEADLINE, LEAVING, Edge

WIDTH, HEIGHT = 150, 36
Places = dict[str, tuple[int, int]]
HOSTED = {
    "Sending[create]": (100, 60),
    "Pausing[create]": (250, 150),
    "Sending[stream]": (440, 60),
    "Pausing[stream]": (490, 150),
    "Reading": (750, 60),
    "Sending[poll]": (750, 190),
    "Pausing[poll]": (750, 310),
    "Sending[last cancel]": (440, 400),
    "Sending[last poll]": (250, 340),
    "Sending[cancel]": (880, 380),
    "Settled": (100, 500),
}
SELF_HOSTED = {
    "Pausing[create]": (120, 60),
    "Sending[health]": (85, 180),
    "Sending[create]": (300, 60),
    "Reading": (640, 60),
    "Sending[last cancel]": (560, 260),
    "Sending[last poll]": (640, 350),
    "Sending[cancel]": (880, 360),
    "Settled": (300, 440),
}
_STYLE = """
  .box { fill: #f4f6fb; stroke: #33415c; rx: 7; }
  text { font: 13px sans-serif; text-anchor: middle; dominant-baseline: central; fill: #1b2436; }
  path { fill: none; stroke: #33415c; stroke-width: 1.4; marker-end: url(#tip); }
  path.late { stroke: #9aa5b8; stroke-dasharray: 4 4; }
"""
_TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<polygon points="0 0, 8 4, 0 8" fill="#33415c"/></marker>'
)


def svg(edges: list[Edge], places: Places) -> str:
    """The picture; solid arrows are what servers do, dashed ones the deadline or a caller who leaves."""
    arrows: dict[tuple[str, str], bool] = {}
    for edge in edges:
        ends = edge.before.partition("(")[0], edge.after.partition("(")[0]
        late = edge.outcome in (AT_THE_DEADLINE, LEAVING)
        arrows[ends] = arrows.get(ends, True) and late
    missing = {state for ends in arrows for state in ends} - places.keys()
    if missing:
        raise SystemExit(f"lifecycle_picture.py has no place for the states {', '.join(sorted(missing))}")
    lines = [
        _arrow(places[before], places[after], late, (after, before) in arrows)
        for (before, after), late in arrows.items()
    ]
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 970 540" role="img">',
            "<title>The states of a prediction's life and what may follow each</title>",
            f"<style>{_STYLE}</style>",
            _TIP,
            '<rect width="970" height="540" fill="#ffffff"/>',
            *lines,
            *(_drawn(name, x, y) for name, (x, y) in places.items()),
            "</svg>\n",
        ]
    )


def _drawn(name: str, x: int, y: int) -> str:
    box = f'<rect class="box" x="{x - WIDTH // 2}" y="{y - HEIGHT // 2}" width="{WIDTH}" height="{HEIGHT}"/>'
    return f'{box}<text x="{x}" y="{y}">{escape(name)}</text>'


def _arrow(before: tuple[int, int], after: tuple[int, int], late: bool, both_ways: bool) -> str:
    """A straight line from box to box, moved aside where another one comes back; a loop above the box for itself."""
    style = ' class="late"' if late else ""
    (x1, y1), (x2, y2) = before, after
    if before == after:
        top = y1 - HEIGHT // 2
        return f'<path{style} d="M{x1 - 20} {top} C{x1 - 20} {top - 30} {x1 + 20} {top - 30} {x1 + 20} {top - 1}"/>'
    length = hypot(x2 - x1, y2 - y1)
    across, down = (x2 - x1) / length, (y2 - y1) / length
    aside = 9.0 if both_ways else 0.0
    left, up = -down * aside, across * aside
    start, end = _way_out(across, down, left, up), length - _way_out(-across, -down, left, up) - 1
    points = [(x1 + left + across * way, y1 + up + down * way) for way in (start, end)]
    return f'<path{style} d="M{points[0][0]:.0f} {points[0][1]:.0f} L{points[1][0]:.0f} {points[1][1]:.0f}"/>'


def _way_out(across: float, down: float, left: float, up: float) -> float:
    """How far it is in this direction to the border of a box, from a point that lies this far from its middle."""
    sides = [(WIDTH / 2 - (left if across > 0 else -left)) / abs(across)] if across else []
    sides += [(HEIGHT / 2 - (up if down > 0 else -up)) / abs(down)] if down else []
    return min(sides)
