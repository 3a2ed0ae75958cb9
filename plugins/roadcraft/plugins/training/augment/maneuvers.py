"""Conditions for training samples, from what the driver of the log went on to do: maneuvers put into words, style,
target speed, goal.

Everything is read off one sample: its features and its targets, in the ego frame. Rules (the future is what is logged
of the horizon, at least 3 s; line 0 is the centerline ahead of the ego's lane, lines 1 and 2 those of the lanes to its
left and right; lateral offsets are of the rear axle, left positive):

- change_left: ends within 1 m of line 1, aligned with it (0.5 rad), more than 1.5 m to the left of line 0; change_right
  likewise
- turn_left: passes a connector and turns by more than 0.6 rad to the left; turn_right likewise
- go_straight: passes a connector, turns by less than 0.25 rad and goes at least 10 m
- stop: ends slower than 0.3 m/s (a car that keeps standing keeps the command)
- pull_over: stops after at least 3 m, more than 0.8 m to the right of line 0 and not on line 2
- follow: moves, has a moving vehicle ahead on line 0 within 3 s (at least 10 m) both now and at the end, and stays
  within 1.5 m of the line
- follow_truck: the same behind a vehicle longer than 7 m (then not ``follow``)
- keep_lane: goes at least 10 m within 1 m of line 0 although there is an adjacent lane
- slow_down: ends at least 2 m/s slower, without stopping; speed_up likewise faster

Several may hold; one is drawn, rarer ones more often, and put into one of its wordings. Style: assertive where
accelerations exceed 2 m/s2 along or 2.5 m/s2 across, or speed the limit by 5 %; calm below 1 m/s2, 1.2 m/s2 and 90 % of
the limit; else normal; none for a car that stands.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roadcraft.core.arrays import F64
from roadcraft.core.driving.features.conditions import PHRASES, STYLES, Conditions, Maneuver, write_conditions
from roadcraft.core.driving.features.group import Features
from roadcraft.core.driving.features.reference_lines import CONNECTOR, COS, LIMIT_HERE, SIN, X, Y
from roadcraft.core.driving.features.scene import LogScenes
from roadcraft.core.driving.jit import njit
from roadcraft.core.types import FeatureSpec
from roadcraft.plugins.training.augment.synthetic_commands import targets_for_command

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# how often each condition is given; the network learns to drive without it from the other samples
COMMAND_SHARE = 0.4  # of the samples get a command that the logged driver did not follow; about a third can follow it
SHOW_COMMAND, SHOW_GOAL, SHOW_SPEED, SHOW_STYLE = 0.5, 0.5, 0.2, 0.3
LATER_GOAL = 0.5  # of the goals: a place further on in the log instead of the mission's
SPEED_NOISE_MPS = 0.5
MIN_S = 3.0
WEIGHT = np.array([6, 6, 3, 3, 1, 2, 6, 1, 3, 1, 1, 1], np.float64)  # of each maneuver when one is drawn

_LEFT, _RIGHT, _TURN_LEFT, _TURN_RIGHT, _STRAIGHT, _STOP, _PULL_OVER, _FOLLOW, _TRUCK, _KEEP, _SLOW, _FAST = (
    1 << int(m) for m in Maneuver
)
_NONE, _CALM, _NORMAL, _ASSERTIVE = range(4)
_FRONT_M = 4.0  # rear axle to front end of a usual car


@njit(cache=True, nogil=True)
def _project(line: F32, x: float, y: float) -> tuple[int, float, float]:
    """The nearest point of a line (P, 10), and along and across it where (x, y) lies."""
    best, j = np.inf, 0
    for k in range(len(line)):
        d2 = (line[k, X] - x) ** 2 + (line[k, Y] - y) ** 2
        if d2 < best:
            best, j = d2, k
    dx, dy = x - line[j, X], y - line[j, Y]
    return j, line[j, COS] * dx + line[j, SIN] * dy, line[j, COS] * dy - line[j, SIN] * dx


@njit(cache=True, nogil=True)
def _turned(future: F32, count: int) -> float:
    """The sum of all turning, left positive, while the car moves."""
    total, c, s = 0.0, 1.0, 0.0
    for t in range(count):
        total += np.arctan2(c * future[t, 3] - s * future[t, 2], c * future[t, 2] + s * future[t, 3])
        c, s = future[t, 2], future[t, 3]
    return total


@njit(cache=True, nogil=True)
def _on_line(line: F32, future: F32, t: int) -> tuple[float, bool]:
    """Lateral offset of a pose beside a line, and whether it looks along it."""
    j, along, across = _project(line, future[t, 0], future[t, 1])
    ahead = line[j, COS] * future[t, 2] + line[j, SIN] * future[t, 3]
    return across, ahead > np.cos(0.5) and abs(along) < 3.0


@njit(cache=True, nogil=True)
def _lead(
    objects: F32, size: F32, present: Mask, speed: float, end: int, agent_future: F32, seen: Mask, last: F32
) -> int:
    """Row of the vehicle that is followed, or -1. objects (A, 6): objects along line 0; last (5,): the ego's last
    pose."""
    row, nearest = -1, np.inf
    for a in range(len(objects)):
        s, d, half = objects[a, 0], objects[a, 1], objects[a, 4]
        if present[a] and s - half > 0.0 and abs(d) < 1.5 and s - half < nearest:
            row, nearest = a, s - half
    if row < 0 or objects[row, 2] < 1.0 or nearest - _FRONT_M > max(10.0, 3.0 * speed):
        return -1
    if row >= len(agent_future) or not seen[row, end]:
        return -1
    dx, dy = agent_future[row, end, 0] - last[0], agent_future[row, end, 1] - last[1]
    along, across = last[2] * dx + last[3] * dy, last[2] * dy - last[3] * dx
    gap = along - 0.5 * size[row, 0] - _FRONT_M
    return row if along > 0.0 and abs(across) < max(2.0, 0.3 * along) and gap < max(10.0, 3.0 * last[4]) else -1


@njit(cache=True, nogil=True)
def _style(future: F32, count: int, speed: float, limit: float, interval_s: float) -> int:
    """Place in STYLES."""
    width = max(round(0.5 / interval_s), 1)
    along, across, top = 0.0, 0.0, speed
    for t in range(width - 1, count):
        before = speed if t < width else future[t - width, 4]
        c, s = (1.0, 0.0) if t < width else (future[t - width, 2], future[t - width, 3])
        turn = np.arctan2(c * future[t, 3] - s * future[t, 2], c * future[t, 2] + s * future[t, 3])
        along = max(along, abs(future[t, 4] - before) / (width * interval_s))
        across = max(across, abs(turn) / (width * interval_s) * future[t, 4])
        top = max(top, future[t, 4])
    if top < 1.0:
        return _NONE
    share = top / limit if limit > 0.0 else 0.95
    if along > 2.0 or across > 2.5 or share > 1.05:
        return _ASSERTIVE
    return _CALM if along < 1.0 and across < 1.2 and share < 0.9 else _NORMAL


class LinesAhead(NamedTuple):
    """Of a sample: reference (R, P, 10), reference_mask (R, P), reference_valid (R,)."""

    points: F32
    mask: Mask
    valid: Mask


class Others(NamedTuple):
    """Of a sample: objects (A, 6) of line 0; size (A, 2); present (A,); agent_future (F, T, 4), agent_seen (F, T)."""

    objects: F32
    size: F32
    present: Mask
    future: F32
    seen: Mask


@njit(cache=True, nogil=True)
def maneuvers(
    lines: LinesAhead, others: Others, speed: float, limit: float, future: F32, valid: Mask, interval_s: float
) -> tuple[int, int, float]:
    """Maneuvers that one sample's future holds (a set of bits), its style, and its mean speed (-1 where too little is
    logged).

    speed, limit m/s now; future (T, 5), valid (T,).
    """
    count = 0
    while count < len(valid) and valid[count]:
        count += 1
    if count * interval_s < MIN_S:
        return 0, _NONE, -1.0
    end = count - 1
    last = future[end]
    mean = 0.0
    for t in range(count):
        mean += future[t, 4] / count
    found, stopped = 0, last[4] < 0.3
    if stopped:
        found |= _STOP
    elif last[4] < speed - 2.0:
        found |= _SLOW
    elif last[4] > speed + 2.0:
        found |= _FAST
    if len(lines.points) and lines.valid[0] and lines.mask[0].any():
        found |= _line_maneuvers(lines, others, speed, future, count, stopped, mean * count * interval_s)
    return found, _style(future, count, speed, limit, interval_s), mean


@njit(cache=True, nogil=True)
def _line_maneuvers(
    lines: LinesAhead, others: Others, speed: float, future: F32, count: int, stopped: bool, way: float
) -> int:
    """The maneuvers that follow from the lines ahead."""
    reference, mask, valid = lines
    objects, size, present, agent_future, agent_seen = others
    found, end = 0, count - 1
    left, right = len(valid) > 1 and valid[1], len(valid) > 2 and valid[2]
    across, along_line = _on_line(reference[0], future, end)
    widest, goal = 0.0, 0
    for t in range(0, count, 5):
        widest = max(widest, abs(_on_line(reference[0], future, t)[0]))
    on_right = False
    for r in range(1, 3):
        if not (left if r == 1 else right):
            continue
        offset, aligned = _on_line(reference[r], future, end)
        on_right = on_right or (r == 2 and abs(offset) < 1.0)
        if abs(offset) < 1.0 and aligned and (across > 1.5 if r == 1 else across < -1.5):
            found |= _LEFT if r == 1 else _RIGHT
            goal = r
    crosses = False
    for t in range(0, count, 5):
        j, along, offset = _project(reference[goal], future[t, 0], future[t, 1])
        crosses = crosses or (
            mask[goal, j] and reference[goal, j, CONNECTOR] > 0.5 and abs(offset) < 3.0 and abs(along) < 3.0
        )
    turn = _turned(future, count)
    if crosses and way > 3.0:
        if turn > 0.6:
            found |= _TURN_LEFT
        elif turn < -0.6:
            found |= _TURN_RIGHT
        elif abs(turn) < 0.25 and way > 10.0:
            found |= _STRAIGHT
    if stopped and way > 3.0 and across < -0.8 and not on_right:
        found |= _PULL_OVER
    if goal == 0 and along_line and widest < 1.5 and way > 5.0 and speed > 1.0:
        row = _lead(objects, size, present, speed, end, agent_future, agent_seen, future[end])
        if row >= 0:
            found |= _TRUCK if size[row, 0] > 7.0 else _FOLLOW
    if goal == 0 and widest < 1.0 and way > 10.0 and (left or right):
        found |= _KEEP
    return found


def sample_conditions(
    spec: FeatureSpec, out: Features, b: int, scenes: LogScenes, frame: int, ego: F64, rng: np.random.Generator
) -> None:
    """Fill the conditions of sample ``b``, whose features and targets are there already. ego (10,): as the sample sees
    it.

    A share of the samples is given another target, which obeys a command that the log's driver was not given
    (``command``); that command is always given.
    """
    command = (
        targets_for_command(out, b, spec.reference_interval_m, spec.future_interval_s, rng)
        if rng.random() < COMMAND_SHARE
        else None
    )
    lines = LinesAhead(out["reference"][b], out["reference_mask"][b], out["reference_valid"][b])
    others = Others(
        out["reference_agent"][b, 0], out["agent_size"][b], out["agent_valid"][b, :, -1], out["agent_future"][b],
        out["agent_future_valid"][b],
    )  # fmt: skip
    found, style, mean = maneuvers(
        lines, others, float(out["ego"][b, 0]), float(out["reference_info"][b, 0, LIMIT_HERE]), out["ego_future"][b],
        out["ego_future_valid"][b], spec.future_interval_s,
    )  # fmt: skip
    shown = rng.random(4) < (SHOW_COMMAND, SHOW_GOAL, SHOW_SPEED, SHOW_STYLE)
    if command is not None:
        found, shown = 1 << command, np.array([True, False, False, shown[3]])
    conditions = Conditions(
        instruction=instruction_for(found, rng) if shown[0] else "",
        goal=_goal(scenes, frame, rng) if shown[1] else None,
        target_speed_mps=max(mean + SPEED_NOISE_MPS * rng.standard_normal(), 0.0) if shown[2] and mean >= 0.0 else None,
        style=STYLES[style] if shown[3] else "none",
    )
    write_conditions(conditions, ego, out, b)


def instruction_for(found: int, rng: np.random.Generator) -> str:
    """One of the maneuvers of a set in one of its wordings; empty where the set is."""
    some = [m for m in Maneuver if found >> m & 1]
    if not some:
        return ""
    weight = WEIGHT[some]
    phrases = PHRASES[some[int(rng.choice(len(some), p=weight / weight.sum()))]]
    return phrases[int(rng.integers(len(phrases)))]


def _goal(scenes: LogScenes, frame: int, rng: np.random.Generator) -> tuple[float, float, float] | None:
    """The mission's goal, or where the log goes on to within its next 15 s."""
    d: Any = scenes.drive
    if rng.random() < LATER_GOAL:
        ahead = round(15e6 / d.interval_us)
        later = min(frame + int(rng.integers(ahead // 3, ahead + 1)), len(d) - 1)
        return float(d.ego[later, 0]), float(d.ego[later, 1]), float(d.ego[later, 2])
    scene = d.scenes.at(frame)
    if scene < 0 or not d.scenes.has_goal[scene]:
        return None
    x, y, heading = (float(v) for v in d.scenes.goal[scene])
    return x, y, heading
