"""Downgrades of a map, and the speed that heavy vehicles are advised to keep on them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.places import PlaceKind
from roadcraft.core.driving.motion.closed_forms import gsrs_advised_speed
from roadcraft.core.driving.route_places import KG_PER_POUND, lane_lengths, weights_of
from roadcraft.core.memo import memo
from roadcraft.core.vehicles.vehicle import Vehicle

LEAST_GRADE = 0.03
"""Mean fall over run from which on a stretch is part of a downgrade; chosen."""
TOUCH_M = 1.0
"""Distance, m, up to which stretches of road follow each other."""
_MILE_M = 1609.344
_MPH_MPS = 0.44704


class Downgrades(NamedTuple):
    """The stretches of a map's lanes, by lane, that belong to downgrades; S stretches, H downgrades."""

    first: I64
    """(L + 1,) int64: stretches of lane k are ``first[k]`` to ``first[k + 1] - 1``."""
    span_m: F64
    """(S, 2) float64: from, to, along the lane's centerline."""
    downgrade: I64
    """(S,) int64: which downgrade it is part of, the longest of several; -1 for a stretch of no length or a ring."""
    fall: F64
    """(H,) float64: mean fall over run of the whole."""
    length_m: F64
    """(H,) float64: length of the whole."""


def downgrades(map_data: MapData) -> Downgrades:
    """The downgrades of a map, kept with it: places of kind GRADE that fall by ``LEAST_GRADE`` or more and follow each
    other, along a lane and from lane to lane."""
    return memo(map_data, "downgrades", lambda: _find(map_data))


def advised_speeds(map_data: MapData, vehicle: Vehicle) -> F64:
    """Weight-specific advisory of each downgrade, (H,) m/s, after the grade severity rating system; infinite where none
    is needed, and for vehicles without masses."""
    key = ("advised speeds", weights_of(vehicle).gross_kg)
    return memo(map_data, key, lambda: _advise(downgrades(map_data), weights_of(vehicle).gross_kg))


def _advise(found: Downgrades, gross_kg: float) -> F64:
    if math.isnan(gross_kg):
        return np.full(len(found.fall), math.inf)
    pounds = gross_kg / KG_PER_POUND
    hills = zip(found.fall.tolist(), found.length_m.tolist(), strict=True)
    return np.array([_MPH_MPS * gsrs_advised_speed(pounds, fall, way / _MILE_M) for fall, way in hills])


def _find(m: MapData) -> Downgrades:
    p = m.places
    rows = p.of(PlaceKind.GRADE)
    mean = np.where(np.isnan(p.second[rows]), p.value[rows], 0.5 * (p.value[rows] + p.second[rows]))
    rows, fall = rows[mean <= -LEAST_GRADE], -mean[mean <= -LEAST_GRADE]
    order = np.lexsort((p.span[rows, 0], p.lane[rows]))
    rows, fall = rows[order], fall[order]
    lane, span = p.lane[rows], p.span[rows]
    first = np.searchsorted(lane, np.arange(len(m.lanes) + 1))
    # each stretch is joined to the one that it follows on its lane, or at the end of a lane before it
    follows, length = [], lane_lengths(m)
    for k in range(len(rows)):
        before = [k - 1] if k and lane[k - 1] == lane[k] else []
        if not before and span[k, 0] <= TOUCH_M:
            before = [
                int(first[j + 1]) - 1 for j in m.lanes.predecessors[int(lane[k])].tolist() if first[j + 1] > first[j]
            ]
        ends = [span[j, 1] if lane[j] == lane[k] else span[j, 1] - length[lane[j]] for j in before]
        begin = [span[k, 0] if lane[j] == lane[k] else 0.0 for j in before]
        follows.append([j for j, x, y in zip(before, begin, ends, strict=True) if x - y <= TOUCH_M])
    way = span[:, 1] - span[:, 0]
    head = _longest(follows, way)
    # a downgrade is the way down to where nothing follows; where it forks or joins, the longer one counts
    leaves = np.setdiff1d(np.arange(len(rows)), head[head != np.arange(len(rows))])
    hill, best, falls = np.full(len(rows), -1, np.int64), np.zeros(len(rows)), np.empty(len(leaves))
    lengths = np.empty(len(leaves))
    for h, leaf in enumerate(leaves.tolist()):
        down = _down_to(head, leaf)
        lengths[h], falls[h] = way[down].sum(), float((fall[down] * way[down]).sum())
        longer = down[best[down] < lengths[h]]
        hill[longer], best[longer] = h, lengths[h]
    return Downgrades(first.astype(np.int64), span, hill, falls / lengths, lengths)


def _longest(follows: list[list[int]], way: F64) -> I64:
    """Of the stretches that each follows, the one with the longest way down to its end; itself where it follows
    none."""
    head, down = np.arange(len(way)), way.copy()
    for _ in range(len(way)):
        before = down.copy()
        for k, above in enumerate(follows):
            for j in above:
                if down[j] + way[k] > down[k]:
                    head[k], down[k] = j, down[j] + way[k]
        if np.array_equal(before, down):
            break
    return head


def _down_to(head: I64, k: int) -> I64:
    """The stretches from the top of a downgrade to one at its end."""
    out = [k]
    while head[k] != k and int(head[k]) not in out:
        k = int(head[k])
        out.append(k)
    return np.array(out, np.int64)
