"""Ego's and the expert's progress along the expert's route (reference: nuplan-devkit e924167,
ego_progress_along_expert_route.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.polyline import length_row, project_row
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.map_index.index import LayerArrays, holds
from roadcraft.core.driving.readonly import frozen
from roadcraft.core.interfaces import MetricContext
from roadcraft.validation.metrics.common.frames import expert_boxes, frames
from roadcraft.validation.metrics.common.once import once_per_rollout
from roadcraft.validation.metrics.common.routes import expert_route


@dataclass(frozen=True)
class Progress:
    """Progress per step, m: ego (n,), expert (N,); None where the expert never was on a lane."""

    ego: F64 | None
    expert: F64 | None

    @property
    def totals(self) -> tuple[float, float]:
        """Ego's and the expert's progress over the whole scenario."""
        assert self.ego is not None
        assert self.expert is not None
        return float(np.sum(self.ego)), float(np.sum(self.expert))

    def ratio(self, floor_m: float) -> float:
        """Ego's share of the expert's progress, in [0, 1]: 1 without a route, 0 for more than floor_m backwards."""
        return 1.0 if self.ego is None else share_of(*self.totals, floor_m)


@small_njit
def share_of(ego: float, expert: float, floor_m: float) -> float:
    """Ego's share of the expert's progress, in [0, 1]."""
    return 0.0 if ego < -floor_m else min(1.0, max(ego, floor_m) / max(expert, floor_m))


@once_per_rollout
def progress(context: MetricContext) -> Progress:
    pairs = expert_pairs(context)
    if not len(pairs):
        return Progress(None, None)
    return Progress(along(context, frames(context).box), along(context, expert_boxes(context)))


@once_per_rollout
def expert_pairs(context: MetricContext) -> I64:
    """(block, lane) rows (P, 2) of the expert's route, in order."""
    route, block = expert_route(context), context.rollout.scenario.map.lanes.block
    pairs = _pairs(frozen(route.rows, np.int64), frozen(route.count, np.int64), frozen(block, np.int64))
    return frozen(pairs, np.int64)


def along(context: MetricContext, box: F64) -> F64:
    """Progress per pose (n,), m, of boxes (n, 5) along the expert's route, which is not empty."""
    map_data = context.rollout.scenario.map
    lines, blocks = map_data.lanes.centerlines, map_data.index.blocks.arrays
    return _along(box, expert_pairs(context), blocks, frozen(lines.points), frozen(lines.offsets, np.int64))


@njit(cache=True, nogil=True)
def _pairs(rows: I64, count: I64, block: I64) -> I64:
    """(block, lane) rows of the route, one per change of block: of each entry that shares nothing with the one before,
    the first object (``get_route_simplified``, ``get_route_baseline_roadblock_linkedlist``)."""
    out = np.empty((len(rows), 2), np.int64)
    held, pairs = -1, 0
    for i in range(len(rows)):
        if count[i] == 0:
            continue
        fresh = True
        if held >= 0:
            for a in range(count[held]):
                for b in range(count[i]):
                    if rows[held, a] == rows[i, b]:
                        fresh = False
        if fresh:
            held = i
            own = block[rows[i, 0]]
            if pairs == 0 or own != out[pairs - 1, 0]:
                out[pairs, 0], out[pairs, 1] = own, rows[i, 0]
                pairs += 1
    return out[:pairs]


@njit(cache=True, nogil=True)
def _along(box: F64, pairs: I64, blocks: LayerArrays, points: F64, offsets: I64) -> F64:
    """Progress per pose."""
    out = np.zeros(len(box))
    now, before = np.int64(0), start_along(box[0, 0], box[0, 1], pairs, points, offsets)
    for i in range(1, len(box)):
        out[i], now, before = step_along(box[i, 0], box[i, 1], now, before, pairs, blocks, points, offsets)
    return out


@njit(cache=True, nogil=True)
def start_along(x: float, y: float, pairs: I64, points: F64, offsets: I64) -> float:
    """Arc length of the first pose on the first baseline."""
    return project_row(points, offsets[pairs[0, 1]], offsets[pairs[0, 1] + 1], x, y)


@njit(cache=True, nogil=True)
def step_along(
    x: float, y: float, now: int, before: float, pairs: I64, blocks: LayerArrays, points: F64, offsets: I64
) -> tuple[float, int, float]:
    """Progress of a pose, and for the next one the place in ``pairs`` and the arc length there, as they were ``now``
    and ``before``. In the current block it is the change of arc length; otherwise the following blocks are tried
    in order, and the first that holds the pose adds the rest of the old baseline, the way on the new one and that of
    the skipped ones. A pose in none of them adds nothing and changes nothing, so that a later return jumps
    (``PerFrameProgressAlongRouteComputer``)."""
    first, last = offsets[pairs[now, 1]], offsets[pairs[now, 1] + 1]
    if pairs[now, 0] >= 0 and holds(blocks, pairs[now, 0], x, y):
        arc = project_row(points, first, last, x, y)
        return arc - before, now, arc
    skipped, end = 0.0, last - 1
    for k in range(now + 1, len(pairs)):
        a, b = offsets[pairs[k, 1]], offsets[pairs[k, 1] + 1]
        if pairs[k, 0] >= 0 and holds(blocks, pairs[k, 0], x, y):
            length = length_row(points, first, last)
            arc = project_row(points, a, b, x, y)
            joined = project_row(points, a, b, points[last - 1, 0], points[last - 1, 1])
            return (length - before) + (arc - joined) + skipped, k, arc
        if k + 1 < len(pairs):
            following = offsets[pairs[k + 1, 1]]
            leaves = project_row(points, a, b, points[following, 0], points[following, 1])
            enters = project_row(points, a, b, points[end, 0], points[end, 1])
            skipped += leaves - enters
            end = b - 1
    return 0.0, now, before
