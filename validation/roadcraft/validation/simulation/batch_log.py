"""The logs of one lockstep batch, packed once so that each step's observation is a few gathers."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask, Ragged, offsets_of, read_only
from roadcraft.core.data.frame_rows import ranges
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Scenario
from roadcraft.core.driving.road import road_under, says_of_roads
from roadcraft.core.vehicles.state import RoadState, VehicleState, level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.simulation.joints import Sensing, first_joints

HISTORY_S = 2.0


def history_size(interval_s: float) -> int:
    """States in the history buffer, the current one included: 22 at 10 Hz (reference: nuplan-devkit e924167,
    SimulationHistoryBuffer)."""
    return int((HISTORY_S + interval_s) / interval_s) + 1


class _Lasting(NamedTuple):
    """What the log knows of the R running scenarios; it is gathered again when one ends.

    By iteration: iteration and time_us (N, R) int64; until_us (N, R): the time that a plan must reach; expert (N, R,
    10); ego_past_us and ego_past_valid (N, R, H); light rows ``light_offsets[i, r]:light_offsets[i, r + 1]``,
    light_offsets (N, R + 1), and light_low (N, R + 1), the same from 0 in each iteration.
    """

    scenarios: tuple[Scenario, ...]
    token: tuple[str, ...]
    maps: tuple[MapData, ...]
    interval_s: F64
    route: Ragged
    goal: F64
    has_goal: Mask
    at: I64 | slice
    iteration: I64
    time_us: I64
    until_us: I64
    expert: F64
    ego_past_us: I64
    ego_past_valid: Mask
    light_offsets: I64
    light_low: I64
    light_lane: I64
    light_state: U8


class BatchLog:
    """B scenarios of one interval. Row b of every array is scenario b; iterations run along axis 1.

    count (B,): iterations N; time_us (B, N_max) and expert (B, N_max, 10), the last iteration repeated beyond N; ego
    (B, H - 1 + N_max, 10), ego_us, ego_valid: the history buffer of iteration i is columns i .. i + H - 1; simulated
    states are written into it; joints (B, N_max, J); motion (B, N_max, M): the vehicle's further state, ``columns``;
    seen_joints (B, N_max, J'): as planner and tracker know them; uneven (B,): whether map or log know of the road, and
    felt (B, N_max, 5): grade, bank, friction, wind x and y under the ego, without columns where none does.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        vehicle: Vehicle,
        columns: Sequence[str] = (),
        sensing: Sensing | None = None,
    ) -> None:
        self.scenarios, self.vehicle, self.columns = tuple(scenarios), vehicle, tuple(columns)
        self.sensing = sensing or Sensing(vehicle)
        self.size = history_size(scenarios[0].interval_s)
        self.count = np.array([len(s) for s in scenarios], np.int64)
        most, b = int(self.count.max()), len(scenarios)
        self.time_us = np.empty((b, most), np.int64)
        self.expert = np.empty((b, most, EGO_SIZE))
        self.ego = np.zeros((b, self.size - 1 + most, EGO_SIZE))
        self.ego_us = np.zeros((b, self.size - 1 + most), np.int64)
        self.ego_valid = np.zeros((b, self.size - 1 + most), np.bool_)
        self.joints = np.zeros((b, most, vehicle.joints))
        self.motion = np.zeros((b, most, len(self.columns)))
        for i, s in enumerate(scenarios):
            self._fill(i, s, most)
            self.joints[i, 0] = first_joints(s, vehicle)
        self.seen_joints = self.joints
        if not self.sensing.is_exact(vehicle):
            self.seen_joints = np.zeros((b, most, self.sensing.believed.joints))
            self.joint_keys = self.sensing.keys(scenarios)
            for i, s in enumerate(scenarios):
                self.seen_joints[i, 0] = self.sensing.first(s, self.joints[i, 0])
        self.interval_s = np.array([s.interval_s for s in scenarios])
        self.has_layers = any(len(s.drive.layers) for s in scenarios)
        self.told = any(len(s.drive.instructions) for s in scenarios)
        self.uneven = np.array([says_of_roads(s.map, s.drive.layers) for s in scenarios])
        self.felt = np.zeros((b, most if self.uneven.any() else 0, 5))
        self._pack_lights()
        self._pack_missions()
        self._running: I64 | None = None  # the rows that ``_lasting`` is of, the very array
        self._lasting: _Lasting

    def _fill(self, i: int, s: Scenario, most: int) -> None:
        frames = np.concatenate([s.frames, np.full(most - len(s), s.last, np.int64)])
        self.time_us[i], self.expert[i] = s.drive.time_us[frames], s.drive.ego[frames]
        past, start = s.past(self.size - 1), self.size - 1
        self.ego[i, start - len(past) : start] = s.drive.ego[past]
        self.ego[i, start] = s.drive.ego[s.first]
        self.ego_us[i, start - len(past) : start] = s.drive.time_us[past]
        self.ego_us[i, start:] = self.time_us[i]
        self.ego_valid[i, start - len(past) :] = True

    def _pack_lights(self) -> None:
        """Light rows of all iterations: those of scenario b at iteration i start at ``light_low[b, i]``."""
        most = self.time_us.shape[1]
        self.light_low = np.zeros((len(self.scenarios), most), np.int64)
        self.light_count = np.zeros((len(self.scenarios), most), np.int64)
        lights, there = Lights.concat([s.drive.lights.select(s.frames) for s in self.scenarios]), np.arange(most)
        self.light_low[there < self.count[:, None]] = lights.offsets[:-1]
        self.light_count[there < self.count[:, None]] = np.diff(lights.offsets)
        self.light_lane, self.light_state = lights.lane, lights.state

    def _pack_missions(self) -> None:
        routes = [s.route for s in self.scenarios]
        goals = [s.goal for s in self.scenarios]
        self.route_values, self.route_low = np.concatenate(routes), offsets_of([len(r) for r in routes])
        self.goal = np.array([np.zeros(3) if g is None else g for g in goals])
        self.has_goal = np.array([g is not None for g in goals])

    def observe(
        self, rows: I64, iteration: int, objects: Objects, past: Objects | None, with_log: bool
    ) -> ObservationBatch:
        """What the planner sees of the running scenarios ``rows`` (ascending), read-only: a planner cannot change the
        simulation. objects and past: read-only."""
        window, i = slice(iteration, iteration + self.size), iteration
        lasting = self.of(rows)
        at, low = lasting.at, lasting.light_offsets[i]
        lit = slice(low[0], low[-1])
        return ObservationBatch(
            token=lasting.token,
            iteration=lasting.iteration[i],
            time_us=lasting.time_us[i],
            interval_s=lasting.interval_s,
            ego_past=_kept(self.ego[at, window]),
            ego_past_us=lasting.ego_past_us[i],
            ego_past_valid=lasting.ego_past_valid[i],
            joints=_kept(self.seen_joints[at, i]),
            objects=objects,
            lights=Lights(lasting.light_low[i], lasting.light_lane[lit], lasting.light_state[lit]),
            maps=lasting.maps,
            route=lasting.route,
            goal=lasting.goal,
            has_goal=lasting.has_goal,
            vehicle=self.sensing.believed,
            objects_past=past,
            scenarios=lasting.scenarios if with_log else None,
            instruction=tuple(s.drive.instructions.at(int(s.time_us[i])) for s in lasting.scenarios)
            if self.told
            else None,
            layers=tuple(read_only(s.drive.layers.at(int(s.frames[i]))) for s in lasting.scenarios)
            if self.has_layers
            else (),
        )

    def copy(self) -> BatchLog:
        """The same with states of its own: what was logged is shared."""
        out = copy(self)
        out.ego, out.joints, out.motion, out.felt = (a.copy() for a in (self.ego, self.joints, self.motion, self.felt))
        out.seen_joints = out.joints if self.seen_joints is self.joints else self.seen_joints.copy()
        return out

    def of(self, rows: I64) -> _Lasting:
        """What the log knows of the running scenarios ``rows`` (ascending)."""
        if rows is not self._running:
            self._running, self._lasting = rows, self._gather(rows)
        return self._lasting

    def _gather(self, rows: I64) -> _Lasting:
        some = tuple(self.scenarios[b] for b in rows.tolist())
        offsets, index = ranges(self.route_low[rows], self.route_low[rows + 1] - self.route_low[rows])
        time_us = np.ascontiguousarray(self.time_us[rows].T)
        until_us, step = time_us.copy(), np.arange(len(time_us))[:, None]
        np.copyto(until_us[:-1], time_us[1:], where=step[:-1] < self.count[rows] - 2)
        low, count = self.light_low[rows].T, self.light_count[rows].T
        of_light, lit = ranges(low.ravel(), count.ravel())
        light_offsets = of_light[np.arange(len(time_us))[:, None] * len(rows) + np.arange(len(rows) + 1)]
        windows = np.arange(len(time_us))[:, None, None] + np.arange(self.size), rows[:, None]
        return read_only(
            _Lasting(
                some,
                tuple(s.token for s in some),
                tuple(s.map for s in some),
                self.interval_s[rows],
                Ragged(self.route_values[index], offsets),
                self.goal[rows],
                self.has_goal[rows],
                select(rows, len(self.scenarios)),
                np.broadcast_to(step, time_us.shape).copy(),
                time_us,
                until_us,
                np.ascontiguousarray(self.expert[rows].transpose(1, 0, 2)),
                self.ego_us[windows[1], windows[0]],
                self.ego_valid[windows[1], windows[0]],
                light_offsets,
                light_offsets - light_offsets[:, :1],
                self.light_lane[lit],
                self.light_state[lit],
            )
        )

    def state(self, rows: I64, iteration: int, ego: F64) -> VehicleState:
        """The state of the running scenarios' egos (R, 10), read-only."""
        at = select(rows, len(self.scenarios))
        return VehicleState(ego, _kept(self.joints[at, iteration]), _kept(self.motion[at, iteration]))

    def feel(self, rows: I64, iteration: int, ego: F64) -> None:
        """Note the road under the running scenarios' egos (R, 10)."""
        if self.felt.size:
            some = self.of(rows).scenarios
            layers = [s.drive.layers.at(int(s.frames[iteration])) for s in some] if self.has_layers else ()
            self.felt[rows, iteration] = np.column_stack(road_under([s.map for s in some], ego, layers))

    def road(self, rows: I64, iteration: int) -> RoadState:
        """The road under the running scenarios' egos, as it was noted."""
        if not self.felt.size:
            return level_road(len(rows))
        felt = self.felt[rows, iteration]
        columns = (felt[:, 0], felt[:, 1], felt[:, 2], felt[:, 3:])
        return RoadState(*map(_kept, columns))

    def advance(self, rows: I64, iteration: int, state: VehicleState) -> None:
        """Ego's states at the next iteration."""
        at, i = select(rows, len(self.scenarios)), iteration
        if self.seen_joints is not self.joints:
            before, seen = self.ego[at, self.size + i - 1], self.seen_joints[at, i]
            self.seen_joints[at, i + 1] = self.sensing.next(self.joint_keys[rows], i + 1, before, seen, state)
        self.ego[at, self.size + i] = state.ego
        self.joints[at, i + 1], self.motion[at, i + 1] = state.joints, state.motion


def select(rows: I64, count: int) -> I64 | slice:
    """What picks ``rows`` (ascending) of ``count``: a slice where they are all, which numpy takes much faster."""
    return slice(None) if len(rows) == count else rows


def _kept(values: np.ndarray) -> np.ndarray:
    """A read-only copy: what a planner keeps does not change."""
    out = values.copy()
    out.setflags(write=False)
    return out
