"""Keeps what happened in a batch and turns it into rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from roadcraft.core.arrays import F64, I64, Ragged, offsets_of, read_only
from roadcraft.core.data.frame_rows import ranges
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Objects, PlanLog, Rollout
from roadcraft.core.data.scenario import Drive, Ego, ObjectFrames, Scenario, Scenes, Tracks
from roadcraft.core.driving.jit import njit
from roadcraft.validation.simulation.batch_log import BatchLog

_FIELDS: dict[str, tuple[type, tuple[int, ...]]] = {
    "id": (np.uint64, ()), "kind": (np.uint8, ()), "vehicle": (np.int64, ()), "unit": (np.uint8, ()),
    "box": (np.float64, (5,)), "velocity": (np.float64, (2,)),
}  # fmt: skip
_ROAD = ("grade", "bank", "friction", "wind_x", "wind_y")
_NONE = read_only(np.zeros(0, np.int64))
_PLAN_COLUMNS = slice(Ego.X, Ego.VX + 1)  # x, y, heading, speed


class SameIdError(ValueError):
    """Two objects of one id at one moment, of which the record (and every metric) would make one. step: iteration."""

    def __init__(self, step: int, id: int) -> None:
        self.step = step
        super().__init__(f"object {id:016x} is there twice at the same time: the ids of one moment must differ")


class ObjectStore:
    """Columns of object rows, with the place of every (scenario, frame); frame f >= 0 is iteration f - ``past``. Rows
    are appended and never changed; those of scenarios that were forgotten go when the columns grow."""

    def __init__(self, scenarios: int) -> None:
        self.low = np.zeros((scenarios, 0), np.int64)
        self.count = np.zeros((scenarios, 0), np.int64)
        self.used = 0
        self.columns: dict[str, np.ndarray] = {}
        self.shown: dict[str, np.ndarray] = {}  # the same, read-only

    def expect(self, rows: I64, frames: int, objects: int) -> None:
        """Forget the objects of scenarios ``rows``; have room for so many frames, and for so many objects more, since
        growing costs: what was shown of the old columns keeps them."""
        more = frames - self.low.shape[1]
        if more > 0:
            self.low, self.count = (np.pad(a, ((0, 0), (0, more))) for a in (self.low, self.count))
        self.count[rows] = 0
        if self.used + objects > self._capacity:
            self._grow(objects)

    def append(self, rows: Any, frames: Any, objects: Objects) -> Objects:
        """Keep the objects of scenarios ``rows`` at a frame of each, given by what picks both; they are returned as
        they were kept, read-only, so that who made them can change them no more."""
        if self.used + len(objects.id) > self._capacity:
            self._grow(len(objects.id))
        need = self.used + len(objects.id)
        offsets = objects.offsets.astype(np.int64)
        offsets.setflags(write=False)
        kept = []
        span = slice(self.used, need)
        for name, values in self.columns.items():
            values[span] = getattr(objects, name)
            kept.append(self.shown[name][span])
        low = offsets[:-1]
        self.low[rows, frames] = low + self.used
        self.count[rows, frames] = offsets[1:] - low
        self.used = need
        return Objects(offsets, *kept)

    @property
    def _capacity(self) -> int:
        return len(self.columns["id"]) if self.columns else -1

    def _grow(self, more: int) -> None:
        """Move what is not forgotten into columns with room for as much again, and for ``more``."""
        offsets, index = ranges(self.low.ravel(), self.count.ravel())
        live = int(offsets[-1])
        capacity = max(2 * live + more, 1024)
        for name, (dtype, width) in _FIELDS.items():
            column = np.empty((capacity, *width), dtype)
            if live:
                column[:live] = self.columns[name][index]
            self._hold(name, column)
        self.low, self.used = offsets[:-1].reshape(self.low.shape).copy(), live

    def _hold(self, name: str, column: np.ndarray) -> None:
        self.columns[name] = column
        self.shown[name] = read_only(column.view())

    def copy(self) -> ObjectStore:
        """The same rows in columns of its own."""
        out = copy(self)
        out.low, out.count = self.low.copy(), self.count.copy()
        out.columns, out.shown = {}, {}
        for name, column in self.columns.items():
            out._hold(name, column.copy())
        return out

    def gather(self, low: I64, count: I64) -> Objects:
        offsets, index = ranges(low.ravel(), count.ravel())
        return Objects(offsets, *(self.columns[name][index] for name in _FIELDS))


class Recorder:
    """Objects, plans and channels of a batch, step by step. ``past``: frames of object history that the planner asked
    for, the current one included."""

    def __init__(self, log: BatchLog, past: int, plan_every: int) -> None:
        self.log, self.past, self.plan_every = log, past, plan_every
        self.ahead = max(past - 1, 0)
        self.objects = ObjectStore(len(log.count))
        self.plans: list[tuple[I64, I64, I64, F64, I64]] = []
        self.channels: dict[str, F64] = {}

    def copy(self, log: BatchLog) -> Recorder:
        """The record so far; ``log``: the copy of its own."""
        out = copy(self)
        out.log, out.objects, out.plans = log, self.objects.copy(), list(self.plans)
        out.channels = {name: values.copy() for name, values in self.channels.items()}
        return out

    def put(self, rows: I64, scenarios: Sequence[Scenario]) -> None:
        """Forget what was recorded in ``rows``, and begin with the object history of the scenarios that the log has put
        there."""
        frames = [np.concatenate([s.past(self.ahead), s.frames]) for s in scenarios]
        counts = [np.diff(s.drive.objects.offsets)[f].sum() for s, f in zip(scenarios, frames, strict=True)]
        self.objects.expect(rows, self.ahead + self.log.time_us.shape[1], int(sum(counts)))
        kept = [(plan, np.flatnonzero(~np.isin(plan[1], rows))) for plan in self.plans]
        self.plans = [tuple(column[k] for column in plan) for plan, k in kept if len(k)]  # type: ignore[misc]
        for name, values in self.channels.items():
            values[rows] = np.nan
            more = self.log.time_us.shape[1] - values.shape[1]
            if more:
                self.channels[name] = np.pad(values, ((0, 0), (0, more)), constant_values=np.nan)
        for b, s in zip(rows.tolist(), scenarios, strict=True):
            past = s.past(self.ahead)
            at = np.arange(self.ahead - len(past), self.ahead)
            if len(past):
                self.objects.append(np.full(len(past), b), at, Objects.logged(s.drive, past))

    def observe(self, rows: I64, at: I64, objects: Objects) -> Objects:
        """Record the objects of scenarios ``rows`` at iterations ``at``; they are returned read-only."""
        return self.objects.append(*self.log.cells(rows, at, self.ahead), objects)

    def history(self, rows: I64, at: I64) -> Objects | None:
        """The planner's object history at iterations ``at``, scenario by scenario, oldest frame first, read-only."""
        if not self.past:
            return None
        window = rows[:, None], at[:, None] + np.arange(self.ahead - self.past + 1, self.ahead + 1)
        return read_only(self.objects.gather(self.objects.low[window], self.objects.count[window]))

    def plan(self, rows: I64, at: I64, plan: Plan, driven: F64) -> None:
        """Record the driven trajectories and the planner's per-step scalars."""
        assert plan.length is not None
        due = self._due(rows, at)
        if len(due):  # copies: the planner may write into its own arrays again
            states = driven[:, :, _PLAN_COLUMNS][due]
            self.plans.append((at[due], rows[due], plan.time_us[due], states, plan.length[due]))
        for name, value in plan.debug.items():
            column = np.asarray(value)
            if column.shape == (len(rows),) and column.dtype.kind in "biuf":
                if name not in self.channels:
                    self.channels[name] = np.full(self.log.time_us.shape, np.nan)
                self.channels[name][self.log.cells(rows, at)] = column

    def _due(self, rows: I64, at: I64) -> I64:
        """Places of the scenarios whose plans are kept at this iteration of each."""
        _, one = self.log.cells(rows, at)
        if isinstance(one, int):
            return _NONE if one % self.plan_every else np.arange(len(rows))
        return np.flatnonzero(at % self.plan_every == 0)

    def rollout(self, b: int) -> Rollout:
        """The record of scenario b, which ran to its end: N - 1 samples (the last iteration is never simulated). Raises
        SameIdError."""
        s, n = self.log.scenarios[b], int(self.log.count[b]) - 1
        assert s is not None
        motion = {f"vehicle.{name}": self.log.motion[..., c] for c, name in enumerate(self.log.columns)}
        road = {f"road.{name}": self.log.felt[..., c] for c, name in enumerate(_ROAD)} if self.log.uneven[b] else {}
        found = self.channels | motion | road
        names = tuple(sorted(found))
        channels = np.stack([found[k][b, :n] for k in names]) if names else np.zeros((0, n))
        return Rollout(s, self._drive(s, b, n), self._plan_log(b), names, channels, self.log.vehicle)

    def _drive(self, s: Scenario, b: int, n: int) -> Drive:
        start, frames = self.log.size - 1, s.frames[:n]
        tracks, objects = self._objects(s, b, n)
        d = s.drive
        since = d.tag_frame - s.first
        tagged = np.flatnonzero((since >= 0) & (d.tag_frame <= frames[-1]) & (since % s.stride == 0))
        goal = s.goal
        return Drive(
            name=d.name,
            map_name=d.map_name,
            source="simulation",
            licence=d.licence,
            vehicle=self.log.vehicle.name,
            interval_us=d.interval_us * s.stride,
            time_us=d.time_us[frames],
            token=d.token[frames],
            ego=self.log.ego[b, start : start + n].copy(),
            joints=self.log.joints[b, :n].copy(),
            tracks=tracks,
            objects=objects,
            lights=d.lights.select(frames),
            scenes=Scenes(
                np.zeros(1, np.int64),
                Ragged.build([s.route]),
                np.zeros((1, 3)) if goal is None else goal[None].copy(),
                np.array([goal is not None]),
                ("",),
            ),
            tag_frame=since[tagged] // s.stride,
            tag_type=d.tag_type[tagged],
            tag_names=d.tag_names,
            load=self.log.vehicle.load,
            instructions=d.instructions,
        )

    def _objects(self, s: Scenario, b: int, n: int) -> tuple[Tracks, ObjectFrames]:
        span = slice(self.ahead, self.ahead + n)
        columns, low = self.objects.columns, self.objects.low[b, span]
        offsets = offsets_of(self.objects.count[b, span])
        ids, box, velocity = _frames(low, offsets, (columns["id"], columns["box"], columns["velocity"]))
        row, first = first_rows(ids)
        again = _seen_twice(row, offsets, np.full(len(first), -1, np.int64))
        if again >= 0:
            raise SameIdError(int(np.searchsorted(offsets, again, side="right")) - 1, int(ids[again]))
        frame = np.searchsorted(offsets, first, side="right") - 1
        source = low[frame] + first - offsets[frame]
        known = np.argsort(s.drive.tracks.id, kind="stable")
        at = np.minimum(np.searchsorted(s.drive.tracks.id, ids[first], sorter=known), max(len(known) - 1, 0))
        height = np.zeros(len(first))
        if len(known):
            found = s.drive.tracks.id[known[at]] == ids[first]
            height[found] = s.drive.tracks.height_m[known[at[found]]]
        tracks = Tracks(
            ids[first], columns["kind"][source], columns["vehicle"][source], columns["unit"][source], height
        )
        return tracks, ObjectFrames(offsets, row, box, velocity)

    def _plan_log(self, b: int) -> PlanLog:
        steps, times, states = [], [], []
        for step, rows, plan_us, plan, length in self.plans:
            at = int(rows.searchsorted(b))
            if at < len(rows) and rows[at] == b:
                steps.append(step[at])
                times.append(plan_us[at, : length[at]])
                states.append(plan[at, : length[at]])
        if not steps:
            return PlanLog(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
        return PlanLog(
            np.array(steps, np.int64),
            offsets_of([len(t) for t in times]),
            np.concatenate(times),
            np.concatenate(states),
        )


def first_rows(ids: np.ndarray) -> tuple[I64, I64]:
    """Number of each id in order of first appearance (R,), and the row where each number first appears (N,)."""
    size = 16
    while size < 2 * len(ids):
        size *= 2
    table, row, first = (
        np.full(min(size, 1 << 16), -1, np.int64),
        np.empty(len(ids), np.int64),
        np.empty(len(ids), np.int64),
    )
    count = _number(ids, table, row, first)
    if count < 0:
        values, at, inverse = np.unique(ids, return_index=True, return_inverse=True)
        order = np.argsort(at, kind="stable")
        rank = np.empty(len(values), np.int64)
        rank[order] = np.arange(len(values))
        return rank[inverse], at[order].astype(np.int64)
    return row, first[:count].copy()


@njit(cache=True, nogil=True)
def _frames(low, offsets, columns):  # type: ignore[no-untyped-def]
    """Ids, boxes and velocities of frames that begin at rows ``low`` (M,), one after the other."""
    id, box, velocity = columns
    rows = offsets[-1]
    ids, boxes, velocities = np.empty(rows, np.uint64), np.empty((rows, 5)), np.empty((rows, 2))
    for m in range(len(low)):
        first, last, begin = offsets[m], offsets[m + 1], low[m]
        for r in range(first, last):
            source = begin + r - first
            ids[r] = id[source]
            for c in range(5):
                boxes[r, c] = box[source, c]
            velocities[r, 0], velocities[r, 1] = velocity[source, 0], velocity[source, 1]
    return ids, boxes, velocities


@njit(cache=True, nogil=True)
def _seen_twice(row, offsets, last):  # type: ignore[no-untyped-def]
    """The first place whose number (R,) is in its frame already, or -1; ``last`` (N,) is scratch, -1 at first."""
    for f in range(len(offsets) - 1):
        for r in range(offsets[f], offsets[f + 1]):
            if last[row[r]] == f:
                return r
            last[row[r]] = f
    return -1


@njit(cache=True, nogil=True)
def _number(ids, table, row, first):  # type: ignore[no-untyped-def]
    """Open addressing over ``table``; -1 when it gets too full (many thousands of different objects)."""
    mask, count = len(table) - 1, 0
    for r in range(len(ids)):
        slot = np.int64((ids[r] ^ (ids[r] >> np.uint64(29))) & np.uint64(mask))
        while table[slot] >= 0 and ids[first[table[slot]]] != ids[r]:
            slot = (slot + 1) & mask
        if table[slot] < 0:
            if 2 * count > mask:
                return -1
            table[slot], first[count] = count, r
            count += 1
        row[r] = table[slot]
    return count
