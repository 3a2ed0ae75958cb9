"""Plane curves of roads: bends with clothoid-like ends, turns between two poses, smooth steps, offsets, even
resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.geometry.angles import wrap_array


def smoothstep(u: F64) -> F64:
    """Quintic step from 0 (u <= 0) to 1 (u >= 1) with zero first and second derivative at both ends."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * u * (10.0 + u * (6.0 * u - 15.0))


def integrate(curvature: F64, ds: float, start: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> tuple[F64, F64]:
    """Points (n + 1, 2) and headings (n + 1,) of a curve from the curvature (n,) 1/m of its steps of ``ds`` meters."""
    heading = start[2] + np.concatenate([[0.0], np.cumsum(curvature * ds)])
    mid = 0.5 * (heading[1:] + heading[:-1])
    xy = np.zeros((len(heading), 2))
    xy[1:, 0], xy[1:, 1] = np.cumsum(np.cos(mid) * ds), np.cumsum(np.sin(mid) * ds)
    return xy + np.asarray(start[:2]), heading


def bends(pieces: Sequence[tuple[float, float]], ds: float = 0.5, ramp: float = 30.0) -> tuple[F64, F64]:
    """Points and headings of a road made of (length m, curvature 1/m) pieces, its curvature ramped over ``ramp``
    meters."""
    k = np.concatenate([np.full(max(1, round(length / ds)), c) for length, c in pieces])
    n = max(1, round(ramp / ds))
    pad = np.concatenate([np.full(n, k[0]), k, np.full(n, k[-1])])
    smooth = np.convolve(np.convolve(pad, np.ones(n) / n, "same"), np.ones(5) / 5, "same")[n:-n]
    return integrate(smooth, ds)


def turn(start: F64, heading0: float, end: F64, heading1: float, step: float = 0.5) -> F64:
    """A curve (n, 2) from one pose to another with no curvature at its ends: clothoid - arc - clothoid and a straight
    run where the poses' tangents meet at an angle, else a quintic."""
    angle = wrap_array(heading1 - heading0)
    t0, t1 = np.array([np.cos(heading0), np.sin(heading0)]), np.array([np.cos(heading1), np.sin(heading1)])
    gap = end - start
    cross = t0[0] * t1[1] - t0[1] * t1[0]
    if abs(angle) > 0.3:
        a = (gap[0] * t1[1] - gap[1] * t1[0]) / cross
        b = (t0[0] * gap[1] - t0[1] * gap[0]) / cross
        if a > 0.5 and b > 0.5:
            return _corner(start, heading0, end, angle, a, b, step)
    return _quintic(start, t0, end, t1, step)


def _corner(start: F64, heading0: float, end: F64, angle: float, a: float, b: float, step: float) -> F64:
    n = 400
    u = (np.arange(n) + 0.5) / n
    shape = np.minimum(1.0, np.minimum(u, 1.0 - u) / 0.28)
    unit, _ = integrate(shape * angle / shape.mean(), 1.0 / n)
    tangent = np.linalg.norm(unit[-1]) / (2.0 * np.cos(0.5 * angle))
    scale = min(a, b) / tangent
    c, s = np.cos(heading0), np.sin(heading0)
    curve = (unit * scale) @ np.array([[c, s], [-s, c]])
    run = np.array([c, s]) * max(0.0, a - min(a, b))
    points = np.concatenate([start[None], curve + start + run, end[None]])
    return resample(points, step)


def _quintic(start: F64, t0: F64, end: F64, t1: F64, step: float) -> F64:
    length = float(np.linalg.norm(end - start))
    u = np.linspace(0.0, 1.0, max(8, int(length / step) * 2))[:, None]
    u3, u4, u5 = u**3, u**4, u**5
    h0, h1 = 1 - 10 * u3 + 15 * u4 - 6 * u5, 10 * u3 - 15 * u4 + 6 * u5
    g0, g1 = u - 6 * u3 + 8 * u4 - 3 * u5, -4 * u3 + 7 * u4 - 3 * u5
    return resample(h0 * start + h1 * end + g0 * t0 * length + g1 * t1 * length, step)


def lengths(points: F64) -> F64:
    """Arc length (n,) at each point."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])


def resample(points: F64, step: float) -> F64:
    """The polyline at even spacing of at most ``step`` meters, its two ends kept exactly."""
    ends = points[0], points[-1]
    keep = np.concatenate([[True], np.hypot(*np.diff(points, axis=0).T) > 1e-6])
    points = points[keep]
    s = lengths(points)
    grid = np.linspace(0.0, s[-1], max(2, int(np.ceil(s[-1] / step)) + 1))
    out = np.stack([np.interp(grid, s, points[:, 0]), np.interp(grid, s, points[:, 1])], 1)
    out[0], out[-1] = ends
    return out


def headings(points: F64) -> F64:
    """Unwrapped tangent headings (n,), central differences."""
    d = np.gradient(points, axis=0)
    return np.unwrap(np.arctan2(d[:, 1], d[:, 0]))


def offset(points: F64, distance: float | F64) -> F64:
    """The polyline moved sideways, positive to the left; distance scalar or (n,)."""
    h = headings(points)
    return points + np.stack([-np.sin(h), np.cos(h)], 1) * np.broadcast_to(distance, h.shape)[:, None]
