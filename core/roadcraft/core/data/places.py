"""Places of a map: what holds on stretches of lanes, or at spots beside them, that a vehicle's planner must know.

Slope, friction and wind say how a vehicle moves there; clearances and limits say which vehicle may pass; crossings,
curbs, aprons, shoulders and docks say where it may stand or roll.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import nan, pi
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, U8, Polygons, Polylines
from roadcraft.core.errors import DataError

SPAN_TOLERANCE_M = 0.01
"""How far a span may reach beyond its lane's centerline, m."""


class PlaceKind(IntEnum):
    """Rows of ``Places.kind``; what ``value`` and ``second`` are: a second value that a kind does not name is NaN."""

    GRADE = 0
    """Rise over run in driving direction where the span begins, uphill positive; second: where it ends, linear between
    (NaN: as where it begins)."""
    BANK = 1
    """Slope across the road where the span begins, positive where the left side is the lower one; second: where it
    ends, linear between (NaN: as where it begins)."""
    FRICTION = 2
    """Coefficient between tire and road where the span begins; second: where it ends, linear between (NaN: as where it
    begins)."""
    CLEARANCE = 3
    """Height under a structure, m; second: radius of the sag curve below it, m (NaN: no sag)."""
    GROSS_LIMIT = 4
    """Heaviest vehicle allowed, all units together, kg."""
    AXLE_LIMIT = 5
    """Heaviest single axle allowed, kg; second: heaviest group of axles, kg (NaN: no such limit)."""
    TRUCK_SPEED_LIMIT = 6
    """Highest speed of trucks, m/s; second: gross mass from which it holds, kg (NaN: every truck)."""
    NO_TRUCKS = 7
    """Closed to vehicles of this gross mass and more, kg; 0: closed to every truck."""
    RAIL_CROSSING = 8
    """A railway crosses from the span's begin to its end. No value."""
    CURB = 9
    """Height of the curb, m; second: side of the lane, 1 left, -1 right (NaN: elsewhere, the polygon says where)."""
    APRON = 10
    """Height of a surface that trailers alone may roll on, m (the inner ring of a roundabout)."""
    DOCK = 11
    """Height of a loading dock's floor, m; its pose is that of a trailer that stands at it: middle of the trailer's
    rear edge, heading to the trailer's front."""
    SHOULDER = 12
    """Width of the shoulder, m; second: side of the lane, 1 left, -1 right (NaN: elsewhere, the polygon says where)."""
    WIND = 13
    """Speed of the air, m/s; second: the direction it moves in, rad, global frame."""


ON_LANES = frozenset(range(PlaceKind.RAIL_CROSSING + 1)) | {PlaceKind.WIND}
"""Kinds that need a lane."""
_RANGES: dict[PlaceKind, tuple[tuple[float, float] | None, tuple[float, float] | None]] = {
    PlaceKind.GRADE: ((-1.0, 1.0), (-1.0, 1.0)),
    PlaceKind.BANK: ((-1.0, 1.0), (-1.0, 1.0)),
    PlaceKind.FRICTION: ((0.01, 2.0), (0.01, 2.0)),
    PlaceKind.CLEARANCE: ((0.0, 100.0), (1.0, 1e9)),
    PlaceKind.GROSS_LIMIT: ((0.0, 1e7), None),
    PlaceKind.AXLE_LIMIT: ((0.0, 1e7), (0.0, 1e7)),
    PlaceKind.TRUCK_SPEED_LIMIT: ((0.0, 100.0), (0.0, 1e7)),
    PlaceKind.NO_TRUCKS: ((0.0, 1e7), None),
    PlaceKind.RAIL_CROSSING: (None, None),
    PlaceKind.CURB: ((0.0, 2.0), (-1.0, 1.0)),
    PlaceKind.APRON: ((0.0, 2.0), None),
    PlaceKind.DOCK: ((0.0, 5.0), None),
    PlaceKind.SHOULDER: ((0.0, 100.0), (-1.0, 1.0)),
    PlaceKind.WIND: ((0.0, 150.0), (-2.0 * pi, 2.0 * pi)),
}  # of value and second; None: the kind has none


class RoadPlace(NamedTuple):
    """One place, as ``Places.build`` takes it; ``PlaceKind`` says what ``value`` and ``second`` are."""

    kind: PlaceKind
    """What it is."""
    lane: int = -1
    """Row of ``Lanes``, or -1."""
    span: tuple[float, float] = (0.0, 0.0)
    """From, to: m along the lane's centerline."""
    value: float = nan
    """Its value."""
    second: float = nan
    """Its second value, NaN where it has none."""
    pose: tuple[float, float, float] | None = None
    """x, y in m and heading in rad, global frame, of a dock."""
    polygon: Sequence[F64] = ()
    """Closed rings (V, 2), m, the map's frame; none where it has no area of its own."""


@dataclass(frozen=True)
class Places:
    """P places. Raises DataError where the arrays do not fit each other or a place cannot be."""

    kind: U8
    """(P,) uint8 ``PlaceKind``."""
    lane: I64
    """(P,) int64: row of ``Lanes``, or -1 for what lies on no lane."""
    span: F64
    """(P, 2) float64: from, to, m along the lane's centerline; 0, 0 without a lane."""
    value: F64
    """(P,) float64: see ``PlaceKind``; NaN where the kind has none."""
    second: F64
    """(P,) float64: second value, see ``PlaceKind``; NaN where it has none."""
    pose: F64
    """(P, 3) float64: x, y in m and heading in rad of a dock, the map's frame; NaN for other kinds."""
    polygons: Polygons
    """(P) areas, m, the map's frame, possibly without rings."""

    def __post_init__(self) -> None:
        p = len(self.kind)
        for name, shape in {"lane": (p,), "span": (p, 2), "value": (p,), "second": (p,), "pose": (p, 3)}.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"{name} has shape {getattr(self, name).shape}, not {shape}", where="places")
        if len(self.polygons) != p:
            raise DataError(f"there are {len(self.polygons)} polygons for {p} places", where="places")
        if p:
            _check(self)

    def __len__(self) -> int:
        return len(self.kind)

    def __reduce__(self) -> str | tuple[object, ...]:
        # The places of a map that has none stay the one object that marks a map as such, in other processes too.
        return "NO_PLACES" if self is NO_PLACES else (Places, tuple(vars(self)[f] for f in self.__dataclass_fields__))

    def __getitem__(self, i: int) -> RoadPlace:
        begin, end = self.span[i].tolist()
        x, y, heading = self.pose[i].tolist()
        dock = None if np.isnan(x) else (x, y, heading)
        return RoadPlace(
            PlaceKind(int(self.kind[i])), int(self.lane[i]), (begin, end), float(self.value[i]), float(self.second[i]),
            dock, self.polygons[i],
        )  # fmt: skip

    @classmethod
    def build(cls, places: Sequence[RoadPlace]) -> Places:
        """From single places, in their order; ``NO_PLACES`` where there are none. Raises DataError naming the place."""
        return cls._of(places) if len(places) else NO_PLACES

    @classmethod
    def _of(cls, places: Sequence[RoadPlace]) -> Places:
        return cls(
            np.array([p.kind for p in places], np.uint8),
            np.array([p.lane for p in places], np.int64),
            np.array([p.span for p in places], np.float64).reshape(-1, 2),
            np.array([p.value for p in places], np.float64),
            np.array([p.second for p in places], np.float64),
            np.array([p.pose or (nan, nan, nan) for p in places], np.float64).reshape(-1, 3),
            Polygons.build([p.polygon for p in places]),
        )

    def of(self, *kinds: PlaceKind) -> I64:
        """Rows of the given kinds, ascending."""
        held = np.zeros(len(self.kind), np.bool_)
        for k in kinds:
            held |= self.kind == k
        return np.flatnonzero(held).astype(np.int64)

    def check_lanes(self, centerlines: Polylines) -> None:
        """Raises DataError where a place lies on a lane that the map lacks, or beyond its lane's ends."""
        on = np.flatnonzero(self.lane >= 0)
        if not len(on):
            return
        lacking = on[self.lane[on] >= len(centerlines)]
        if len(lacking):
            _fault(self, lacking[0], f"lane {self.lane[lacking[0]]}", f"the map has {len(centerlines)} lanes")
        length = np.array([np.hypot(*np.diff(centerlines[int(k)], axis=0).T).sum() for k in self.lane[on]])
        far = on[self.span[on, 1] > length + SPAN_TOLERANCE_M]
        if len(far):
            end = length[np.searchsorted(on, far[0])]
            _fault(self, far[0], f"the span ends at {self.span[far[0], 1]:g} m", f"its lane is {end:.2f} m long")


def _check(p: Places) -> None:
    """Raises DataError naming the first place that cannot be, and what would be right."""

    def require(ok: NDArray[np.bool_] | np.bool_, what: str, remedy: str) -> None:
        bad = np.flatnonzero(~ok)
        if len(bad):
            _fault(p, bad[0], what, remedy)

    if p.kind.max() >= len(PlaceKind):
        i = int(p.kind.argmax())
        raise DataError(f"kind {p.kind[i]} is unknown", where=f"places: place {i}", remedy="a number of PlaceKind")
    on = p.lane >= 0
    area, dock = np.diff(p.polygons.offsets) > 0, p.kind == PlaceKind.DOCK
    require(p.lane >= -1, "its lane is negative", "a row of Lanes, or -1")
    require(np.isfinite(p.span).all(axis=1), "its span is not finite", "from, to in m along the centerline")
    require(
        (p.span[:, 0] >= 0.0) & (p.span[:, 1] >= p.span[:, 0]), "its span is reversed or negative", "0 <= from <= to"
    )
    require(on | (p.span == 0.0).all(axis=1), "it has a span but no lane", "name the lane, or give 0, 0")
    require(on | ~np.isin(p.kind, list(ON_LANES)), "it lies on no lane", "places of this kind need one")
    require(on | area | dock, "it lies nowhere", "give a lane or a polygon")
    require(np.isfinite(p.pose).all(axis=1) == dock, "its pose", "docks have one, finite; other kinds have NaN")
    require(dock | np.isnan(p.pose).all(axis=1), "its pose is half given", "NaN three times")
    for kind, ranges in _RANGES.items():
        own = p.kind == kind
        if not own.any():
            continue
        for what, values, bounds in zip(("value", "second value"), (p.value, p.second), ranges, strict=True):
            none = np.isnan(values)
            if bounds is None:
                require(~own | none, f"it has a {what}", "places of this kind have none: NaN")
                continue
            given = (values >= bounds[0]) & (values <= bounds[1])
            spare = what == "second value" and kind != PlaceKind.WIND
            require(
                ~own | given | (none & spare), f"its {what} is missing or out of range", "{:g} to {:g}".format(*bounds)
            )
        if kind in (PlaceKind.CURB, PlaceKind.SHOULDER):
            side = np.abs(p.second) == 1.0
            require(
                ~own | side | (np.isnan(p.second) & area), "it has no side and no polygon", "1 (left) or -1 (right)"
            )
    bad = np.flatnonzero(~np.isfinite(p.polygons.points).all(axis=1))
    if len(bad):
        ring = np.searchsorted(p.polygons.rings, int(bad[0]), side="right") - 1
        _fault(p, int(np.searchsorted(p.polygons.offsets, ring, side="right")) - 1, "its polygon is not finite", "m")


def _fault(p: Places, i: int, what: str, remedy: str) -> NoReturn:
    kind = PlaceKind(int(p.kind[i])).name
    raise DataError(what, where=f"places: place {i} ({kind})", remedy=remedy)


NO_PLACES = Places._of(())
