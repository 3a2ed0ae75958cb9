"""Curves of the last unit's axle, and the way of unit 0 that goes with them.

The last unit of a truck with one trailer moves as a car whose curvature is set by the joint, and its hitch goes where
it tows to: a curve of its axle says where the whole chain is, forward as in reverse. Curves are built of pieces: turns,
whose curvature goes up to a peak, stays and comes back, and straights. They are all driven forward; one in reverse is
the forward curve from its end to its begin.
"""

from __future__ import annotations

from math import atan, atan2, cos, exp, hypot, inf, sin, sqrt

import numpy as np

from roadcraft.core.driving.geometry.angles import wrap
from roadcraft.core.driving.jit import njit, small_njit

PIECES = 8
"""Pieces of a curve between two poses: straight, turn, straight, turn."""
ROUND = 0.25
"""Share of a ramp of curvature at either end in which its slope comes and goes."""
_MOST_TURN, _SCAN, _HALVINGS, _REACH_M = 2.2, 45, 30, 1.5


@small_njit
def _ramp(t):  # type: ignore[no-untyped-def]
    """Height and area of a rounded ramp from 0 to 1 at t in [0, 1]."""
    if t > 0.5:
        u = 1.0 - t
        return 1.0 - _rise(u), t - 0.5 + _area(u)
    return _rise(t), _area(t)


@small_njit
def _rise(t):  # type: ignore[no-untyped-def]
    if t < ROUND:
        return t * t / (2.0 * ROUND * (1.0 - ROUND))
    return (t - 0.5 * ROUND) / (1.0 - ROUND)


@small_njit
def _area(t):  # type: ignore[no-untyped-def]
    if t < ROUND:
        return t * t * t / (6.0 * ROUND * (1.0 - ROUND))
    u = t - 0.5 * ROUND
    return (0.5 * u * u + ROUND * ROUND / 24.0) / (1.0 - ROUND)


@small_njit
def piece_at(piece, s):  # type: ignore[no-untyped-def]
    """Curvature, and heading gained, after s m of a piece (3,): length, curvature at its begin and at its end."""
    length, a, b = piece[0], piece[1], piece[2]
    if a == b or length <= 0.0:
        return a, a * s
    rise, area = _ramp(min(s / length, 1.0))
    return a + (b - a) * rise, a * s + (b - a) * length * area


@small_njit
def advance_pose(pose, piece, begin, end):  # type: ignore[no-untyped-def]
    """Moves a pose (>= 3,) along a piece from one place on it to another: two-point Gauss."""
    mid, half = 0.5 * (begin + end), 0.5 * (end - begin)
    _, turned = piece_at(piece, begin)
    _, early = piece_at(piece, mid - 0.5773502691896257 * half)
    _, late = piece_at(piece, mid + 0.5773502691896257 * half)
    _, after = piece_at(piece, end)
    pose[0] += half * (cos(pose[2] + early - turned) + cos(pose[2] + late - turned))
    pose[1] += half * (sin(pose[2] + early - turned) + sin(pose[2] + late - turned))
    pose[2] += after - turned


@small_njit
def run_pieces(pose, pieces, first, last):  # type: ignore[no-untyped-def]
    """Moves a pose (>= 3,) along the pieces first .. last - 1; returns their length."""
    total = 0.0
    for j in range(first, last):
        length = pieces[j, 0]
        if length <= 0.0:
            continue
        count = int(length / _REACH_M) + 1
        for k in range(count):
            advance_pose(pose, pieces[j], length * k / count, length * (k + 1) / count)
        total += length
    return total


@small_njit
def lay_turn(a, angle, most, rate, pieces, at, back):  # type: ignore[no-untyped-def]
    """A turn by ``angle`` from curvature ``a`` to straight on, into three pieces from ``at`` on; ``back``: from
    straight on to curvature ``a``. most: largest curvature; rate: its mean change per m."""
    side = 1.0 if a > 0.0 or (a == 0.0 and angle >= 0.0) else -1.0
    a, angle, hold = side * a, side * angle, 0.0
    c, square = 2.0 * rate * angle, a * a
    if c >= square:
        peak = sqrt(0.5 * (c + square))
        if peak > most:
            peak, hold = most, (c - (2.0 * most * most - square)) / (2.0 * rate * most)
    else:
        peak = -sqrt(0.5 * (square - c))
        if peak < -most:
            peak, hold = -most, (square - 2.0 * most * most - c) / (2.0 * rate * most)
    up, down = abs(peak - a) / rate, abs(peak) / rate
    a, peak = side * a, side * peak
    first, last = (at + 2, at) if back else (at, at + 2)
    pieces[first, 0], pieces[at + 1, 0], pieces[last, 0] = up, hold, down
    pieces[at + 1, 1] = pieces[at + 1, 2] = peak
    if back:
        pieces[at, 1], pieces[at, 2], pieces[at + 2, 1], pieces[at + 2, 2] = 0.0, peak, peak, a
    else:
        pieces[at, 1], pieces[at, 2], pieces[at + 2, 1], pieces[at + 2, 2] = a, peak, peak, 0.0


@small_njit
def _off(p, q, alpha, most, rate, pieces, work):  # type: ignore[no-untyped-def]
    """How far the end lies beside q, and the straight that is left between the two turns."""
    lay_turn(p[3], alpha, most, rate, pieces, 1, False)
    lay_turn(q[3], wrap(q[2] - p[2]) - alpha, most, rate, pieces, 5, True)
    for k in range(3):
        work[k] = p[k]
    run_pieces(work, pieces, 0, 4)
    heading = work[2]
    run_pieces(work, pieces, 5, 8)
    dx, dy = q[0] - work[0], q[1] - work[1]
    return dy * cos(heading) - dx * sin(heading), dx * cos(heading) + dy * sin(heading)


@small_njit
def connect(p, q, first, most, rate, pieces, trial, work):  # type: ignore[no-untyped-def]
    """The shortest straight of ``first`` m, turn, straight and turn from p to q, (4,) each: x, y, heading, curvature;
    into pieces (8, 3). Returns its length, infinite where there is none. trial (8, 3), work (3,): scratch."""
    best, before, low = inf, 0.0, 0.0
    trial[0, 0], trial[0, 1], trial[0, 2] = first, 0.0, 0.0
    if first > 0.0 and p[3] != 0.0:
        return inf
    if max(abs(p[3]), abs(q[3])) > most:
        return inf
    for k in range(_SCAN):
        alpha = _MOST_TURN * (2.0 * k / (_SCAN - 1) - 1.0)
        off, _ = _off(p, q, alpha, most, rate, trial, work)
        if k > 0 and (off >= 0.0) != (before >= 0.0):
            a, b = low, alpha
            for _ in range(_HALVINGS):
                m = 0.5 * (a + b)
                found, _ = _off(p, q, m, most, rate, trial, work)
                if (found >= 0.0) == (before >= 0.0):
                    a = m
                else:
                    b = m
            found, straight = _off(p, q, 0.5 * (a + b), most, rate, trial, work)
            if abs(found) < 1e-4 and straight >= -1e-6:
                total = max(straight, 0.0)
                for j in (0, 1, 2, 3, 5, 6, 7):
                    total += trial[j, 0]
                if total < best:
                    best = total
                    for j in range(PIECES):
                        for i in range(3):
                            pieces[j, i] = trial[j, i]
                    pieces[4, 0], pieces[4, 1], pieces[4, 2] = max(straight, 0.0), 0.0, 0.0
        before, low = off, alpha
    return best


@njit(cache=True, nogil=True)
def trace(start, pieces, step):  # type: ignore[no-untyped-def]
    """Points (n, 4) x, y, heading, curvature along the pieces (P, 3) from a pose (>= 3,), at most ``step`` m apart."""
    count = 1
    for j in range(len(pieces)):
        if pieces[j, 0] > 0.0:
            count += int(pieces[j, 0] / step) + 1
    out, pose, n = np.empty((count, 4)), np.empty(3), 1
    for k in range(3):
        pose[k] = out[0, k] = start[k]
    out[0, 3] = pieces[0, 1]
    for j in range(len(pieces)):
        length = pieces[j, 0]
        if length <= 0.0:
            continue
        if n == 1:
            out[0, 3] = pieces[j, 1]
        parts = int(length / step) + 1
        for k in range(parts):
            end = length * (k + 1) / parts
            advance_pose(pose, pieces[j], length * k / parts, end)
            for i in range(3):
                out[n, i] = pose[i]
            out[n, 3], _ = piece_at(pieces[j], end)
            n += 1
    return out[:n]


@njit(cache=True, nogil=True)
def towing(path, length, hitch):  # type: ignore[no-untyped-def]
    """Poses (n, 3) of unit 0 that tows a trailer along path (n, 4), driven forward; length: hitch to the trailer's
    axle, 0 where the path is unit 0's own; hitch: ahead of unit 0's axle, at least 0."""
    n = len(path)
    out = np.empty((n, 3))
    x0 = y0 = 0.0
    for k in range(n):
        x, y, heading, curvature = path[k, 0], path[k, 1], path[k, 2], path[k, 3]
        if length <= 0.0:
            out[k, 0], out[k, 1], out[k, 2] = x, y, heading
            continue
        hx, hy = x + length * cos(heading), y + length * sin(heading)
        if k == 0:  # the steady turn
            to = heading + atan(length * curvature)
            if curvature != 0.0 and hitch > 0.0:
                radius = sqrt(1.0 / (curvature * curvature) + length * length - hitch * hitch)
                to -= atan(hitch / radius) if curvature > 0.0 else -atan(hitch / radius)
        else:
            gone = hypot(hx - x0, hy - y0)
            to = out[k - 1, 2]
            if gone > 0.0:
                chord = atan2(hy - y0, hx - x0)
                if hitch > 0.0:
                    bent = wrap(to - chord)
                    left = 2.0 * atan2(sin(0.5 * bent) * exp(-gone / hitch), cos(0.5 * bent))
                    to += wrap(left - bent)
                else:
                    to += wrap(chord - to)
        out[k, 0], out[k, 1], out[k, 2] = hx - hitch * cos(to), hy - hitch * sin(to), to
        x0, y0 = hx, hy
    return out


@small_njit
def curvature_of(joint, steering, shape):  # type: ignore[no-untyped-def]
    """Curvature of the last unit's path at a joint and a steering angle. shape: of ``space.Shape``."""
    if shape.length <= 0.0:
        return sin(steering) / (cos(steering) * shape.base)
    pull = atan(shape.hitch * sin(steering) / (cos(steering) * shape.base))
    bent = pull - joint
    return sin(bent) / (cos(bent) * shape.length)
