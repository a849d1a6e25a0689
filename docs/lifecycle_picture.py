"""Draws the edges of the lifecycle as an SVG that fits a phone. Only the places of the boxes are decided here."""

from __future__ import annotations

from math import hypot
from xml.sax.saxutils import escape

from lifecycle_walk import AT_THE_DEADLINE, LEAVING, Edge

WIDE, BOX = 400, (126, 34)
Point = tuple[float, float]
Places = dict[str, Point]
HOSTED = {
    "Pausing[create]": (70, 36),
    "Sending[create]": (230, 36),
    "Sending[stream]": (74, 130),
    "Pausing[stream]": (200, 215),
    "Pausing[poll]": (324, 255),
    "Reading": (74, 340),
    "Sending[poll]": (210, 340),
    "Sending[last cancel]": (190, 440),
    "Sending[cancel]": (330, 440),
    "Sending[last poll]": (190, 510),
}
SELF_HOSTED = {
    "Pausing[create]": (70, 60),
    "Sending[create]": (225, 60),
    "Sending[health]": (70, 150),
    "Reading": (225, 150),
    "Sending[last cancel]": (150, 250),
    "Sending[cancel]": (330, 250),
    "Sending[last poll]": (150, 320),
}
_LATE = ("Sending[cancel]", "Sending[last cancel]")
_MARGIN = 16
_STYLE = """
  .paper { fill: #ffffff; }
  .box { fill: #f4f6fb; stroke: #33415c; rx: 7; }
  .frame { fill: none; stroke: #9aa5b8; stroke-dasharray: 4 4; rx: 12; }
  text { font: 12px sans-serif; text-anchor: middle; dominant-baseline: central; fill: #1b2436; }
  path { fill: none; stroke: #33415c; stroke-width: 1.4; marker-end: url(#tip); }
  path.late { stroke-dasharray: 4 4; }
  circle { fill: #33415c; stroke: #33415c; }
  circle.late { fill: #ffffff; }
  polygon { fill: #33415c; }
  @media (prefers-color-scheme: dark) {
    .paper, circle.late { fill: #131416; }
    .box { fill: #22262f; stroke: #a8b3c7; }
    .frame { stroke: #66708a; }
    text { fill: #e6e9f0; }
    path, circle { stroke: #a8b3c7; }
    circle, polygon { fill: #a8b3c7; }
  }
"""
_TIP = (
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<polygon points="0 0, 8 4, 0 8"/></marker>'
)


def svg(edges: list[Edge], places: Places) -> str:
    """The picture. Solid is what servers do, dashed the deadline or a caller who leaves; a dot is an end.

    What every state of a running prediction may do late is drawn once, from the frame around them.
    """
    arrows: dict[tuple[str, str], bool] = {}
    for edge in edges:
        ends = edge.before.partition("(")[0], edge.after.partition("(")[0]
        late = edge.outcome in (AT_THE_DEADLINE, LEAVING)
        arrows[ends] = arrows.get(ends, True) and late
    missing = {state for ends in arrows for state in ends} - places.keys() - {"Settled"}
    if missing:
        raise SystemExit(f"lifecycle_picture.py has no place for the states {', '.join(sorted(missing))}")
    running = [state for state in places if any(arrows.get((state, late)) for late in _LATE)]
    middle, size = _frame([places[state] for state in running])
    lines = [_arrow(middle, size, places[late], late=True) for late in _LATE]
    for (before, after), late in arrows.items():
        if after != "Settled" and not (late and before in running):
            lines.append(_arrow(places[before], BOX, places[after], late=late, both_ways=(after, before) in arrows))
    tall = round(max(y for _, y in places.values()) + 30)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {tall}" width="480" role="img">',
            "<title>The states of a prediction's life and what may follow each</title>",
            f"<style>{_STYLE}</style>",
            _TIP,
            f'<rect class="paper" width="{WIDE}" height="{tall}"/>',
            _rectangle("frame", middle, size),
            *lines,
            *(_drawn(name, place, arrows.get((name, "Settled"))) for name, place in places.items()),
            "</svg>\n",
        ]
    )


def _frame(inside: list[Point]) -> tuple[Point, Point]:
    """The middle and the size of what is around these boxes."""
    across, down = zip(*inside, strict=True)
    size = (max(across) - min(across) + BOX[0] + _MARGIN, max(down) - min(down) + BOX[1] + 2 * _MARGIN)
    return ((max(across) + min(across)) / 2, (max(down) + min(down)) / 2), size


def _rectangle(style: str, middle: Point, size: Point) -> str:
    (x, y), (width, height) = middle, size
    return f'<rect class="{style}" x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}"/>'


def _drawn(name: str, place: Point, ends: bool | None) -> str:
    """A box; with a dot at its corner where the life may end there, a hollow one where only late."""
    x, y = place
    style = ' class="late"' if ends else ""
    dot = "" if ends is None else f'<circle{style} cx="{x + BOX[0] / 2:g}" cy="{y + BOX[1] / 2:g}" r="5"/>'
    return f'{_rectangle("box", place, BOX)}<text x="{x:g}" y="{y:g}">{escape(name)}</text>{dot}'


def _arrow(before: Point, size: Point, after: Point, *, late: bool, both_ways: bool = False) -> str:
    """A straight line from box to box, moved aside where another one comes back; a loop above the box for itself."""
    style = ' class="late"' if late else ""
    (x1, y1), (x2, y2) = before, after
    if before == after:
        top = y1 - BOX[1] / 2
        return f'<path{style} d="M{x1 - 52} {top} C{x1 - 52} {top - 28} {x1 - 22} {top - 28} {x1 - 22} {top - 1}"/>'
    length = hypot(x2 - x1, y2 - y1)
    across, down = (x2 - x1) / length, (y2 - y1) / length
    aside = 7.0 if both_ways else 0.0
    left, up = -down * aside, across * aside
    start, end = _way_out(across, down, left, up, size), length - _way_out(-across, -down, left, up, BOX) - 1
    points = [(x1 + left + across * way, y1 + up + down * way) for way in (start, end)]
    return f'<path{style} d="M{points[0][0]:.0f} {points[0][1]:.0f} L{points[1][0]:.0f} {points[1][1]:.0f}"/>'


def _way_out(across: float, down: float, left: float, up: float, size: Point) -> float:
    """How far it is in this direction to the border of a box, from a point that lies this far from its middle."""
    sides = [(size[0] / 2 - (left if across > 0 else -left)) / abs(across)] if across else []
    sides += [(size[1] / 2 - (up if down > 0 else -up)) / abs(down)] if down else []
    return min(sides)
