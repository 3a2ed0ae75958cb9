"""The graph of lane pieces: who follows whom, who lies beside whom, and each piece and crosswalk in a frame of its own.

Computed once per map in float64, so that what a network makes of the map alone has the same bits wherever the ego is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64, I64, Ragged, offsets_of
from roadcraft.core.data.map import MapData
from roadcraft.core.driving.features.map_tensors import FeatureMap, feature_map
from roadcraft.core.driving.geometry.frames import to_frame
from roadcraft.core.driving.jit import njit
from roadcraft.core.memo import memo

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class LaneGraph:
    """Rows are those of ``FeatureMap.pieces`` (N) and ``FeatureMap.crosswalks`` (C)."""

    following: Ragged
    """For each piece (N) the next one of the same lane, or the first pieces of its successors in the map's order."""
    side: I64
    """The pieces beside it (N, 2) to the left and to the right, -1 where there is none."""
    pose: F64
    """x, y, heading (N, 3) at its middle point, global frame."""
    shape: F32
    """Center, left edge, right edge (N, P, 6) in the frame of that pose."""
    crosswalk_pose: F64
    """Center and direction of the long axis (C, 3), global frame."""
    crosswalk_shape: F32
    """Outline (C, P, 2) in the frame of that pose."""


def lane_graph(map_data: MapData, lane_points: int) -> LaneGraph:
    """The lane graph of ``map_data`` with ``lane_points`` points per piece, computed on first use and kept with the
    map."""
    key = ("lane graph", lane_points)
    return memo(map_data, key, lambda: build_lane_graph(map_data, feature_map(map_data, lane_points)))


def build_lane_graph(map_data: MapData, fm: FeatureMap) -> LaneGraph:
    """Compute the lane graph."""
    count = np.bincount(fm.pieces.lane, minlength=len(map_data.lanes)).astype(np.int64)
    first = np.cumsum(count) - count
    pose, walk_pose = _piece_pose(fm.pieces.points[:, :, :2]), _outline_pose(fm.crosswalks)
    return LaneGraph(
        following=_following(fm, count, first),
        side=np.stack([_adjacent_pieces(map_data, fm, count, first, step) for step in (-1, 1)], 1),
        pose=pose,
        shape=_into(fm.pieces.points, pose),
        crosswalk_pose=walk_pose,
        crosswalk_shape=_into(fm.crosswalks, walk_pose),
    )


def _following(fm: FeatureMap, count: I64, first: I64) -> Ragged:
    within = np.flatnonzero(fm.pieces.lane[1:] == fm.pieces.lane[:-1])
    lane, after = np.repeat(np.arange(len(count)), np.diff(fm.lanes.successor_offsets)), fm.lanes.successors
    real = (count[lane] > 0) & (count[after] > 0)
    lane, after = lane[real], after[real]
    source = np.concatenate([within, first[lane] + count[lane] - 1])
    order = np.argsort(source, kind="stable")
    values = np.concatenate([within + 1, first[after]])[order]
    return Ragged(values.astype(np.int64), offsets_of(np.bincount(source, minlength=len(fm.pieces.lane))))


def _adjacent_pieces(map_data: MapData, fm: FeatureMap, count: I64, first: I64, step: int) -> I64:
    """For each piece the nearest piece of the lane ``step`` places to the right in the same block, by middle points; -1
    where there is none."""
    block, index = fm.lanes.block, map_data.lanes.lane_index
    place = np.where((block >= 0) & (index >= 0), block * (index.max(initial=0) + 2) + index, -1)
    wanted = np.where((place >= 0) & (index + step >= 0), place + step, -2)
    order = np.argsort(place, kind="stable")
    at = np.minimum(np.searchsorted(place[order], wanted), max(len(order) - 1, 0))
    lane = np.where(place[order][at] == wanted, order[at], -1) if len(order) else place
    other = lane[fm.pieces.lane]
    some = np.flatnonzero((other >= 0) & (count[other] > 0))
    tries = count[other[some]]
    mine = np.repeat(some, tries)
    theirs = first[other[mine]] + np.arange(len(mine)) - np.repeat(np.cumsum(tries) - tries, tries)
    points = fm.pieces.points
    middle = points[:, points.shape[1] // 2, :2]
    gap = np.hypot(*(middle[mine] - middle[theirs]).T)
    best = np.lexsort((theirs, gap, mine))
    out = np.full(len(fm.pieces.lane), -1, np.int64)
    out[some] = theirs[best[np.cumsum(tries) - tries]]
    return out


def _piece_pose(line: F64) -> F64:
    """Pose (N, 3) of lines (N, P, 2) at their middle points."""
    middle = line.shape[1] // 2
    along = line[:, min(middle + 1, line.shape[1] - 1)] - line[:, middle - 1]
    return np.column_stack([line[:, middle], np.arctan2(along[:, 1], along[:, 0])])


def _outline_pose(outline: F64) -> F64:
    """Pose (C, 3) of outlines (C, P, 2): mean point and principal axis, turned so that the first point lies ahead."""
    center = outline.mean(1)
    x, y = np.moveaxis(outline - center[:, None], -1, 0)
    heading = 0.5 * np.arctan2(2.0 * (x * y).sum(1), (x * x - y * y).sum(1))
    behind = np.cos(heading) * x[:, 0] + np.sin(heading) * y[:, 0] < 0.0
    return np.column_stack([center, heading + np.pi * behind])


def _into(points: F64, pose: F64) -> F32:
    """Points (N, P, 2 k) in the frame of pose (N, 3)."""
    c, s = np.cos(pose[:, 2])[:, None, None], np.sin(pose[:, 2])[:, None, None]
    x, y = points[..., 0::2] - pose[:, 0, None, None], points[..., 1::2] - pose[:, 1, None, None]
    return np.stack(to_frame(x, y, c, s), -1).reshape(points.shape).astype(np.float32)


@njit(cache=True, nogil=True)
def write_lane_graph(
    b: int, out_id: I64, out_next: I64, out_side: I64, window: I64, following: I64, offsets: I64, side: I64
) -> None:
    """Row b of lane_id, lane_next, lane_side: ``window`` holds the pieces in the scene's rows, in order."""
    # The window is searched in ascending order of its pieces: a city has ten thousands, a scene some dozens.
    out_id[b], out_next[b], out_side[b] = 0, -1, -1
    order = np.argsort(window)
    ascending = window[order]
    for n in range(len(window)):
        piece = window[n]
        out_id[b, n] = piece + 1
        for j in range(2):
            out_side[b, n, j] = _slot(ascending, order, side[piece, j])
        links = 0
        for k in range(offsets[piece], offsets[piece + 1]):
            slot = _slot(ascending, order, following[k])
            if slot >= 0 and links < out_next.shape[2]:
                out_next[b, n, links] = slot
                links += 1


@njit(cache=True, nogil=True)
def write_frames(b: int, out_pose: F64, out_shape: F32, window: I64, pose: F64, shape: F32) -> None:
    """Row b of lane_pose and lane_shape, or of those of the crosswalks."""
    out_pose[b], out_shape[b] = 0.0, 0.0
    for n in range(len(window)):
        out_pose[b, n] = pose[window[n]]
        out_shape[b, n] = shape[window[n]]


@njit(cache=True, nogil=True)
def _slot(ascending: I64, order: I64, piece: int) -> int:
    """Where in the window a piece stands, -1 where it is not in it."""
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < piece:
            low = middle + 1
        else:
            high = middle
    return order[low] if low < len(ascending) and ascending[low] == piece else -1
