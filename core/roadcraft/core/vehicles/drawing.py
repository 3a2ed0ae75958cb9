"""One picture of a vehicle, as SVG text: side and top view to scale, its tightest steady circle, and what a turn of 90
degrees sweeps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.vehicles.geometry import (
    full_lock_m,
    least_circle,
    length_of,
    outlines,
    swept_path,
    unit_poses,
)
from roadcraft.core.vehicles.vehicle import Vehicle

LANE_M = 3.66
"""Width of the lane drawn in the turn, 12 ft."""
RADIUS_M = 12.5
"""Radius of the steered axle in the turn."""
_WIDTH, _MARGIN, _PANEL = 1000.0, 40.0, 470.0
_COLORS = ("#2f6db3", "#c9701f", "#3f8f57", "#8a56a8", "#b04a5a")
_INK, _FAINT = "#222222", "#8a8a8a"
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.small{font-size:11px}.title{font-size:17px;font-weight:600}"
    ".note{fill:#666}.middle{text-anchor:middle}.end{text-anchor:end}"
)


class _View(NamedTuple):
    """A piece of the picture with a scale of its own: meters to pixels, y upward."""

    lines: list[str]
    x0: float
    y0: float
    scale: float

    def at(self, points: F64) -> F64:
        """Points (N, 2) in pixels."""
        pixels: F64 = np.array([self.x0, self.y0]) + points * np.array([self.scale, -self.scale])
        return pixels

    def polygon(self, points: F64, fill: str, stroke: str = "none", opacity: float = 1.0) -> None:
        """A filled polygon (N, 2)."""
        self.lines.append(
            f'<polygon points="{_text(self.at(points))}" fill="{fill}" fill-opacity="{opacity:g}" stroke="{stroke}"/>'
        )

    def line(self, points: F64, stroke: str = _INK, dash: str = "", width: float = 1.0) -> None:
        """A line (N, 2)."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        style = f'fill="none" stroke="{stroke}" stroke-width="{width:g}"{dashes}'
        self.lines.append(f'<polyline points="{_text(self.at(points))}" {style}/>')

    def circle(self, center: Sequence[float], radius: float, stroke: str, fill: str = "none", dash: str = "") -> None:
        """A circle."""
        x, y = self.at(np.array(center))
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.lines.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * self.scale:.1f}" fill="{fill}" stroke="{stroke}"{dashes}/>'
        )

    def text(self, place: Sequence[float], words: str, style: str = "small middle", down: float = 0.0) -> None:
        """Words at a place; down: pixels below it."""
        x, y = self.at(np.array(place))
        self.lines.append(f'<text class="{style}" x="{x:.1f}" y="{y + down:.1f}">{escape(words)}</text>')

    def measure(self, left: float, right: float, down: float) -> None:
        """The length between two places of the x axis, down pixels below it."""
        y = -down / self.scale
        self.line(np.array([[left, y], [right, y]]), _FAINT)
        for x in (left, right):
            self.line(np.array([[x, y - 4 / self.scale], [x, y + 4 / self.scale]]), _FAINT)
        if (right - left) * self.scale > 26:
            self.text((0.5 * (left + right), y), f"{right - left:.2f}", down=-4)


def _text(pixels: F64) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)


def _box(left: float, right: float, bottom: float, top: float) -> F64:
    return np.array([[left, bottom], [right, bottom], [right, top], [left, top]])


def draw_vehicle(vehicle: Vehicle) -> str:
    """The picture of a vehicle as an SVG document."""
    length = length_of(vehicle)
    scale = min((_WIDTH - 2 * _MARGIN) / length, 70.0)
    tall = max(u.height_m for u in vehicle.units) * scale
    wide = max(u.width_m for u in vehicle.units) * scale
    ground, middle = 92.0 + tall, 92.0 + tall + 130.0 + 0.5 * wide
    panels = middle + 0.5 * wide + 45.0
    lines: list[str] = []
    x0 = 0.5 * (_WIDTH + length * scale)  # of the front end: vehicles face right
    _side_view(vehicle, _View(lines, x0, ground, scale))
    _top_view(vehicle, _View(lines, x0, middle, scale))
    _circle_view(vehicle, lines, panels)
    _turn_view(vehicle, lines, panels)
    height = panels + _PANEL + 40.0
    summary = f"{vehicle.summary}. " if vehicle.summary else ""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="img">'
        f"<title>{escape(vehicle.name)}</title><style>{_STYLE}</style>"
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#ffffff"/>'
        f'<text class="title" x="{_MARGIN:.0f}" y="30">{escape(vehicle.name)}</text>'
        f'<text class="note" x="{_MARGIN:.0f}" y="48">{escape(summary)}Lengths in meters.</text>'
    )
    return "\n".join([head, *lines, "</svg>\n"])


def _places(vehicle: Vehicle) -> F64:
    """(n,) axles of the straight vehicle, its front end at 0."""
    x: F64 = unit_poses(vehicle, np.zeros(3), np.zeros(vehicle.joints))[:, 0]
    return x - vehicle.body.front_m


def _color(i: int) -> str:
    return _COLORS[i % len(_COLORS)]


def _axles(vehicle: Vehicle, i: int) -> list[float]:
    """Axles of unit i ahead of its reference; of unit 0 the steered one too."""
    unit = vehicle.units[i]
    return [*unit.axles_m, *([unit.wheel_base_m] if i == 0 else [])]


def _hitches(vehicle: Vehicle, x: F64) -> list[float]:
    return [float(at + u.hitch_m) for at, u in zip(x, vehicle.units[:-1], strict=False)]


def _side_view(vehicle: Vehicle, view: _View) -> None:
    x, floor = _places(vehicle), 1.15
    for i, unit in enumerate(vehicle.units):
        front, rear = x[i] + unit.front_m, x[i] - unit.rear_m
        for left, right, bottom, top in _sides(vehicle, i, x):
            view.polygon(_box(left, right, bottom, min(top, unit.height_m)), _color(i), _color(i), 0.25)
        words = f"{unit.kind} {unit.length_m:.2f} x {unit.width_m:.2f} x {unit.height_m:.2f}"
        view.text((0.5 * (front + rear), max(u.height_m for u in vehicle.units)), words, down=-6 - 14 * (i % 2))
        radius = 0.34 if unit.kind == "car" else 0.5
        for axle in _axles(vehicle, i):
            view.circle((x[i] + axle, radius), radius, _INK, "#555555")
    for at, behind in zip(_hitches(vehicle, x), vehicle.units[1:], strict=True):
        view.circle((at, 0.8 if behind.kind in ("dolly", "trailer") else floor), 0.12, _INK, "#d6263c")
    view.line(np.array([[x[-1] - vehicle.units[-1].rear_m, 0.0], [0.0, 0.0]]), _FAINT)
    rear = float(min(at - u.rear_m for at, u in zip(x, vehicle.units, strict=True)))
    marks = sorted({0.0, rear, float(x[0] + vehicle.body.wheel_base_m), *map(float, x)})
    for left, right in pairwise(marks):
        view.measure(left, right, 24.0)
    for i, at in enumerate(_hitches(vehicle, x), 1):
        view.measure(float(x[i]), at, 46.0 + 18.0 * ((i - 1) % 2))
    view.measure(rear, 0.0, 86.0)


def _sides(vehicle: Vehicle, i: int, x: F64) -> list[tuple[float, float, float, float]]:
    """Boxes of unit i seen from the side: left, right, bottom, top. A unit that another rests on is a cab, or nothing,
    on a frame."""
    unit = vehicle.units[i]
    front, rear = float(x[i] + unit.front_m), float(x[i] - unit.rear_m)
    if unit.kind == "dolly":
        return [(rear, front, 0.6, 1.1)]
    bottom = {"car": 0.25, "bus": 0.35, "semitrailer": 1.15, "trailer": 1.15}.get(unit.kind, 0.6)
    behind = x[i + 1] + vehicle.units[i + 1].front_m if i + 1 < len(vehicle.units) else -math.inf
    if rear < behind < front:
        return [(rear, float(behind), min(bottom, 0.6), 1.1), (float(behind), front, bottom, unit.height_m)]
    return [(rear, front, bottom, unit.height_m)]


def _top_view(vehicle: Vehicle, view: _View) -> None:
    x = _places(vehicle)
    for i, unit in enumerate(vehicle.units):
        half = 0.5 * unit.width_m
        view.polygon(_box(x[i] - unit.rear_m, x[i] + unit.front_m, -half, half), _color(i), _color(i), 0.2)
    for i, unit in enumerate(vehicle.units):
        track = unit.track_m or unit.width_m - 0.4
        for axle in _axles(vehicle, i):
            view.line(np.array([[x[i] + axle, -0.5 * track], [x[i] + axle, 0.5 * track]]), _INK)
            for side in (-0.5, 0.5):
                at = float(x[i] + axle)
                view.polygon(_box(at - 0.45, at + 0.45, side * track - 0.15, side * track + 0.15), "#555555")
    for at in _hitches(vehicle, x):
        view.circle((at, 0.0), 0.12, _INK, "#d6263c")


def _arc(radius: float, start: float = 0.0, end: float = math.tau) -> F64:
    a = np.linspace(start, end, 121)
    return radius * np.stack((np.cos(a), np.sin(a)), -1)


def _circle_view(vehicle: Vehicle, lines: list[str], top: float) -> None:
    """The tightest steady circle, to the left."""
    circle = least_circle(vehicle)
    lock = math.degrees(vehicle.max_steering_rad)
    head = f"Circle at full lock, {lock:.0f} degrees"
    if circle is None or circle.radii_m[0] > full_lock_m(vehicle):
        head = f"At full lock, {lock:.0f} degrees, a trailer folds; tightest steady circle"
    lines.append(f'<text x="{_MARGIN:.0f}" y="{top:.0f}">{head}</text>')
    if circle is None:
        return
    words = f"outer radius {circle.outer_m:.2f}, inner {circle.inner_m:.2f}, swept width {circle.swept_m:.2f}"
    lines.append(f'<text class="small" x="{_MARGIN:.0f}" y="{top + 20.0:.0f}">{words}</text>')
    view = _View(lines, 0.25 * _WIDTH, top + 34.0 + 0.5 * _PANEL, (0.5 * _PANEL - 12.0) / circle.outer_m)
    view.circle((0, 0), circle.outer_m, _FAINT, "#eeeeee")
    if circle.inner_m > 0.0:
        view.circle((0, 0), circle.inner_m, _FAINT, "#ffffff")
    view.circle((0, 0), circle.steered_m, _FAINT, dash="5 4")
    pose = np.array([0.0, -circle.radii_m[0], 0.0])
    _units(vehicle, view, unit_poses(vehicle, pose, circle.joints_rad))


def _turn_view(vehicle: Vehicle, lines: list[str], top: float) -> None:
    """A left turn of 90 degrees."""
    import shapely

    path = swept_path(vehicle, RADIUS_M)
    corners = outlines(vehicle, path.poses)
    shown = path.poses[:, -1, 1] < path.radius_m + 6.0
    band = shapely.simplify(shapely.union_all(shapely.polygons(corners[shown][::3].reshape(-1, 4, 2))), 0.01)
    west, south, east, north = shapely.bounds(band)
    scale = min((0.5 * _WIDTH - _MARGIN) / (east - west), (_PANEL - 12.0) / (north - south))
    view = _View(lines, 0.5 * _WIDTH + 20.0 - west * scale, top + 16.0 + north * scale, scale)
    head = f"Turn of 90 degrees, steered axle on R = {RADIUS_M:g}"
    lines.append(f'<text x="{0.5 * _WIDTH + 20.0:.0f}" y="{top:.0f}">{head}</text>')
    for part in shapely.get_parts(band):
        view.polygon(np.asarray(part.exterior.coords), "#e6e6e6")
    for ring in (r for part in shapely.get_parts(band) for r in part.interiors):
        view.polygon(np.asarray(ring.coords), "#ffffff")
    steered = np.concatenate(([[west, 0.0]], path.steered_m[path.steered_m[:, 1] < north][::10]))
    view.line(steered, _INK, "5 4")
    for side in (-0.5 * LANE_M, 0.5 * LANE_M):
        view.line(_lane_edge(side, west, north), _FAINT, "2 3")
    every = max(1, int(np.count_nonzero(shown) / 3.99))
    for poses in path.poses[shown][::every]:
        _units(vehicle, view, poses, 0.12)
    view.line(path.widest, "#d6263c", width=1.6)
    words = (
        f"swept width {path.swept_width_m:.2f}",
        f"off-tracking {path.offtracking_m:.2f}",
        f"tail swing {path.tail_swing_m.max():.2f}",
        f"dotted: a lane of {LANE_M:.2f} (12 ft)",
    )
    for k, word in enumerate(words):
        lines.append(f'<text class="small" x="{0.5 * _WIDTH + 20.0:.0f}" y="{top + 20.0 + 16.0 * k:.0f}">{word}</text>')


def _lane_edge(side: float, west: float, north: float) -> F64:
    """The line to the left (side > 0) or right of the steered axle's path, west to north."""
    around = _arc(RADIUS_M - side, -0.5 * math.pi, 0.0) + np.array([0.0, RADIUS_M])
    return np.concatenate(([[west, side]], around, [[RADIUS_M - side, north]]))


def _units(vehicle: Vehicle, view: _View, poses: F64, opacity: float = 0.3) -> None:
    for i, corners in enumerate(outlines(vehicle, poses)):
        view.polygon(corners, _color(i), _color(i), opacity)
