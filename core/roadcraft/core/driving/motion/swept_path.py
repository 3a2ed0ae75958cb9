"""What a vehicle sweeps as its steered axle follows a straight, a left arc and a straight at crawling speed."""

from __future__ import annotations

import math
from math import ceil, cos, hypot, sin
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.jit import njit, small_njit
from roadcraft.core.driving.motion.chain import ChainArrays, place_units, rolling_rates
from roadcraft.core.errors import ConfigError

STATION_M = 0.1
"""Distance between the normals on which widths are measured."""


class SweptTurn(NamedTuple):
    """What a turn takes; lengths in m."""

    width: float
    """Largest width, along a normal of the path, of what all units sweep."""
    at: float
    """Where it is, along the path from the start of the arc."""
    offtracking: float
    """Largest distance of the last axle from the path."""
    tail_swing: F64
    """(n,) how far each unit's rear right corner passes beyond the line of its right side before the turn."""
    max_joint: F64
    """(n - 1,) rad, either way."""
    stations: F64
    """(S,) places of the normals, along the path from the start of the arc."""
    widths: F64
    """(S,) widths on them."""


@small_njit
def _on_path(s, radius, arc):  # type: ignore[no-untyped-def]
    """x, y and heading of the path at a distance from the start of the arc."""
    if s <= 0.0:
        return s, 0.0, 0.0
    turned = min(s, arc) / radius
    c, d = cos(turned), sin(turned)
    rest = max(0.0, s - arc)
    return radius * d + rest * c, radius * (1.0 - c) + rest * d, turned


@small_njit
def _from_path(x, y, radius, arc):  # type: ignore[no-untyped-def]
    """Distance of a point from the path."""
    end_x, end_y, turned = _on_path(arc, radius, arc)
    along = (x - end_x) * cos(turned) + (y - end_y) * sin(turned)
    across = (y - end_y) * cos(turned) - (x - end_x) * sin(turned)
    near = min(hypot(max(x, 0.0), y), hypot(min(along, 0.0), across))
    angle = math.atan2(x, radius - y) % (2.0 * math.pi)
    return min(near, abs(radius - hypot(x, radius - y))) if angle <= turned else near


@small_njit
def _cross(a, z, place, radius, most):  # type: ignore[no-untyped-def]
    """``most``: least and largest place on a normal, ``place`` (4,), of what it crosses, with the segment a to z."""
    c, s = place[2], place[3]
    one = (a[0] - place[0]) * c + (a[1] - place[1]) * s
    two = (z[0] - place[0]) * c + (z[1] - place[1]) * s
    if one * two > 0.0 or one == two:
        return most
    f = one / (one - two)
    left = (a[1] + f * (z[1] - a[1]) - place[1]) * c - (a[0] + f * (z[0] - a[0]) - place[0]) * s
    if left > radius:  # beyond the center of the arc a normal is another place's
        return most
    return min(most[0], left), max(most[1], left)


@small_njit
def _widen(old, new, places, radius, swept):  # type: ignore[no-untyped-def]
    """Widen what is swept on each normal, swept (S, 2), by a box that moves: its corners (4, 2) before and after.
    places (S, 4): x, y, cosine and sine of the path's heading."""
    reach = hypot(new[0, 0] - new[2, 0], new[0, 1] - new[2, 1])
    for k in range(len(places)):
        along = (new[0, 0] - places[k, 0]) * places[k, 2] + (new[0, 1] - places[k, 1]) * places[k, 3]
        if abs(along) > reach:
            continue
        most = (swept[k, 0], swept[k, 1])
        for i in range(4):
            most = _cross(new[i - 1], new[i], places[k], radius, most)
            most = _cross(old[i], new[i], places[k], radius, most)
        swept[k, 0], swept[k, 1] = most


@njit(cache=True, nogil=True)
def _sweep(chain, radius, arc, length, step, stations):  # type: ignore[no-untyped-def]
    n = len(chain.wheel_base)
    places, swept = np.empty((len(stations), 4)), np.zeros((len(stations), 2))
    for k in range(len(stations)):
        x, y, turned = _on_path(stations[k], radius, arc)
        places[k, 0], places[k, 1], places[k, 2], places[k, 3] = x, y, cos(turned), sin(turned)
    step = arc / ceil(arc / step)
    state, trial, rates, poses = np.zeros(2 + n), np.empty(2 + n), np.zeros((4, 2 + n)), np.empty((n, 3))
    corners, far, swing, bent = np.empty((2, n, 4, 2)), 0.0, np.zeros(n), np.zeros(n - 1)
    for count in range(ceil(length / step) + 1):
        s = count * step
        x, y, _ = _on_path(s, radius, arc)
        state[0] = x - chain.wheel_base[0] * cos(state[2])
        state[1] = y - chain.wheel_base[0] * sin(state[2])
        place_units(state, state[3:], chain, poses)
        far = max(far, _from_path(poses[n - 1, 0], poses[n - 1, 1], radius, arc))
        for i in range(n):
            c, d, half = cos(poses[i, 2]), sin(poses[i, 2]), 0.5 * chain.width[i]
            swing[i] = max(swing[i], chain.rear[i] * d + half * c - poses[i, 1] - half)
            for k in range(4):
                corners[0, i, k, 0], corners[0, i, k, 1] = corners[1, i, k, 0], corners[1, i, k, 1]
                long, left = chain.front[i] if k == 0 or k == 3 else -chain.rear[i], half if k < 2 else -half
                corners[1, i, k, 0] = poses[i, 0] + long * c - left * d
                corners[1, i, k, 1] = poses[i, 1] + long * d + left * c
            _widen(corners[0 if count > 0 else 1, i], corners[1, i], places, radius, swept)
            if i > 0:
                bent[i - 1] = max(bent[i - 1], abs(state[2 + i]))
        for k in range(4):
            f = 0.0 if k == 0 else 1.0 if k == 3 else 0.5
            for j in range(2 + n):
                trial[j] = state[j] if k == 0 else state[j] + f * step * rates[k - 1, j]
            steering = min(s + f * step, arc) / radius - trial[2]
            rolling_rates(trial, cos(steering), sin(steering) / chain.wheel_base[0], chain, rates[k])
        for j in range(2 + n):
            state[j] += step / 6.0 * (rates[0, j] + 2.0 * (rates[1, j] + rates[2, j]) + rates[3, j])
    return swept, far, swing, bent


def swept_path(chain: ChainArrays, radius: float, angle: float, step: float = 0.05) -> SweptTurn:
    """The sweep of a left turn.

    chain: of :func:`roadcraft.core.driving.motion.chain.chain_of`; radius m of the arc, angle rad of it; step m of the
    steered axle. Widths are measured on the arc and as far behind it as the units' wheel bases are long. Raises
    ConfigError for an arc that the steered axle cannot follow.
    """
    if not radius > chain.wheel_base[0] or not 0.0 < angle <= math.pi:
        raise ConfigError(
            f"the steered axle cannot follow an arc of {radius} m through {angle} rad: the radius must exceed the "
            f"wheel base of {chain.wheel_base[0]} m, and the angle must lie within 0 .. pi"
        )
    arc = radius * angle
    stations = np.arange(0.0, arc + chain.wheel_base.sum(), STATION_M)
    length = arc + chain.wheel_base.sum() + chain.front.max() + 5.0
    swept, far, swing, bent = _sweep(chain, radius, arc, length, step, stations)
    widths = swept[:, 1] - swept[:, 0]
    k = int(np.argmax(widths))
    return SweptTurn(float(widths[k]), float(stations[k]), float(far), swing, bent, stations, widths)
