"""How wide a lane is, which Waymo's map does not say: half the way to a parallel lane, or the way to a boundary or road
edge, whichever is nearer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import KDTree

from roadcraft.core.arrays import F64, I64, offsets_of
from roadcraft.scenario_io.lane_graph.shapes import dense, tangents
from roadcraft.scenario_io.womd.config import WomdConfig
from roadcraft.scenario_io.womd.features import Features, RawLane

_AHEAD = 0.6  # m along the lane within which a point beside it counts
_NEAREST = 0.8  # m to the side: what is nearer is the same lane drawn twice (a fork), or noise


def half_widths(features: Features, config: WomdConfig) -> list[F64]:
    """Per lane (P, 2): meters from the center line to the left and to the right edge at each of its vertices."""
    lanes = features.lanes
    points = np.concatenate([lane.line for lane in lanes])
    along = np.concatenate([tangents(lane.line) for lane in lanes])
    starts = offsets_of([len(lane.line) for lane in lanes])
    owner = np.repeat(np.arange(len(lanes)), np.diff(starts))
    sides = np.full((len(points), 2), np.nan)
    _beside_lanes(points, along, owner, _adjacent(lanes), config, sides)
    if features.road_edges:
        _beside_points(points, along, np.concatenate([dense(e.line) for e in features.road_edges]), config, sides)
    _beside_boundaries(features, starts, points, along, config, sides)
    return [_filled(sides[starts[i] : starts[i + 1]], config) for i in range(len(lanes))]


def _adjacent(lanes: Sequence[RawLane]) -> set[tuple[int, int]]:
    """Pairs of rows that follow each other, or share a beginning or an end: their distance says nothing of a width."""
    row = {lane.id: i for i, lane in enumerate(lanes)}
    out: set[tuple[int, int]] = set()
    for i, lane in enumerate(lanes):
        for ids in (lane.entries, lane.exits):
            for j in (row[k] for k in ids if k in row):
                out |= {(i, j), (j, i)}
    return out


def _local(offset: F64, along: F64) -> tuple[F64, F64]:
    return (offset * along).sum(-1), along[..., 0] * offset[..., 1] - along[..., 1] * offset[..., 0]


def _beside_lanes(
    points: F64, along: F64, owner: I64, adjacent: set[tuple[int, int]], config: WomdConfig, sides: F64
) -> None:
    tree = KDTree(points)
    pairs = tree.query_pairs(2 * config.max_half_width_m, output_type="ndarray")
    pairs = pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    parallel = np.abs((along[a] * along[b]).sum(1)) > 0.9
    a, b = a[parallel], b[parallel]
    ahead, aside = _local(points[b] - points[a], along[a])
    near = (np.abs(ahead) < _AHEAD) & (np.abs(aside) > _NEAREST)
    a, b, aside = a[near], b[near], aside[near]
    n = int(owner.max()) + 1
    known = np.fromiter((i * n + j for i, j in adjacent), np.int64, len(adjacent))
    apart = ~np.isin(owner[a] * n + owner[b], known)
    _note(sides, a[apart], aside[apart], 0.5)


def _beside_points(points: F64, along: F64, cloud: F64, config: WomdConfig, sides: F64) -> None:
    found = KDTree(points).sparse_distance_matrix(KDTree(cloud), config.max_half_width_m + 0.5, output_type="ndarray")
    a, b = found["i"], found["j"]
    ahead, aside = _local(cloud[b] - points[a], along[a])
    near = (np.abs(ahead) < _AHEAD) & (np.abs(aside) > 0.5)
    _note(sides, a[near], aside[near], 1.0)


def _beside_boundaries(
    features: Features, starts: I64, points: F64, along: F64, config: WomdConfig, sides: F64
) -> None:
    lines = {x.id: dense(x.line) for x in (*features.road_lines, *features.road_edges)}
    for i, lane in enumerate(features.lanes):
        for first, last, feature in (*lane.left, *lane.right):
            if feature not in lines or last < first:
                continue
            rows = slice(starts[i] + max(first, 0), min(starts[i] + last + 1, starts[i + 1]))
            part = sides[rows]
            _beside_points(points[rows], along[rows], lines[feature], config, part)


def _note(sides: F64, rows: I64, aside: F64, share: float) -> None:
    """Lower the distances of the rows to what was measured (positive: to the left)."""
    for column, sign in ((0, 1.0), (1, -1.0)):
        mine = aside * sign > 0
        np.fmin.at(sides[:, column], rows[mine], share * np.abs(aside[mine]))


def _filled(sides: F64, config: WomdConfig) -> F64:
    """Gaps filled along the lane, bounds kept, steps smoothed."""
    out = np.empty_like(sides)
    n = len(sides)
    for c in range(2):
        known = np.flatnonzero(np.isfinite(sides[:, c]) & (sides[:, c] <= config.max_half_width_m))
        width = np.full(n, config.lane_half_width_m)
        if len(known):
            width = np.interp(np.arange(n), known, sides[known, c])
        width = np.clip(width, config.min_half_width_m, config.max_half_width_m)
        k = min(5, n)
        padded = np.pad(width, (k // 2, k - 1 - k // 2), mode="edge")
        out[:, c] = np.minimum(
            np.convolve(padded, np.full(k, 1 / k), mode="valid"), np.maximum(width, config.min_half_width_m)
        )
    return out
