"""What a stored drive says about an incident: for whom or what the ego waited, and how hard it hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.scenario import Drive, Ego, LightState, ObjectKind
from roadcraft.core.driving.geometry.frames import from_frame

STANDING_MPS = 0.1
LEAST_S = 2.0  # shorter stops are no wait
AHEAD_M = 20.0  # of the front bumper: what is farther away is not waited for
_SIDE_M = 0.4  # beside the ego's own width
_EVERY_M = 0.5
_SAMPLES = 9  # moments at which a wait is looked at


def waits(rollout: Rollout) -> list[dict[str, Any]]:
    """Every time the ego stood for two seconds or more, by time.

    ``from_s``, ``to_s`` from the drive's start; ``from_step``, ``to_step``; ``to_end``: whether it stood at the end;
    ``what``: kind of the nearest object on its path within ``AHEAD_M``, 'red light', or '' where there is neither;
    ``object``: 16 hex digits, or ''; ``distance_m`` from the front bumper to it, or None.
    """
    drive = rollout.drive
    standing = np.hypot(drive.ego[:, Ego.VX], drive.ego[:, Ego.VY]) < STANDING_MPS
    edges = np.diff(standing.astype(np.int8), prepend=0, append=0)
    seconds = (drive.time_us - drive.time_us[0]) * 1e-6
    found = []
    for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True):
        if seconds[last] - seconds[first] < LEAST_S:
            continue
        steps = np.unique(np.linspace(first, last, _SAMPLES).astype(int))
        samples = [_ahead(rollout, int(step)) for step in steps]
        (what, object_id), _ = Counter((w, o) for w, o, _ in samples).most_common(1)[0]
        distances = [d for w, o, d in samples if (w, o) == (what, object_id) and d is not None]
        found.append(
            {
                "from_step": int(first),
                "to_step": int(last),
                "from_s": float(seconds[first]),
                "to_s": float(seconds[last]),
                "to_end": bool(last == len(drive) - 1),
                "what": what,
                "object": object_id,
                "distance_m": float(np.median(distances)) if distances else None,
            }
        )
    return found


def wait_text(wait: Mapping[str, Any]) -> str:
    """``stood from 3.1 s to 14.8 s (the end): vehicle 00ab... 2.1 m ahead``."""
    end = " (the end)" if wait["to_end"] else ""
    if not wait["what"]:
        reason = f"nothing on its path within {AHEAD_M:.0f} m"
    else:
        reason = f"{wait['what']} {wait['object']}".rstrip() + f" {wait['distance_m']:.1f} m ahead"
    return f"stood from {wait['from_s']:.1f} s to {wait['to_s']:.1f} s{end}: {reason}"


def is_impact(metric: str) -> bool:
    """Whether the events of a metric are collisions that happened."""
    return metric.endswith("fault_collisions")


def impact_speed(drive: Drive, step: int, object_id: str) -> float | None:
    """Speed of the ego relative to an object (16 hex digits) at a step, m/s; None where the object is not there."""
    if not 0 <= step < len(drive):
        return None
    rows = drive.objects.rows(step)
    track = np.flatnonzero(drive.tracks.id == np.uint64(int(object_id, 16)))
    row = np.flatnonzero(np.isin(drive.objects.track[rows], track)) + rows.start
    if not len(row):
        return None
    ego = drive.ego[step]
    c, s = np.cos(ego[Ego.HEADING]), np.sin(ego[Ego.HEADING])
    velocity = np.array(from_frame(ego[Ego.VX], ego[Ego.VY], c, s))
    return float(np.hypot(*(velocity - drive.objects.velocity[row[0]])))


def _ahead(rollout: Rollout, step: int) -> tuple[str, str, float | None]:
    """What is nearest on the ego's path at a step: kind, id, distance from the front bumper."""
    drive, body = rollout.drive, rollout.vehicle.body
    front = body.axle_to_center_m + body.length_m / 2
    path = _path(rollout, step, front + AHEAD_M)
    half = body.width_m / 2 + _SIDE_M
    best: tuple[str, str, float | None] = ("", "", None)
    rows = drive.objects.rows(step)
    for row in range(rows.start, rows.stop):
        x, y, heading, length, width = drive.objects.box[row]
        if np.hypot(*(drive.objects.box[row, :2] - path[0])) > front + AHEAD_M + length:
            continue
        c, s = np.cos(heading), np.sin(heading)
        dx, dy = path[:, 0] - x, path[:, 1] - y
        along, side = np.abs(c * dx + s * dy) - length / 2, np.abs(c * dy - s * dx) - width / 2
        near = np.flatnonzero(np.hypot(np.maximum(along, 0.0), np.maximum(side, 0.0)) <= half)
        if not len(near) or (near[0] * _EVERY_M < front / 2 and near[-1] * _EVERY_M < front):
            continue  # beside or behind the front bumper
        # A circle of half the ego's width about a sample reaches the box before the sample does.
        distance = max(float(near[0]) * _EVERY_M + half - front, 0.0)
        if best[2] is None or distance < best[2]:
            track = drive.objects.track[row]
            kind = ObjectKind(int(drive.tracks.kind[track])).name.lower().replace("_", " ")
            best = (kind, f"{int(drive.tracks.id[track]):016x}", distance)
    light = _red_light(drive, rollout.scenario.map, step, path, front)
    return ("red light", "", light) if light is not None and (best[2] is None or light < best[2]) else best


def _red_light(drive: Drive, map_data: MapData, step: int, path: F64, front: float) -> float | None:
    """Distance from the front bumper to where a lane with a red light begins on the path."""
    rows = drive.lights.rows(step)
    red = drive.lights.lane[rows][drive.lights.state[rows] == LightState.RED]
    found = []
    for lane in np.flatnonzero(np.isin(map_data.lanes.id, red)):
        gap = np.hypot(*(path - map_data.lanes.centerlines[int(lane)][0]).T)
        near = int(gap.argmin())
        if gap[near] < 1.5:
            found.append(near * _EVERY_M - front)
    return max(min(found), 0.0) if found and min(found) > -2.0 else None


def _path(rollout: Rollout, step: int, reach: float) -> F64:
    """Points every half meter (n, 2) from the rear axle on: along the latest recorded plan that goes on from here, then
    straight ahead."""
    drive, plans = rollout.drive, rollout.plans
    here, heading = drive.ego[step, :2], drive.ego[step, Ego.HEADING]
    points = here[None]
    for p in np.flatnonzero(plans.step <= step)[::-1][:40]:
        xy = plans.states[plans.offsets[p] : plans.offsets[p + 1], :2]
        near = int(np.hypot(*(xy - here).T).argmin())
        ahead = xy[near + 1 :]
        if np.hypot(*(xy[near] - here)) < 1.0 and len(ahead) and np.hypot(*(ahead[-1] - here)) > 2.0:
            points = np.concatenate([here[None], ahead])
            heading = plans.states[plans.offsets[p + 1] - 1, 2]
            break
    points = np.concatenate([points, points[-1:] + reach * np.array([[np.cos(heading), np.sin(heading)]])])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0.0, reach, _EVERY_M)
    return np.stack([np.interp(at, along, points[:, k]) for k in (0, 1)], axis=1)
