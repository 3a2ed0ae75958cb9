"""Sets of poses of the last unit from which curves lead on, found by laying curves and by joining poses by curves.

Poses are (4,): x, y, heading, curvature of the last unit's path.
"""

from __future__ import annotations

from math import cos, inf, pi, sin

import numpy as np

from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.planners.docking.curves import PIECES, connect, lay_turn, run_pieces, towing, trace
from roadcraft.planners.docking.space import room_along

STEP_M = 0.5
"""Distance between the places of a curve that are looked at."""
CUSP_M = 8.0
"""What a change of direction costs, as m driven."""
CLOSE_M = 0.4
"""Room below which less is worse."""
CLOSE_COST = 30.0
"""What a m less room below that costs, as m driven."""


@small_njit
def _price(length, room):  # type: ignore[no-untyped-def]
    return length + CLOSE_COST * max(CLOSE_M - room, 0.0)


@njit(cache=True, nogil=True)
def fan(start, straights, angles, peaks, ends, backward, shape, room):  # type: ignore[no-untyped-def]
    """Curves out of one pose: a straight, a turn by an angle at a peak curvature, and a straight; where that is
    negative, the turn stops at its peak. Out of a pose with a curvature the turn comes first, then both straights.
    Returns the pieces (K, 8, 3) of those on which all units keep clear, the poses (K, 4) at their far ends, and what
    they cost (K,).

    backward: the curves are those that lead to the pose, straight there; their pieces are in driving order all the
    same.
    """
    bent = 0.0 if backward else start[3]
    most = len(straights) * len(angles) * len(peaks) * len(ends)
    pieces, far, cost = np.zeros((most, PIECES, 3)), np.empty((most, 4)), np.empty(most)
    count = 0
    for straight in straights:
        for angle in angles:
            for peak in peaks:
                for end in ends:
                    if angle == 0.0 and (peak != peaks[0] or end < 0.0):
                        continue
                    piece = pieces[count]
                    piece[:] = 0.0
                    piece[0, 0], piece[5, 0] = straight, max(end, 0.0)
                    if bent != 0.0:
                        piece[0, 0], piece[5, 0] = 0.0, straight + max(end, 0.0)
                    lay_turn(bent, angle, peak, shape.rate, piece, 1, False)
                    if end < 0.0:
                        piece[2, 0] += 0.5 * piece[3, 0]
                        piece[3, 0] = 0.0
                    if backward:
                        _turn_round(piece)
                    if _laid(start, piece, backward, shape, room, far[count], cost, count):
                        count += 1
    return pieces[:count].copy(), far[:count].copy(), cost[:count].copy()


@small_njit
def _turn_round(piece):  # type: ignore[no-untyped-def]
    """Pieces in the other order."""
    for j in range(PIECES // 2):
        for i in range(3):
            held = piece[j, i]
            piece[j, i] = piece[PIECES - 1 - j, i]
            piece[PIECES - 1 - j, i] = held
    for j in range(PIECES):
        held = piece[j, 1]
        piece[j, 1] = piece[j, 2]
        piece[j, 2] = held


@njit(cache=True, nogil=True)
def begin_of(end, pieces):  # type: ignore[no-untyped-def]
    """The pose (4,) at which pieces (8, 3) begin that lead to the pose ``end`` (>= 3,)."""
    pose = np.zeros(4)
    run_pieces(pose, pieces, 0, PIECES)
    turned = end[2] - pose[2]
    c, s = cos(turned), sin(turned)
    out = np.zeros(4)
    out[0], out[1] = end[0] - c * pose[0] + s * pose[1], end[1] - s * pose[0] - c * pose[1]
    out[2] = turned
    for j in range(PIECES):
        if pieces[j, 0] > 0.0:
            out[3] = pieces[j, 1]
            break
    return out


@njit(cache=True, nogil=True)
def _laid(start, piece, backward, shape, room, far, cost, at):  # type: ignore[no-untyped-def]
    """Whether all units keep clear along a curve out of a pose; its far end and its cost."""
    begin = begin_of(start, piece) if backward else start
    path = trace(begin, piece, STEP_M)
    least = room_along(towing(path, shape.length, shape.hitch), path, shape, room)
    if least < 0.0:
        return False
    total = 0.0
    for j in range(PIECES):
        total += piece[j, 0]
    end = 0 if backward else len(path) - 1
    for k in range(4):
        far[k] = path[end, k]
    cost[at] = _price(total, least)
    return True


@njit(cache=True, nogil=True)
def join(starts, ends, first, most, shape, room, bound):  # type: ignore[no-untyped-def]
    """Costs (A, B) of the best clear curve from each of the poses starts (A, 4) to each of ends (B, 4), driven forward;
    infinite where there is none, where it is longer than ``bound``, or where the pair is marked so. most (P,): peak
    curvatures that are tried; bound (A, B): m."""
    out = np.full((len(starts), len(ends)), inf)
    pieces, trial, work = np.zeros((PIECES, 3)), np.zeros((PIECES, 3)), np.zeros(3)
    for a in range(len(starts)):
        for b in range(len(ends)):
            dx, dy = ends[b, 0] - starts[a, 0], ends[b, 1] - starts[a, 1]
            if dx * dx + dy * dy > bound[a, b] * bound[a, b]:
                continue
            for peak in most:
                cost = _joined(starts[a], ends[b], first, peak, (shape, room), bound[a, b], (pieces, trial, work))
                out[a, b] = min(out[a, b], cost)
    return out


@njit(cache=True, nogil=True)
def _joined(p, q, first, peak, world, bound, scratch):  # type: ignore[no-untyped-def]
    """Cost of the curve from p to q at a peak curvature; its pieces are in scratch."""
    (shape, room), (pieces, trial, work) = world, scratch
    length = connect(p, q, first, peak, shape.rate, pieces, trial, work)
    if length > bound:
        return inf
    path = trace(p, pieces, STEP_M)
    least = room_along(towing(path, shape.length, shape.hitch), path, shape, room)
    return inf if least < 0.0 else _price(length, least)


@njit(cache=True, nogil=True)
def best_curve(p, q, first, most, shape, room):  # type: ignore[no-untyped-def]
    """Pieces (8, 3) and cost of the best clear curve from p to q that begins straight for ``first`` m."""
    best, out = inf, np.zeros((PIECES, 3))
    pieces, trial, work = np.zeros((PIECES, 3)), np.zeros((PIECES, 3)), np.zeros(3)
    for peak in most:
        cost = _joined(p, q, first, peak, (shape, room), inf, (pieces, trial, work))
        if cost < best:
            best = cost
            out[:] = pieces
    return out, best


def degrees(*values: float) -> np.ndarray:
    """Angles in rad from degrees."""
    return np.array(values) * pi / 180.0
