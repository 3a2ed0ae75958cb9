"""The map features of a Scenario message as plain arrays, checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.errors import DataError

MPH = 0.44704  # m/s
BIKE_LANE = 3


@dataclass(frozen=True)
class RawLane:
    """A lane as the file has it. line (P, 2), P >= 2, driven direction; limit_mps 0: none; neighbors: (lane id, share
    of this lane beside it, share of that lane); left, right: (first index, last index, feature id) of what bounds it.
    """

    id: int
    line: F64
    limit_mps: float
    entries: tuple[int, ...]
    exits: tuple[int, ...]
    neighbors: tuple[tuple[int, float, int, int], ...]
    left: tuple[tuple[int, int, int], ...]
    right: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class RawLine:
    """A road line or a road edge (drivable side on its left)."""

    id: int
    kind: int
    line: F64


@dataclass
class Features:
    """Everything static of one scenario, in the file's order. signals: lane id -> stop point; stops: (sign id, lane
    ids, position)."""

    lanes: list[RawLane] = field(default_factory=list)
    road_lines: list[RawLine] = field(default_factory=list)
    road_edges: list[RawLine] = field(default_factory=list)
    crosswalks: list[RawLine] = field(default_factory=list)
    speed_bumps: list[RawLine] = field(default_factory=list)
    driveways: list[RawLine] = field(default_factory=list)
    stop_signs: list[tuple[int, tuple[int, ...], F64]] = field(default_factory=list)
    signals: dict[int, F64] = field(default_factory=dict)


def features_of(message: Any, where: str) -> Features:
    """Bike lanes are left out, and so are lanes without a center line of at least two distinct points. Raises DataError
    when no lane remains, two features have one id or a coordinate is not finite."""
    out = Features()
    for f in message.map_features:
        kind = f.WhichOneof("feature_data")
        if kind == "lane":
            lane = _lane(f.id, f.lane, where)
            if lane is not None and f.lane.type != BIKE_LANE:
                out.lanes.append(lane)
        elif kind == "road_line":
            _append(out.road_lines, f.id, f.road_line.type, f.road_line.polyline, 2, where)
        elif kind == "road_edge":
            _append(out.road_edges, f.id, f.road_edge.type, f.road_edge.polyline, 2, where)
        elif kind in ("crosswalk", "speed_bump", "driveway"):
            _append(getattr(out, kind + "s"), f.id, 0, getattr(f, kind).polygon, 3, where)
        elif kind == "stop_sign":
            at = np.array([f.stop_sign.position.x, f.stop_sign.position.y])
            if np.isfinite(at).all():
                out.stop_signs.append((f.id, tuple(f.stop_sign.lane), at))
    twice = [id for id, n in Counter(f.id for f in message.map_features).items() if n > 1]
    if twice:
        raise DataError(f"{len(twice)} map features share an id", where=f"{where}: map feature {twice[0]}")
    if not out.lanes:
        raise DataError("the map has no lane with a center line", where=where)
    for frame in message.dynamic_map_states:
        for s in frame.lane_states:
            if s.lane not in out.signals and np.isfinite([s.stop_point.x, s.stop_point.y]).all():
                out.signals[s.lane] = np.array([s.stop_point.x, s.stop_point.y])
    return out


def _lane(id: int, lane: Any, where: str) -> RawLane | None:
    line = _points(lane.polyline, f"{where}: lane {id}")
    if len(line) < 2:
        return None
    neighbors = [
        (
            n.feature_id,
            (n.self_end_index - n.self_start_index) / max(len(lane.polyline) - 1, 1),
            n.neighbor_start_index,
            n.neighbor_end_index,
        )
        for n in (*lane.left_neighbors, *lane.right_neighbors)
    ]
    return RawLane(
        id=id,
        line=line,
        limit_mps=lane.speed_limit_mph * MPH,
        entries=tuple(lane.entry_lanes),
        exits=tuple(lane.exit_lanes),
        neighbors=tuple(neighbors),
        left=tuple((b.lane_start_index, b.lane_end_index, b.boundary_feature_id) for b in lane.left_boundaries),
        right=tuple((b.lane_start_index, b.lane_end_index, b.boundary_feature_id) for b in lane.right_boundaries),
    )


def _append(out: list[RawLine], id: int, kind: int, points: Any, least: int, where: str) -> None:
    line = _points(points, f"{where}: map feature {id}")
    if len(line) >= least:
        out.append(RawLine(id, kind, line))


def _points(points: Any, where: str) -> F64:
    """(P, 2) without repeated points. Raises DataError where one is not finite."""
    xy = np.array([(p.x, p.y) for p in points], np.float64).reshape(-1, 2)
    bad = np.flatnonzero(~np.isfinite(xy).all(1))
    if len(bad):
        raise DataError("a coordinate is not finite", where=f"{where}, point {bad[0]}")
    keep = np.ones(len(xy), np.bool_)
    keep[1:] = (np.abs(np.diff(xy, axis=0)) > 1e-3).any(1)
    return xy[keep]
