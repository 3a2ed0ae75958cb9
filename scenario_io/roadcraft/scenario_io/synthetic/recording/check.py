"""Judges a world before it is kept: the expert's safety, comfort and lawfulness, and the traffic's good sense."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely
from scipy.signal import savgol_filter

from roadcraft.core.data.map import MapData
from roadcraft.core.data.scenario import LAST_MOVING, Drive, Ego, LightState
from roadcraft.core.driving.geometry.boxes import corners, ego_box, overlap, separation
from roadcraft.core.driving.jit import njit
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.recording.tags import FRAMES

CLEARANCE, TTC_S, TTC_STEP = 0.25, 1.2, 0.1


def faults(drive: Drive, map_data: MapData) -> list[str]:
    """What is wrong with a synthetic world; empty when it may be kept. The bounds are those of nuPlan's metrics, less a
    margin (reference: nuplan-devkit e924167, metrics of the closed-loop score)."""
    found = [
        *_motion(drive),
        *_contacts(drive),
        *_surface(drive, map_data),
        *_rules(drive, map_data),
        *_route(drive, map_data),
    ]
    return found


def _motion(drive: Drive) -> list[str]:
    ego, out = drive.ego, []
    v, a = ego[:, Ego.VX], ego[:, Ego.AX]
    heading = np.unwrap(ego[:, Ego.HEADING])
    jerk = np.asarray(savgol_filter(a, 21, 2, deriv=1, delta=0.05))
    yaw = np.asarray(savgol_filter(heading, 9, 2, deriv=1, delta=0.05))
    turn = np.asarray(savgol_filter(heading, 9, 3, deriv=2, delta=0.05))
    if a.min() < -3.4 or a.max() > 2.1:
        out.append(f"acceleration {a.min():.1f} .. {a.max():.1f}")
    if np.abs(jerk).max() > 3.2:
        out.append(f"jerk {np.abs(jerk).max():.1f}")
    if np.abs(yaw).max() > 0.8 or np.abs(turn).max() > 1.3:
        out.append(f"yaw rate {np.abs(yaw).max():.2f}, yaw acceleration {np.abs(turn).max():.2f}")
    step = np.hypot(*np.diff(ego[:, :2], axis=0).T)
    if np.abs(step - 0.05 * 0.5 * (v[1:] + v[:-1])).max() > 0.03:
        out.append("positions and speeds disagree")
    if np.hypot(*(ego[-1, :2] - ego[0, :2])) < 25.0:
        out.append("the ego hardly moves")
    return out


def _contacts(drive: Drive) -> list[str]:
    box = ego_box(drive.ego, load_vehicle("pacifica").box)
    o = drive.objects
    hit = _first_contact(box, o.offsets, o.box, CLEARANCE)
    if hit >= 0:
        return [f"contact at frame {hit}"]
    static = drive.tracks.kind[o.track] > LAST_MOVING
    speed = np.where(static, 0.0, np.hypot(*o.velocity.T))
    soonest, frame = _soonest(box, drive.ego[:, Ego.VX], o.offsets, o.box, speed, TTC_S, TTC_STEP)
    if soonest < TTC_S - 1e-9:
        return [f"time to collision {soonest:.1f} s at frame {frame}"]
    clash = _clash(o.offsets, o.box, speed)
    return [f"objects overlap at frame {clash}"] if clash >= 0 else []


@njit(cache=True, nogil=True)
def _first_contact(ego, offsets, boxes, clearance):
    for f in range(len(ego)):
        mine = ego[f].copy()
        mine[3] += 2.0 * clearance
        mine[4] += 2.0 * clearance
        for r in range(offsets[f], offsets[f + 1]):
            if overlap(mine, boxes[r]):
                return f
    return -1


@njit(cache=True, nogil=True)
def _soonest(ego, speed, offsets, boxes, velocity, horizon, step):
    """Earliest predicted contact over all frames when everybody goes straight on, and its frame; a moving ego only,
    nobody behind it."""
    best, at = np.inf, -1
    for f in range(0, len(ego), 2):
        if speed[f] <= 0.005:
            continue
        c, s = np.cos(ego[f, 2]), np.sin(ego[f, 2])
        for r in range(offsets[f], offsets[f + 1]):
            dx, dy = boxes[r, 0] - ego[f, 0], boxes[r, 1] - ego[f, 1]
            if dx * dx + dy * dy > (12.0 + (speed[f] + velocity[r]) * horizon) ** 2:
                continue
            if c * dx + s * dy + 1.5 < -0.85 * np.sqrt(dx * dx + dy * dy):
                continue
            bc, bs = np.cos(boxes[r, 2]), np.sin(boxes[r, 2])
            t = step
            while t < horizon + 1e-9:
                x = dx + t * (velocity[r] * bc - speed[f] * c)
                y = dy + t * (velocity[r] * bs - speed[f] * s)
                if separation(x, y, (c, s, ego[f, 3], ego[f, 4]), (bc, bs, boxes[r, 3], boxes[r, 4])) < 0.05:
                    if t < best:
                        best, at = t, f
                    break
                t += step
    return best, at


@njit(cache=True, nogil=True)
def _clash(offsets, boxes, speed):
    for f in range(0, len(offsets) - 1, 5):
        for r in range(offsets[f], offsets[f + 1]):
            for q in range(r + 1, offsets[f + 1]):
                if (
                    speed[r] + speed[q] > 0.0
                    and overlap(boxes[r], boxes[q])
                    and (boxes[r, 3] > 1.0 or boxes[q, 3] > 1.0)
                ):
                    return f
    return -1


def _surface(drive: Drive, m: MapData) -> list[str]:
    """Whether all four corners stay on drivable ground."""
    box = ego_box(drive.ego, load_vehicle("pacifica").box)[::2]
    points = corners(box).reshape(-1, 2)
    inside = np.zeros(len(points), bool)
    low, high = points.min(0), points.max(0)
    for row in m.drivable:
        ring = m.areas.polygons[int(row)][0]
        if (ring.max(0) < low).any() or (ring.min(0) > high).any():
            continue
        rest = np.flatnonzero(~inside)
        area = shapely.Polygon(ring)
        shapely.prepare(area)
        inside[rest] = shapely.contains_xy(area, points[rest, 0], points[rest, 1])
    return [] if inside.all() else [f"off the road at frame {2 * (int(np.flatnonzero(~inside)[0]) // 4)}"]


def _rules(drive: Drive, m: MapData) -> list[str]:
    """Speed limits, and red lights: the front may not enter a connector of the route while its light is red."""
    out = []
    v = drive.ego[:, Ego.VX]
    lanes = np.concatenate([m.blocks.lanes[int(b)] for b in m.block_rows(drive.scenes.route[0])])
    if m.lanes.has_speed_limit[lanes].all() and v.max() > m.lanes.speed_limit_mps[lanes].max():
        out.append(f"speed {v.max():.1f} beyond every limit of the route")
    if len(drive.lights.lane) == 0:
        return out
    rows = m.lane_rows(drive.lights.lane[drive.lights.rows(0)])
    state = drive.lights.state.reshape(FRAMES, -1)
    route = set(drive.scenes.route[0].tolist())
    xy = drive.ego[:, :2] + 3.9 * np.stack([np.cos(drive.ego[:, 2]), np.sin(drive.ego[:, 2])], 1)
    for column, row in enumerate(rows):
        if int(m.blocks.id[m.lanes.block[row]]) in route:
            start = m.lanes.centerlines[int(row)][0]
            near = np.hypot(*(xy - start).T)
            k = int(near.argmin())
            if near[k] < 1.2 and 0 < k < FRAMES - 1 and state[max(k - 2, 0), column] == LightState.RED and v[k] > 0.5:
                out.append(f"through a red light at frame {k}")
    return out


def _route(drive: Drive, m: MapData) -> list[str]:
    """Whether each mission's road blocks follow one another."""
    for s in range(len(drive.scenes)):
        rows = m.block_rows(drive.scenes.route[s])
        if len(rows) < 1 or (rows < 0).any():
            return [f"scene {s} has no route"]
        for a, b in pairwise(rows):
            if b not in m.blocks.successors[int(a)]:
                return [f"route of scene {s} is broken"]
    return []
