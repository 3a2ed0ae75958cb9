"""The logs of one batch, packed so that each step's observation is a few gathers."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from roadcraft.core.arrays import F64, I64, U8, Mask, Ragged, read_only
from roadcraft.core.data.layers import RasterLayers
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.data.scenario import EGO_SIZE, Scenario
from roadcraft.core.driving.held import Held
from roadcraft.core.driving.jit import njit
from roadcraft.core.driving.road import road_under, says_of_roads
from roadcraft.core.vehicles.state import RoadState, VehicleState, level_road
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.validation.simulation.joints import Sensing, first_joints

HISTORY_S = 2.0
_BY_ITERATION = ("time_us", "until_us", "expert", "ego", "ego_us", "ego_valid", "joints", "motion", "seen_joints")
_NO_LIGHTS = Lights(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))


def history_size(interval_s: float) -> int:
    """States in the history buffer, the current one included: 22 at 10 Hz (reference: nuplan-devkit e924167,
    SimulationHistoryBuffer)."""
    return int((HISTORY_S + interval_s) / interval_s) + 1


class _Lasting(NamedTuple):
    """What the log knows of the R running scenarios at all their iterations; it is gathered again when one comes or
    goes."""

    scenarios: tuple[Scenario, ...]
    token: tuple[str, ...]
    maps: tuple[MapData, ...]
    interval_s: F64
    route: Ragged
    goal: F64
    has_goal: Mask


class BatchLog:
    """Room for B scenarios of one interval, which come and go (``put``), each at an iteration of its own. Row b of
    every array is scenario b; iterations run along axis 1.

    count (B,): iterations N, 0 where no scenario has been; time_us (B, N_max) and expert (B, N_max, 10), the last
    iteration repeated beyond N; until_us (B, N_max): the time that a plan must reach; ego (B, H - 1 + N_max, 10),
    ego_us, ego_valid: the history buffer of iteration i is columns i .. i + H - 1; simulated states are written into
    it; joints (B, N_max, J); motion (B, N_max, M): the vehicle's further state, ``columns``; seen_joints (B, N_max,
    J'): as planner and tracker know them; uneven (B,): whether map or log know of the road, and felt (B, N_max, 5):
    grade, bank, friction, wind x and y under the ego, without columns where none does.
    """

    def __init__(
        self,
        room: int,
        interval_s: float,
        vehicle: Vehicle,
        columns: Sequence[str] = (),
        sensing: Sensing | None = None,
    ) -> None:
        """room: B."""
        self.vehicle, self.columns, self.interval_s = vehicle, tuple(columns), interval_s
        self.sensing = sensing or Sensing(vehicle)
        self.size = history_size(interval_s)
        self.scenarios: list[Scenario | None] = [None] * room
        self.count = np.zeros(room, np.int64)
        self.time_us = np.zeros((room, 0), np.int64)
        self.until_us = np.zeros((room, 0), np.int64)
        self.expert = np.zeros((room, 0, EGO_SIZE))
        self.ego = np.zeros((room, self.size - 1, EGO_SIZE))
        self.ego_us = np.zeros((room, self.size - 1), np.int64)
        self.ego_valid = np.zeros((room, self.size - 1), np.bool_)
        self.joints = np.zeros((room, 0, vehicle.joints))
        self.motion = np.zeros((room, 0, len(self.columns)))
        self.seen_joints = self.joints
        if not self.sensing.is_exact(vehicle):
            self.seen_joints = np.zeros((room, 0, self.sensing.believed.joints))
        self.joint_keys = np.zeros(room, np.uint64)
        self.goal, self.has_goal = np.zeros((room, 3)), np.zeros(room, np.bool_)
        self.uneven = np.zeros(room, np.bool_)
        self.felt = np.zeros((room, 0, 5))
        self.has_layers, self.told = False, False
        self._lights = [_NO_LIGHTS] * room
        self._held: Held
        self._at: I64 | None = None  # the iterations that ``_place`` is of, the very array
        self._place = 0
        self._running: I64 | None = None  # the rows that ``_lasting`` is of, the very array
        self._lasting: _Lasting

    @classmethod
    def holding(cls, scenarios: Sequence[Scenario], vehicle: Vehicle) -> BatchLog:
        """Of scenarios of one interval, all at their first iteration."""
        out = cls(len(scenarios), scenarios[0].interval_s, vehicle)
        out.put(np.arange(len(scenarios)), scenarios)
        return out

    def put(self, rows: I64, scenarios: Sequence[Scenario]) -> None:
        """Put scenarios in the place of those that were in ``rows``."""
        self._running, self._at = None, None
        self._widen(max(len(s) for s in scenarios))
        for b, s in zip(rows.tolist(), scenarios, strict=True):
            self._fill(b, s)
        self._pack_lights()
        self._hold()

    def _hold(self) -> None:
        """Hand the arrays that are now there to the kernel."""
        self._held = Held(_LogArrays(*(getattr(self, name) for name in _LogArrays._fields)))

    def _widen(self, most: int) -> None:
        """Make room for ``most`` iterations."""
        more = most - self.time_us.shape[1]
        if more <= 0:
            return
        exact = self.seen_joints is self.joints
        for name in (*_BY_ITERATION, *(("felt",) if self.felt.size else ())):
            own = getattr(self, name)
            grown = np.zeros((own.shape[0], own.shape[1] + more, *own.shape[2:]), own.dtype)
            grown[:, : own.shape[1]] = own
            setattr(self, name, grown)
        if exact:
            self.seen_joints = self.joints

    def _fill(self, b: int, s: Scenario) -> None:
        n, most = len(s), self.time_us.shape[1]
        self.scenarios[b], self.count[b] = s, n
        frames = np.concatenate([s.frames, np.full(most - n, s.last, np.int64)])
        self.time_us[b], self.expert[b] = s.drive.time_us[frames], s.drive.ego[frames]
        self.until_us[b] = self.time_us[b]
        self.until_us[b, : max(n - 2, 0)] = self.time_us[b, 1 : max(n - 2, 0) + 1]
        past, start = s.past(self.size - 1), self.size - 1
        first = start - len(past)
        self.ego[b], self.ego_us[b], self.ego_valid[b] = 0.0, 0, False
        self.ego[b, first:start], self.ego[b, start] = s.drive.ego[past], s.drive.ego[s.first]
        self.ego_us[b, first:start], self.ego_us[b, start:] = s.drive.time_us[past], self.time_us[b]
        self.ego_valid[b, first:] = True
        self.joints[b], self.motion[b] = 0.0, 0.0
        self.joints[b, 0] = first_joints(s, self.vehicle)
        if self.seen_joints is not self.joints:
            self.joint_keys[b] = self.sensing.keys([s])[0]
            self.seen_joints[b] = 0.0
            self.seen_joints[b, 0] = self.sensing.first(s, self.joints[b, 0])
        self.has_goal[b] = s.goal is not None
        self.goal[b] = 0.0 if s.goal is None else s.goal
        self.has_layers = self.has_layers or len(s.drive.layers) > 0
        self.told = self.told or len(s.drive.instructions) > 0
        self.uneven[b] = says_of_roads(s.map, s.drive.layers)
        if self.uneven.any() and not self.felt.size:
            self.felt = np.zeros((len(self.count), most, 5))
        self.felt[b] = 0.0
        self._lights[b] = s.drive.lights.select(s.frames)

    def _pack_lights(self) -> None:
        """Light rows of all iterations: those of scenario b at iteration i start at ``light_low[b, i]``."""
        shape = self.time_us.shape
        self.light_low, self.light_count = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        lights, there = Lights.concat(self._lights), np.arange(shape[1]) < self.count[:, None]
        self.light_low[there], self.light_count[there] = lights.offsets[:-1], np.diff(lights.offsets)
        self.light_lane, self.light_state = lights.lane, lights.state

    def observe(self, rows: I64, at: I64, objects: Objects, past: Objects | None, with_log: bool) -> ObservationBatch:
        """What the planner sees of the running scenarios ``rows`` (ascending) at iterations ``at``, read-only: a
        planner cannot change the simulation. objects and past: read-only."""
        lasting, now = self.of(rows), _LogMoment(*map(_kept, _moment(self._held, rows, at, self.size)))
        return ObservationBatch(
            token=lasting.token,
            iteration=_kept(at.copy()),
            time_us=now.time_us,
            interval_s=lasting.interval_s,
            ego_past=now.ego,
            ego_past_us=now.ego_us,
            ego_past_valid=now.ego_valid,
            joints=now.seen_joints,
            objects=objects,
            lights=Lights(now.light_offsets, now.light_lane, now.light_state),
            maps=lasting.maps,
            route=lasting.route,
            goal=lasting.goal,
            has_goal=lasting.has_goal,
            vehicle=self.sensing.believed,
            objects_past=past,
            scenarios=lasting.scenarios if with_log else None,
            instruction=self._instructions(lasting, at) if self.told else None,
            layers=self._layers(lasting, at) if self.has_layers else (),
        )

    def _instructions(self, lasting: _Lasting, at: I64) -> tuple[str | None, ...]:
        found = zip(lasting.scenarios, at.tolist(), strict=True)
        return tuple(s.drive.instructions.at(int(s.time_us[i])) for s, i in found)

    def _layers(self, lasting: _Lasting, at: I64) -> tuple[RasterLayers, ...]:
        found = zip(lasting.scenarios, at.tolist(), strict=True)
        return tuple(read_only(s.drive.layers.at(int(s.frames[i]))) for s, i in found)

    def copy(self) -> BatchLog:
        """The log as it stands; neither it nor the copy notices what is put into the other, or driven there."""
        out = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray):
                setattr(out, name, value.copy())
        out.scenarios, out._lights, out._running, out._at = list(self.scenarios), list(self._lights), None, None
        if self.seen_joints is self.joints:
            out.seen_joints = out.joints
        out._hold()
        return out

    def of(self, rows: I64) -> _Lasting:
        """What the log knows of the running scenarios ``rows`` (ascending)."""
        if rows is not self._running:
            self._running, self._lasting = rows, self._gather(rows)
        return self._lasting

    def _gather(self, rows: I64) -> _Lasting:
        some = tuple(s for s in map(self.scenarios.__getitem__, rows.tolist()) if s is not None)
        return read_only(
            _Lasting(
                some,
                tuple(s.token for s in some),
                tuple(s.map for s in some),
                np.array([s.interval_s for s in some]),
                Ragged.build([s.route for s in some]),
                self.goal[rows],
                self.has_goal[rows],
            )
        )

    def cells(self, rows: I64, at: I64, ahead: int = 0) -> tuple[Any, Any]:
        """What picks iteration ``at`` + ``ahead`` of each of ``rows`` in an array (B, N, ...): where all B stand at one
        iteration a slice and a number, which numpy takes several times faster."""
        if at is not self._at:
            first = int(at[0]) if len(at) else -1
            together = len(rows) == len(self.count) and not np.count_nonzero(at != first)
            self._at, self._place = at, first if together else -1
        return (slice(None), self._place + ahead) if self._place >= 0 else (rows, at + ahead)

    def now(self, values: np.ndarray, rows: I64, at: I64, ahead: int = 0) -> np.ndarray:
        """Values (R, ...) of an array (B, N, ...) at iteration ``at`` + ``ahead`` of each row: a contiguous copy,
        read-only."""
        return _kept(values[self.cells(rows, at, ahead)].copy())

    def next_us(self, rows: I64, at: I64) -> I64:
        """Times (R,) of the next iterations, read-only."""
        return self.now(self.time_us, rows, at, 1)

    def state(self, rows: I64, at: I64, ego: F64) -> VehicleState:
        """The state of the running scenarios' egos (R, 10), read-only."""
        return VehicleState(ego, self.now(self.joints, rows, at), self.now(self.motion, rows, at))

    def feel(self, rows: I64, at: I64, ego: F64) -> None:
        """Note the road under the running scenarios' egos (R, 10)."""
        if self.felt.size:
            lasting = self.of(rows)
            layers = self._layers(lasting, at) if self.has_layers else ()
            self.felt[rows, at] = np.column_stack(road_under(lasting.maps, ego, layers))

    def road(self, rows: I64, at: I64) -> RoadState:
        """The road under the running scenarios' egos, as it was noted."""
        if not self.felt.size:
            return level_road(len(rows))
        felt = self.felt[rows, at]
        columns = (felt[:, 0], felt[:, 1], felt[:, 2], felt[:, 3:])
        return RoadState(*(_kept(c.copy()) for c in columns))

    def advance(self, rows: I64, at: I64, state: VehicleState) -> None:
        """Ego's states at the next iterations."""
        if self.seen_joints is not self.joints:
            before, seen = self.ego[rows, self.size - 1 + at], self.seen_joints[rows, at]
            self.seen_joints[rows, at + 1] = self.sensing.next(self.joint_keys[rows], at + 1, before, seen, state)
        self.ego[self.cells(rows, at, self.size)] = state.ego
        following = self.cells(rows, at, 1)
        self.joints[following], self.motion[following] = state.joints, state.motion


class _LogArrays(NamedTuple):
    """Those of a ``BatchLog`` that are looked at in every step."""

    time_us: I64
    ego: F64
    ego_us: I64
    ego_valid: Mask
    seen_joints: F64
    light_low: I64
    light_count: I64
    light_lane: I64
    light_state: U8


class _LogMoment(NamedTuple):
    """What R scenarios show at one iteration of each; light rows of scenario r are ``light_offsets[r]:light_offsets[r +
    1]``."""

    time_us: I64
    ego: F64
    ego_us: I64
    ego_valid: Mask
    seen_joints: F64
    light_offsets: I64
    light_lane: I64
    light_state: U8


@njit(cache=True, nogil=True)
def _moment(log, rows, at, size):  # type: ignore[no-untyped-def]
    """The fields of a ``_LogMoment`` of scenarios ``rows`` at iterations ``at``; size: states in the history."""
    count = len(rows)
    offsets = np.zeros(count + 1, np.int64)
    for r in range(count):
        offsets[r + 1] = offsets[r] + log.light_count[rows[r], at[r]]
    time_us, ego = np.empty(count, np.int64), np.empty((count, size, log.ego.shape[2]))
    ego_us, ego_valid = np.empty((count, size), np.int64), np.empty((count, size), np.bool_)
    joints = np.empty((count, log.seen_joints.shape[2]))
    lane, state = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.uint8)
    for r in range(count):
        b, i = rows[r], at[r]
        time_us[r] = log.time_us[b, i]
        for k in range(size):
            ego_us[r, k], ego_valid[r, k] = log.ego_us[b, i + k], log.ego_valid[b, i + k]
            for c in range(ego.shape[2]):
                ego[r, k, c] = log.ego[b, i + k, c]
        for j in range(joints.shape[1]):
            joints[r, j] = log.seen_joints[b, i, j]
        low = log.light_low[b, i]
        for k in range(offsets[r + 1] - offsets[r]):
            lane[offsets[r] + k], state[offsets[r] + k] = log.light_lane[low + k], log.light_state[low + k]
    return time_us, ego, ego_us, ego_valid, joints, offsets, lane, state


def _kept(values: np.ndarray) -> np.ndarray:
    """An array of one's own, marked read-only: what a planner keeps does not change."""
    values.setflags(write=False)
    return values
