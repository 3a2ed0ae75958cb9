"""Yaw of a quaternion exactly as the reference computes it, and quaternions that give a wanted yaw to the last bit."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from math import atan2, cos, nextafter, sin, sqrt


def yaw_of(qw: float, qx: float, qy: float, qz: float) -> float:
    """Yaw in (-pi, pi] (source: pyquaternion ``yaw_pitch_roll``, which normalizes only where the square sum is off by
    1e-14)."""
    squares = qw * qw + qx * qx + qy * qy + qz * qz
    if abs(1.0 - squares) >= 1e-14 and squares > 0.0:
        n = sqrt(squares)
        qw, qx, qy, qz = qw / n, qx / n, qy / n, qz / n
    return atan2(2 * (qw * qz - qx * qy), 1 - 2 * (qy**2 + qz**2))


def quaternion_of(yaw: float) -> tuple[float, float, float, float]:
    """Unit quaternion (w, x, y, z) of a yaw in [-pi, pi] whose ``yaw_of`` is that very number.

    cos and sin of the half angle alone miss it by a rounding now and then; neighbors of w and z, or a pitch of about
    1e-8 rad (which moves the cosine by less than a rounding), hit it. Other yaws give the quaternion of the same
    direction.
    """
    w, z = cos(0.5 * yaw), sin(0.5 * yaw)
    if yaw_of(w, 0.0, 0.0, z) == yaw:
        return w, 0.0, 0.0, z
    for y, a, b in product((0.0, *(sqrt(k * 2.8e-17) for k in range(1, 9))), _near(z), _near(w)):
        if yaw_of(b, 0.0, y, a) == yaw:
            return b, 0.0, y, a
    return w, 0.0, 0.0, z


def _near(value: float) -> Iterable[float]:
    up, down = value, value
    yield value
    for _ in range(4):
        up, down = nextafter(up, 9.0), nextafter(down, -9.0)
        yield up
        yield down
