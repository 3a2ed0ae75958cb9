"""The lanes of many maps in one kernel argument: centerlines as points at equal steps, and which lane goes on from, or
lies beside, which."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, offsets_of, read_only
from roadcraft.core.data.joined import joined
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.memo import memo

SPACING_M = 2.0
"""Largest step between two points of a lane. On an arc of 10 m radius the chord strays 5 cm from it."""
_SHORTEST_M = 1e-3


class LaneField(NamedTuple):
    """L lanes of M maps, those of each map in its own order, one map after the other."""

    lane_at: I64
    """(M + 1,): first lane of each map."""
    point_at: I64
    """(L + 1,): first point of each lane; a lane has at least two."""
    points: F64
    """(P, 4): x, y m and cosine and sine of the direction to the next point, of a lane's last point that of the one
    before."""
    spacing: F64
    """(L,) m from point to point along the lane."""
    length: F64
    """(L,) m."""
    limit: F64
    """(L,) speed limit m/s, infinite where there is none."""
    beside: NDArray[np.int32]
    """(L, 2): the lanes to the left and to the right in the same block, -1 where there is none."""
    following_at: I64
    """(L + 1,): first entry of each lane in ``following``."""
    following: NDArray[np.int32]
    """(V,): lanes that begin where a lane ends, in the map's order."""


def lane_field(maps: Sequence[MapData]) -> LaneField:
    """The lanes of maps."""
    lanes = {"beside": "length", "following": "length"}
    return read_only(joined([lanes_of(m) for m in maps], ("lane_at", "point_at", "following_at"), lanes))


def lanes_of(map_data: MapData) -> LaneField:
    """The lanes of one map, kept with it."""
    return memo(map_data, "lane field", partial(_of_map, map_data))


def _of_map(m: MapData) -> LaneField:
    lanes = m.lanes
    made = [_resampled(lanes.centerlines[k]) for k in range(len(lanes))]
    counts, spacing = [len(p) for p, _ in made], np.array([s for _, s in made])
    points = np.concatenate([np.zeros((0, 4)), *(p for p, _ in made)])
    limit = np.where(lanes.has_speed_limit, lanes.speed_limit_mps, np.inf)
    return LaneField(
        frozen([0, len(lanes)], np.int64), frozen(offsets_of(counts), np.int64), frozen(points),
        frozen(spacing), frozen(spacing * (np.array(counts) - 1)), frozen(limit), frozen(_beside(m), np.int32),
        frozen(lanes.successors.offsets, np.int64), frozen(lanes.successors.values, np.int32),
    )  # fmt: skip


def _resampled(line: F64) -> tuple[F64, float]:
    """Points (n, 4) of a centerline as in :class:`LaneField`, and their spacing."""
    steps = np.hypot(*np.diff(line, axis=0).T) if len(line) > 1 else np.zeros(0)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    n = max(int(np.ceil(arc[-1] / SPACING_M)), 1)
    out, at = np.zeros((n + 1, 4)), np.linspace(0.0, arc[-1], n + 1)
    if len(line):
        out[:, 0], out[:, 1] = np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])
    along = np.diff(out[:, :2], axis=0)
    far = np.hypot(*along.T)
    along = np.where((far > 0.0)[:, None], along / np.maximum(far, 1e-300)[:, None], [1.0, 0.0])
    out[:-1, 2:], out[-1, 2:] = along, along[-1]
    return out, max(float(arc[-1]) / n, _SHORTEST_M)


def _beside(m: MapData) -> I64:
    """``LaneField.beside`` of one map, by blocks and the order of lanes in them."""
    block, index = m.lanes.block, m.lanes.lane_index
    known = (block >= 0) & (index >= 0)
    row = {(b, i): k for k, (b, i) in enumerate(zip(block.tolist(), index.tolist(), strict=True)) if known[k]}
    out = np.full((len(block), 2), -1, np.int64)
    for (b, i), k in row.items():
        out[k] = row.get((b, i - 1), -1), row.get((b, i + 1), -1)
    return out
