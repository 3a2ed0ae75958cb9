"""A planner's trajectories on a common time grid, gentler and slower copies of them along their own path, and copies
that keep to a line."""

from __future__ import annotations

import math

import numpy as np

from roadcraft.core.arrays import F64, I64
from roadcraft.core.driving.geometry.angles import normalize
from roadcraft.core.driving.jit import njit
from roadcraft.planners.trajectory_scoring.paths import ArcPath, interpolate, project

FARTHEST_M, MOST_TURNED_RAD = 3.0, 0.8  # of a pose from a line that is its own
SETTLE_M = 12.0  # of way on which a copy comes onto its line
SETTLE_S = 0.3  # in which a gentle copy takes on the speed that it wants


@njit(cache=True, nogil=True)
def resample(time_us: I64, states: F64, length: int, start_us: int, step_us: int, out: F64) -> bool:
    """Poses out (T, 3) x, y, heading every ``step_us`` from ``start_us`` of a trajectory states (T', >= 3) at time_us
    (T',), ``length`` of them valid.

    Beyond its end a trajectory goes straight on at its last speed. False, and nothing of use in ``out``, where a value
    is not finite or fewer than two states are valid.
    """
    if length < 2:
        return False
    for k in range(length):
        if not (math.isfinite(states[k, 0]) and math.isfinite(states[k, 1]) and math.isfinite(states[k, 2])):
            return False
        if k > 0 and time_us[k] <= time_us[k - 1]:
            return False
    j = 1
    for t in range(len(out)):
        now = start_us + t * step_us
        while j < length - 1 and time_us[j] < now:
            j += 1
        share = (now - time_us[j - 1]) / (time_us[j] - time_us[j - 1])
        dx, dy = states[j, 0] - states[j - 1, 0], states[j, 1] - states[j - 1, 1]
        turn = states[j, 2] - states[j - 1, 2]
        turn = normalize(turn)
        out[t, 0], out[t, 1] = states[j - 1, 0] + share * dx, states[j - 1, 1] + share * dy
        out[t, 2] = states[j - 1, 2] + min(max(share, 0.0), 1.0) * turn
    return True


@njit(cache=True, nogil=True)
def retimed(
    poses: F64, speed: float, accel: float, factor: float, limits: tuple[float, float, float], dt: float, out: F64
) -> None:
    """A copy out (T, 3) of poses (T, 3) along the same path at ``factor`` times its speed; factor 0 comes to a stop.

    The copy goes on from ``speed`` (m/s) and ``accel`` (m/s2) now; limits: it speeds up and slows down by the first and
    the second, m/s2, at most, and changes its acceleration by the third, m/s3, at most (inf: at once). It ends where
    the original does, at the latest.
    """
    most, decel, jerk = limits
    count = len(poses)
    arc = np.zeros(count)
    for t in range(1, count):
        dx, dy = poses[t, 0] - poses[t - 1, 0], poses[t, 1] - poses[t - 1, 1]
        arc[t] = arc[t - 1] + math.sqrt(dx * dx + dy * dy)
    out[0] = poses[0]
    reach_s = dt if jerk == math.inf else max(dt, SETTLE_S)
    along, j = 0.0, 1
    for t in range(1, count):
        wanted = (factor * (arc[t] - arc[t - 1]) / dt - speed) / reach_s
        wanted = min(max(wanted, -decel), most)
        accel = min(max(wanted, accel - jerk * dt), accel + jerk * dt)
        then = max(speed + accel * dt, 0.0)
        # the step's mean speed, so that a stop takes speed^2 / (2 decel) meters
        along = min(along + 0.5 * (speed + then) * dt, arc[-1])
        speed = then
        while j < count - 1 and arc[j] < along:
            j += 1
        step = arc[j] - arc[j - 1]
        share = min(max((along - arc[j - 1]) / step, 0.0), 1.0) if step > 0.0 else 0.0
        turn = poses[j, 2] - poses[j - 1, 2]
        turn = normalize(turn)
        out[t, 0] = poses[j - 1, 0] + share * (poses[j, 0] - poses[j - 1, 0])
        out[t, 1] = poses[j - 1, 1] + share * (poses[j, 1] - poses[j - 1, 1])
        out[t, 2] = poses[j - 1, 2] + share * turn


@njit(cache=True, nogil=True)
def moved_to_centerline(poses: F64, line: ArcPath, out: F64) -> bool:
    """A copy out (T, 3) of poses (T, 3), as far along ``line`` at each time as the original has come on its own way,
    and on the line itself after SETTLE_M. False, and nothing in ``out``, where the first pose is not about on the line,
    or the line has no points."""
    if len(line.xy) < 2:
        return False
    start, _ = project(line, poses[0, 0], poses[0, 1], 0)
    x, y, heading = interpolate(line, start)
    dx, dy = poses[0, 0] - x, poses[0, 1] - y
    off = dy * math.cos(heading) - dx * math.sin(heading)
    turned = normalize(poses[0, 2] - heading)
    if math.sqrt(dx * dx + dy * dy) > FARTHEST_M or abs(turned) > MOST_TURNED_RAD:
        return False
    slope, driven_m = math.tan(turned), 0.0
    out[0] = poses[0]
    for t in range(1, len(poses)):
        dx, dy = poses[t, 0] - poses[t - 1, 0], poses[t, 1] - poses[t - 1, 1]
        driven_m += math.sqrt(dx * dx + dy * dy)
        # a cubic from the offset and slope now to none at SETTLE_M
        u = min(driven_m / SETTLE_M, 1.0)
        rest = 1.0 - u
        aside = off * rest * rest * (1.0 + 2.0 * u) + slope * SETTLE_M * u * rest * rest
        steep = -6.0 * off / SETTLE_M * u * rest + slope * rest * (1.0 - 3.0 * u)
        x, y, heading = interpolate(line, start + driven_m)
        out[t, 0], out[t, 1] = x - aside * math.sin(heading), y + aside * math.cos(heading)
        out[t, 2] = heading + math.atan(steep)
    return True
