"""Draws the edges of the lifecycle as an SVG. Only the places of the boxes are decided here."""

from __future__ import annotations

from math import hypot
from xml.sax.saxutils import escape

from lifecycle_walk import AT_THE_DEADLINE, LEAVING, Edge

WIDTH, HEIGHT = 140, 36
PLACES = {
    "Sending[create]": (100, 60),
    "Pausing[create]": (100, 190),
    "Sending[stream]": (370, 60),
    "Reading": (640, 60),
    "Pausing[stream]": (370, 190),
    "Sending[poll]": (640, 190),
    "Pausing[poll]": (640, 320),
    "Sending[last]": (430, 410),
    "Sending[cancel]": (850, 320),
    "Settled": (370, 520),
}
_STYLE = """
  .box { fill: #f4f6fb; stroke: #33415c; rx: 7; }
  text { font: 13px sans-serif; text-anchor: middle; dominant-baseline: central; fill: #1b2436; }
  path { fill: none; stroke: #33415c; stroke-width: 1.4; marker-end: url(#tip); }
  path.late { stroke: #9aa5b8; stroke-dasharray: 4 4; }
"""


def svg(edges: list[Edge]) -> str:
    """The picture; solid arrows are what servers do, dashed ones the deadline or a caller who leaves."""
    arrows: dict[tuple[str, str], bool] = {}
    for edge in edges:
        ends = _box(edge.before), _box(edge.after)
        late = edge.outcome in (AT_THE_DEADLINE, LEAVING)
        arrows[ends] = arrows.get(ends, True) and late
    lines = [_arrow(before, after, late, (after, before) in arrows) for (before, after), late in arrows.items()]
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 940 560" role="img">',
            "<title>The states of a prediction's life and what may follow each</title>",
            f"<style>{_STYLE}</style>",
            '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<polygon points="0 0, 8 4, 0 8" fill="#33415c"/></marker>',
            '<rect width="940" height="560" fill="#ffffff"/>',
            *lines,
            *(_drawn(name) for name in PLACES),
            "</svg>\n",
        ]
    )


def _box(state: str) -> str:
    name = state.partition("(")[0]
    if name not in PLACES:
        raise SystemExit(f"lifecycle_picture.py has no place for the state {name}")
    return name


def _drawn(name: str) -> str:
    x, y = PLACES[name]
    box = f'<rect class="box" x="{x - WIDTH // 2}" y="{y - HEIGHT // 2}" width="{WIDTH}" height="{HEIGHT}"/>'
    return f'{box}<text x="{x}" y="{y}">{escape(name)}</text>'


def _arrow(before: str, after: str, late: bool, both_ways: bool) -> str:
    """A straight line from box to box, moved aside where another one comes back; a loop above the box for itself."""
    style = ' class="late"' if late else ""
    (x1, y1), (x2, y2) = PLACES[before], PLACES[after]
    if before == after:
        top = y1 - HEIGHT // 2
        return f'<path{style} d="M{x1 - 20} {top} C{x1 - 20} {top - 30} {x1 + 20} {top - 30} {x1 + 20} {top - 1}"/>'
    length = hypot(x2 - x1, y2 - y1)
    across, down = (x2 - x1) / length, (y2 - y1) / length
    aside = 9.0 if both_ways else 0.0
    x1, x2, y1, y2 = (round(v) for v in (x1 - down * aside, x2 - down * aside, y1 + across * aside, y2 + across * aside))
    start, end = _way_out(across, down), _way_out(-across, -down)
    return (
        f'<path{style} d="M{x1 + across * start:.0f} {y1 + down * start:.0f} '
        f'L{x2 - across * (end + 1):.0f} {y2 - down * (end + 1):.0f}"/>'
    )


def _way_out(across: float, down: float) -> float:
    """How far it is from the middle of a box to its border in this direction."""
    sides = [WIDTH / 2 / abs(across)] if across else []
    sides += [HEIGHT / 2 / abs(down)] if down else []
    return min(sides)
