"""A logged scenario as rows of a crowd: who is there when, where, and on which route; what is replayed of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask
from roadcraft.core.data.scenario import EGO_SIZE, Ego, LightState, ObjectKind, Scenario
from roadcraft.core.driving.geometry.angles import wrap_array
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.driving.motion.chain import chain_of, unit_poses
from roadcraft.core.driving.multi_agent.crowd import Crowd
from roadcraft.core.driving.multi_agent.routes import route_of
from roadcraft.core.driving.multi_agent.rows import UnitRows, unit_rows
from roadcraft.core.random import scenario_key, step_keys
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle

_STEERED_MPS = 1.0  # below, the steering angle is not told from poses


@dataclass(frozen=True)
class CrowdLog:
    """A scenario of T iterations and N rows: those of the ego's units first, then of tracks, nearest to the ego at the
    first iteration first, units of one vehicle behind each other."""

    state: F64
    """(T, N, 10), columns ``Ego``; of a box that is not a vehicle the pose is that of its center."""
    there: Mask
    """(T, N)."""
    units: UnitRows
    """Of all N rows. A tracked vehicle's axles and motion are those of nuPlan's car, stretched to its length; a tracked
    trailer is towed by none, since its hitch is not known: it is replayed."""
    vehicle: I64
    """(N,): first row of the vehicle that each row belongs to."""
    track: I64
    """(N,): row of ``Tracks``, -1 of the ego's units."""
    drivable: Mask
    """(N,): the ego's units, and tracked vehicles without trailers, which are not trailers themselves: what a policy
    may drive."""
    routes: tuple[I64, ...]
    """(N): lanes of each first unit's route, rows of ``Lanes``; none of what is no vehicle."""
    governed: I64
    """(G,): lanes, rows of ``Lanes``, that a light governs at any time."""
    light: U8
    """(T, G): their ``LightState``."""

    def start(self, crowd: Crowd, scenario: int, place: int, driven: Mask | None = None) -> None:
        """Put the first iteration into a scenario of a crowd, rows in their order.

        :param crowd: the crowd.
        :param scenario: which of its scenarios.
        :param place: number of the map in the crowd.
        :param driven: (N,) bool, of first rows, those of others are not looked at: whom actions move; by default all
            that are ``drivable``, have a route (parked beside all lanes they have none) and are there at the first
            iteration. Who drives backwards then starts from rest, unless the crowd lets vehicles do so.

        Raises ValueError, and leaves the scenario as it was, where the crowd has too few rows, no such scenario, map or
        room for lights, or a row is to be driven that is not drivable or not there.
        """
        n, room = len(self.vehicle), crowd.rows.there.shape[1]
        if n > room:
            raise ValueError(f"the log has {n} rows, the crowd {room}")
        can, is_first = self.drivable & self.there[0], self.vehicle == np.arange(n)
        wanted = is_first & (can & [len(route) > 0 for route in self.routes] if driven is None else driven)
        if (wanted & ~can).any():
            raise ValueError(f"rows {np.flatnonzero(wanted & ~can).tolist()} cannot be driven")
        crowd.clear(scenario, place, self.governed)
        for first in np.flatnonzero(is_first).tolist():
            at = slice(first, first + int((self.vehicle == first).sum()))
            units, state = UnitRows._make(part[at] for part in self.units), self.state[0, at].copy()
            if wanted[first] and not crowd.reverse:
                state[:, Ego.VX] = np.maximum(state[:, Ego.VX], 0.0)
            crowd.spawn(scenario, first, units, state, driven=bool(wanted[first]), route=self.routes[first])
        self.replay(crowd, scenario, 0)

    def replay(self, crowd: Crowd, scenario: int, iteration: int) -> None:
        """Write an iteration into a scenario of a crowd: its lights, and of rows that are not driven where they are, if
        they are there. A driven row stays in the world however long it was logged. Raises IndexError behind the last
        iteration."""
        n = len(self.vehicle)
        given = ~crowd.rows.driven[scenario, :n]
        crowd.rows.state[scenario, :n][given] = self.state[iteration, given]
        crowd.rows.there[scenario, :n][given] = self.there[iteration, given]
        crowd.places.light[scenario, : len(self.governed)] = self.light[iteration]


def crowd_log(scenario: Scenario, rows: int, seed: int = 0, ahead_m: float = 200.0) -> CrowdLog:
    """A scenario as at most ``rows`` rows of a crowd; whole vehicles that do not fit are left out, the farthest first.

    :param scenario: the scenario; its ego drives the vehicle that the log names.
    :param rows: N at most.
    :param seed: with the scenario's token and the row, it chooses how routes go on behind the log's end.
    :param ahead_m: how far they do, m.

    Raises ValueError where the ego's own units do not fit.
    """
    drive, frames = scenario.drive, scenario.frames
    vehicle_of_log, parts = load_vehicle(drive.vehicle, load=drive.load), _tracks(scenario)
    ego = unit_rows(vehicle_of_log)
    n = len(ego.body)
    if n > rows:
        raise ValueError(f"{rows} rows: the ego alone has {n} units")
    groups, used = [np.arange(n) - n], n  # the ego's rows come before all tracks
    for group in parts.groups:
        if used + len(group) <= rows:
            groups.append(group)
            used += len(group)
    chosen, sizes = np.concatenate(groups[1:] or [np.zeros(0, np.int64)]), [len(g) for g in groups]
    vehicle = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes).astype(np.int64)
    state = np.concatenate([_ego_units(scenario, vehicle_of_log), parts.state[:, chosen]], axis=1)
    there = np.concatenate([np.ones((len(frames), n), np.bool_), parts.there[:, chosen]], axis=1)
    units = UnitRows._make(np.concatenate([e, t[chosen]]) for e, t in zip(ego, parts.units, strict=True))
    kind = np.concatenate([np.full(n, ObjectKind.VEHICLE), drive.tracks.kind[chosen]])
    alone = np.bincount(vehicle, minlength=used)[vehicle] == 1
    leads = np.concatenate([np.ones(n, np.bool_), drive.tracks.unit[chosen] == 0])
    drivable = (kind == ObjectKind.VEHICLE) & leads & (alone | (vehicle == 0))
    keys = step_keys([scenario_key(seed, scenario.token)] * used, np.arange(used))
    routes = tuple(
        route_of(scenario.map, state[there[:, r], r, :3], int(keys[r]), ahead_m)
        if vehicle[r] == r and kind[r] == ObjectKind.VEHICLE and there[:, r].any()
        else np.zeros(0, np.int64)
        for r in range(used)
    )
    track = np.concatenate([np.full(n, -1), chosen]).astype(np.int64)
    return CrowdLog(state, there, units, vehicle, track, drivable, routes, *_lights(scenario))


@dataclass(frozen=True)
class _Tracks:
    """K tracks of a scenario of T iterations: state (T, K, 10), there (T, K), rows (K), and rows of tracks of each
    vehicle, the towing unit first, the nearest vehicle first."""

    state: F64
    there: Mask
    units: UnitRows
    groups: list[I64]


def _tracks(s: Scenario) -> _Tracks:
    tracks, objects, frames = s.drive.tracks, s.drive.objects, s.frames
    k = len(tracks)
    box, velocity = np.zeros((len(frames), k, 5)), np.zeros((len(frames), k, 2))
    there = np.zeros((len(frames), k), np.bool_)
    for t, frame in enumerate(frames.tolist()):
        at = objects.rows(frame)
        who = objects.track[at]
        box[t, who], velocity[t, who], there[t, who] = objects.box[at], objects.velocity[at], True
    first = there.argmax(axis=0)
    size = box[first, np.arange(k), 3:]
    car, plain = load_vehicle(), (tracks.kind == ObjectKind.VEHICLE) & (tracks.unit == 0)
    length = np.where(size[:, 0] > 0.0, size[:, 0], 1.0)
    share, base = car.box[0] / car.box[1], car.body.wheel_base_m / car.box[1]
    body = np.column_stack([plain * share * length, length, np.where(size[:, 1] > 0.0, size[:, 1], 1.0)])
    motion = np.column_stack([base * length, np.tile(motion_of(car)[1:], (k, 1))])
    state, c, sn = np.zeros((len(frames), k, EGO_SIZE)), np.cos(box[..., 2]), np.sin(box[..., 2])
    state[..., Ego.X], state[..., Ego.Y] = box[..., 0] - body[:, 0] * c, box[..., 1] - body[:, 0] * sn
    state[..., Ego.HEADING] = box[..., 2]
    state[..., Ego.VX] = velocity[..., 0] * c + velocity[..., 1] * sn
    state[..., Ego.VY] = velocity[..., 1] * c - velocity[..., 0] * sn
    state[..., Ego.AX] = _rates(np.diff(state[..., Ego.VX], axis=0) / s.interval_s, there)
    state[..., Ego.YAW_RATE] = _rates(wrap_array(np.diff(box[..., 2], axis=0)) / s.interval_s, there)
    speed, largest = state[..., Ego.VX], car.max_steering_rad
    steered = plain & (np.abs(speed) >= _STEERED_MPS)
    angle = np.arctan(motion[:, 0] * state[..., Ego.YAW_RATE] / np.where(steered, speed, 1.0))
    state[..., Ego.STEERING] = np.where(steered, np.clip(angle, -largest, largest), 0.0)
    bounds = np.tile(unit_rows(car).bounds, (k, 1))
    return _Tracks(state, there, UnitRows(body, motion, bounds, np.zeros((k, 2))), _vehicles(s, box, there))


def _rates(change: F64, there: Mask) -> F64:
    """Rates (T, K) from changes (T - 1, K): since the iteration before, at the first one of a stretch until the next;
    0 where a track is there for one iteration only."""
    known, gap = np.where(there[1:] & there[:-1], change, np.nan), np.full((1, there.shape[1]), np.nan)
    before, after = np.concatenate([gap, known]), np.concatenate([known, gap])
    return np.nan_to_num(np.where(np.isnan(before), after, before))


def _vehicles(s: Scenario, box: F64, there: Mask) -> list[I64]:
    """``_Tracks.groups``: of vehicles that are not there at first, the one that comes first in the log is the nearest
    of all that come later."""
    seen, tracks = np.flatnonzero(there.any(axis=0)), s.drive.tracks
    gap = np.where(there[0], np.hypot(*(box[0, :, :2] - s.expert[0, :2]).T), np.inf)[seen]
    names, order = np.unique(tracks.vehicle[seen], return_inverse=True)
    members = [seen[order == k] for k in range(len(names))]
    nearest = [(float(gap[order == k].min()), int(m.min())) for k, m in enumerate(members)]
    ranked = sorted(range(len(names)), key=lambda k: nearest[k])
    return [members[k][np.argsort(tracks.unit[members[k]], kind="stable")] for k in ranked]


def _ego_units(s: Scenario, vehicle: Vehicle) -> F64:
    """The ego's n units, (T, n, 10)."""
    expert, n = np.ascontiguousarray(s.expert), len(vehicle.units)
    state = np.zeros((len(expert), n, EGO_SIZE))
    state[:, 0] = expert
    if n > 1:
        joints = (
            np.ascontiguousarray(s.drive.joints[s.frames])
            if s.drive.joints.shape[1]
            else np.zeros((len(expert), n - 1))
        )
        state[:, 1:, :3] = unit_poses(expert, joints, chain_of(vehicle))[:, 1:]
        state[:, 1:, Ego.VX] = expert[:, None, Ego.VX] * np.cos(np.cumsum(joints, axis=1))
    return state


def _lights(s: Scenario) -> tuple[I64, U8]:
    """Rows of ``Lanes`` that lights govern, and their states (T, G)."""
    lights, frames = s.drive.lights, s.frames
    at = [lights.rows(f) for f in frames.tolist()]
    rows = [s.map.lane_rows(lights.lane[r]) for r in at]
    governed = np.unique(np.concatenate([np.zeros(0, np.int64), *rows]))
    governed = governed[governed >= 0]
    out = np.full((len(frames), len(governed)), LightState.UNKNOWN, np.uint8)
    for t, (lanes, r) in enumerate(zip(rows, at, strict=True)):
        known = lanes >= 0
        out[t, np.searchsorted(governed, lanes[known])] = lights.state[r][known]
    return governed, out
