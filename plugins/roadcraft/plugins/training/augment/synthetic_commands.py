"""Commands that the log's driver was never given: a logged scene with a constructed drive that obeys one.

In logs a driver stops because of a light and changes lanes because of a slow car, so a network can read what to do off
the scene and need not listen; and lane changes are rare. Here the scene gives no reason, only the command does. Drives,
in the frame of a sample's ego:

change_left, change_right: to the line of the lane beside, at the logged speed, by a quintic across that takes 3.5 to 6
    s; only above 3 m/s, where that lane is 2 to 5 m off, on the map as far as the drive goes, and nobody is in it from
    12 m behind to 3 s (at least 10 m) ahead.
stop: along the logged path, braking at 1 to 2.5 m/s2; only above 3 m/s.
slow_down: along the logged path, at 1 m/s2 down to 50 to 80 % of the present speed; only above 5 m/s.

Braking never takes the car further than the log went. Agents keep their logged futures. Where a lane cannot be changed
to, the command is sometimes told all the same, with the logged drive: a lane change that the road or the traffic
forbids is refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.driving.features.conditions import Maneuver
from roadcraft.core.driving.features.group import Features
from roadcraft.core.driving.features.reference_lines import COS, HEADING_SIN, LATERAL, SIN, X, Y
from roadcraft.core.driving.jit import njit

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

CHANGES, STOPS = 0.7, 0.9  # shares of lane changes, of these and stops; the rest slows down
REFUSALS = (
    0.05,
    0.5,
    # told shares of the lane changes that cannot be done, where the other side has no lane and where it has:
    # it tells left from right
)
MIN_MPS, MIN_SLOW_MPS = 3.0, 5.0
CHANGE_S, BRAKING_MPS2, SLOWING_MPS2, SLOWER = (3.5, 6.0), (1.0, 2.5), 1.0, (0.5, 0.8)
BEHIND_M, AHEAD_M, AHEAD_S, IN_LANE_M = 12.0, 10.0, 3.0, 1.8


@njit(cache=True, nogil=True)
def lane_is_free(
    line_mask: Mask, step_m: float, objects: F32, present: Mask, lateral: float, speed: float, distance: float
) -> bool:
    """Whether a lane may be taken. line_mask (P,); objects (A, 6) objects along its line; lateral: the ego's offset
    beside it."""
    if not 2.0 < abs(lateral) < 5.0:
        return False
    reach = int(distance / step_m) + 1
    if reach >= len(line_mask):
        return False
    for j in range(reach + 1):
        if not line_mask[j]:
            return False
    for a in range(len(objects)):
        s, d, half = objects[a, 0], objects[a, 1], objects[a, 4]
        if present[a] and abs(d) < IN_LANE_M and s + half > -BEHIND_M and s - half < max(AHEAD_M, AHEAD_S * speed):
            return False
    return True


@njit(cache=True, nogil=True)
def change_lane(
    future: F32, valid: Mask, line: F32, step_m: float, start: tuple[float, float, float], change_s: float, dt: float
) -> None:
    """Replace a drive (T, 5) by one that goes onto a line (P, 10) at the same speeds. start: m beside it, the slope
    towards it, and the speed."""
    lateral, slope, speed = start
    rate = speed * slope * change_s
    a3, a4, a5 = -10.0 * lateral - 6.0 * rate, 15.0 * lateral + 8.0 * rate, -6.0 * lateral - 3.0 * rate
    s, before = 0.0, speed
    for t in range(len(future)):
        if not valid[t]:
            break
        pace = future[t, 4]
        u = min((t + 1) * dt / change_s, 1.0)
        d = lateral + rate * u + a3 * u**3 + a4 * u**4 + a5 * u**5
        across = (rate + 3 * a3 * u**2 + 4 * a4 * u**3 + 5 * a5 * u**4) / change_s if u < 1.0 else 0.0
        along = np.sqrt(max(pace * pace - across * across, 0.0))
        s += 0.5 * (before + pace) * dt * (along / max(pace, 0.1))
        before = pace
        j = min(int(s / step_m), len(line) - 2)
        share = s / step_m - j
        at = line[j] + share * (line[j + 1] - line[j])
        size = max(np.hypot(at[COS], at[SIN]), 1e-6)
        x, y, c, n = at[X], at[Y], at[COS] / size, at[SIN] / size
        turn = np.arctan2(across, max(along, 0.1))
        future[t, 0], future[t, 1] = x - n * d, y + c * d
        future[t, 2], future[t, 3] = c * np.cos(turn) - n * np.sin(turn), n * np.cos(turn) + c * np.sin(turn)


@njit(cache=True, nogil=True)
def slow_along(future: F32, valid: Mask, speed: float, braking: float, floor: float, dt: float) -> None:
    """Replace a drive (T, 5) by the same path driven slower: braking evenly from ``speed`` down to ``floor`` m/s."""
    logged = future.copy()
    distance, done, passed = np.zeros(len(future) + 1), 0.0, 0
    for t in range(len(future)):
        x, y = (logged[t - 1, 0], logged[t - 1, 1]) if t > 0 else (np.float32(0.0), np.float32(0.0))
        distance[t + 1] = distance[t] + np.hypot(logged[t, 0] - x, logged[t, 1] - y)
    now = speed
    for t in range(len(future)):
        if not valid[t]:
            break
        pace = max(now - braking * dt, min(floor, now))
        moved = 0.5 * (now + pace) * dt
        if done + moved >= distance[t + 1]:  # the log is slower here
            moved = max(distance[t + 1] - done, 0.0)
            pace = min(pace, float(logged[t, 4]))
        done += moved
        now = pace
        while passed < t and distance[passed + 1] < done:
            passed += 1
        share = min((done - distance[passed]) / max(distance[passed + 1] - distance[passed], 1e-6), 1.0)
        ax, ay, ac, an = np.float32(0.0), np.float32(0.0), np.float32(1.0), np.float32(0.0)
        if passed > 0:
            ax, ay, ac, an = logged[passed - 1, 0], logged[passed - 1, 1], logged[passed - 1, 2], logged[passed - 1, 3]
        c, n = ac + share * (logged[passed, 2] - ac), an + share * (logged[passed, 3] - an)
        size = max(np.hypot(c, n), 1e-6)
        future[t, 0], future[t, 1] = ax + share * (logged[passed, 0] - ax), ay + share * (logged[passed, 1] - ay)
        future[t, 2], future[t, 3], future[t, 4] = c / size, n / size, pace


def targets_for_command(out: Features, b: int, step_m: float, dt: float, rng: np.random.Generator) -> Maneuver | None:
    """Give sample ``b`` of a batch another target, and say which command is told; None, and nothing changed, where the
    one drawn cannot be done."""
    kind, left_first, share, refused = rng.random(4)
    if kind < CHANGES:
        sides = (Maneuver.CHANGE_LEFT, Maneuver.CHANGE_RIGHT)
        for side in sides if left_first < 0.5 else sides[::-1]:
            if _change(out, b, 1 + int(side), step_m, dt, CHANGE_S[0] + share * (CHANGE_S[1] - CHANGE_S[0])):
                return side
            other = 2 - int(side)
            there = other < out["reference_valid"].shape[1] and bool(out["reference_valid"][b, other])
            if refused < REFUSALS[there]:
                return side
        return None
    command = Maneuver.STOP if kind < STOPS else Maneuver.SLOW_DOWN
    future, valid, speed = out["ego_future"][b], out["ego_future_valid"][b], float(out["ego"][b, 0])
    if speed < (MIN_MPS if command == Maneuver.STOP else MIN_SLOW_MPS):
        return None
    if command == Maneuver.STOP:
        slow_along(future, valid, speed, BRAKING_MPS2[0] + share * (BRAKING_MPS2[1] - BRAKING_MPS2[0]), 0.0, dt)
    else:
        slow_along(future, valid, speed, SLOWING_MPS2, speed * (SLOWER[0] + share * (SLOWER[1] - SLOWER[0])), dt)
    return command


def _change(out: Features, b: int, r: int, step_m: float, dt: float, change_s: float) -> bool:
    """Change to the lane of line ``r`` where it may be taken."""
    speed = float(out["ego"][b, 0])
    if speed < MIN_MPS or r >= out["reference_valid"].shape[1] or not out["reference_valid"][b, r]:
        return False
    info, mask = out["reference_info"][b, r], out["reference_mask"][b, r]
    lateral, slope = float(info[LATERAL]), float(np.clip(info[HEADING_SIN], -0.5, 0.5))
    future, valid = out["ego_future"][b], out["ego_future_valid"][b]
    distance = float((future[:, 4] * valid).sum()) * dt
    agents, static = out["agent_valid"][b, :, -1], out["static_mask"][b]
    for objects, present in ((out["reference_agent"][b, r], agents), (out["reference_static"][b, r], static)):
        if not lane_is_free(mask, step_m, objects, present, lateral, speed, distance):
            return False
    change_lane(future, valid, out["reference"][b, r], step_m, (lateral, slope, speed), change_s, dt)
    return True
