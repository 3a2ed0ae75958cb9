"""Keeps what happened in a lockstep batch and turns it into rollouts."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from roadcraft.core.arrays import F64, I64, Ragged, offsets_of, read_only
from roadcraft.core.data.frame_rows import ranges
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import Objects, PlanLog, Rollout
from roadcraft.core.data.scenario import Drive, Ego, ObjectFrames, Scenario, Scenes, Tracks
from roadcraft.core.driving.jit import njit
from roadcraft.validation.simulation.batch_log import BatchLog, select

_FIELDS = {
    "id": np.uint64, "kind": np.uint8, "vehicle": np.int64, "unit": np.uint8, "box": np.float64, "velocity": np.float64,
}  # fmt: skip
_ROAD = ("grade", "bank", "friction", "wind_x", "wind_y")
_PLAN_COLUMNS = slice(Ego.X, Ego.VX + 1)  # x, y, heading, speed


class SameIdError(ValueError):
    """Two objects of one id at one moment, of which the record (and every metric) would make one. step: iteration."""

    def __init__(self, step: int, id: int) -> None:
        self.step = step
        super().__init__(f"object {id:016x} is there twice at the same time: the ids of one moment must differ")


class ObjectStore:
    """Append-only columns of object rows, with the place of every (scenario, frame); frame f >= 0 is iteration f -
    ``past``. expected: rows that it will probably hold: growing costs, since what was shown of the old columns keeps
    them."""

    def __init__(self, scenarios: int, frames: int, expected: int = 0) -> None:
        self.expected = expected
        self.low = np.zeros((scenarios, frames), np.int64)
        self.count = np.zeros((scenarios, frames), np.int64)
        self.used = 0
        self.columns: dict[str, np.ndarray] = {}
        self.shown: dict[str, np.ndarray] = {}  # the same, read-only

    def append(self, rows: I64, frame: int, objects: Objects) -> Objects:
        """Keep the objects of scenarios ``rows`` at one frame; they are returned as they were kept, read-only, so that
        who made them can change them no more."""
        need = self.used + len(objects.id)
        if not self.columns or need > len(self.columns["id"]):
            self._grow(need, objects)
        offsets = objects.offsets.astype(np.int64)
        offsets.setflags(write=False)
        kept = []
        span = slice(self.used, need)
        for name, values in self.columns.items():
            values[span] = getattr(objects, name)
            kept.append(self.shown[name][span])
        at, low = select(rows, len(self.low)), offsets[:-1]
        self.low[at, frame] = low + self.used
        self.count[at, frame] = offsets[1:] - low
        self.used = need
        return Objects(offsets, *kept)

    def _grow(self, need: int, objects: Objects) -> None:
        capacity = max(2 * need if self.columns else need, self.expected, 1024)
        for name in _FIELDS:
            value = getattr(objects, name)
            column = np.empty((capacity, *value.shape[1:]), _FIELDS[name])
            if name in self.columns:
                column[: self.used] = self.columns[name][: self.used]
            self._hold(name, column)

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
        scenarios, steps = log.time_us.shape
        self.ahead = max(past - 1, 0)
        frames = [(s, np.concatenate([s.past(self.ahead), s.frames])) for s in log.scenarios]
        rows = sum(int((o.offsets[f + 1] - o.offsets[f]).sum()) for s, f in frames for o in [s.drive.objects])
        self.objects = ObjectStore(scenarios, self.ahead + steps, rows)
        self.plans: list[tuple[int, I64, I64, F64, I64]] = []
        self.channels: dict[str, F64] = {}
        if self.ahead:
            self._prefill()

    def copy(self, log: BatchLog) -> Recorder:
        """The record so far; ``log``: the copy of its own."""
        out = copy(self)
        out.log, out.objects, out.plans = log, self.objects.copy(), list(self.plans)
        out.channels = {name: values.copy() for name, values in self.channels.items()}
        return out

    def _prefill(self) -> None:
        for b, s in enumerate(self.log.scenarios):
            frames = s.past(self.ahead)
            if len(frames):
                logged = Objects.logged(s.drive, frames)
                first = self.ahead - len(frames)
                base = self.objects.used
                # all rows of no frame: their places are noted here
                self.objects.append(np.zeros(0, np.int64), 0, replace(logged, offsets=np.zeros(1, np.int64)))
                self.objects.low[b, first : self.ahead] = logged.offsets[:-1] + base
                self.objects.count[b, first : self.ahead] = np.diff(logged.offsets)

    def observe(self, rows: I64, iteration: int, objects: Objects) -> tuple[Objects, Objects | None]:
        """Record the objects of this iteration; return them, and the planner's object history, scenario by scenario,
        oldest frame first. Both are read-only."""
        now = self.objects.append(rows, self.ahead + iteration, objects)
        if not self.past:
            return now, None
        window = slice(self.ahead + iteration - self.past + 1, self.ahead + iteration + 1)
        return now, read_only(self.objects.gather(self.objects.low[rows, window], self.objects.count[rows, window]))

    def plan(self, rows: I64, iteration: int, plan: Plan, driven: F64) -> None:
        """Record the driven trajectories and the planner's per-step scalars."""
        assert plan.length is not None
        if iteration % self.plan_every == 0:
            # copies: the planner may write into its own arrays again
            self.plans.append(
                (iteration, rows, plan.time_us.copy(), driven[:, :, _PLAN_COLUMNS].copy(), plan.length.copy())
            )
        for name, value in plan.debug.items():
            column = np.asarray(value)
            if column.shape == (len(rows),) and column.dtype.kind in "biuf":
                if name not in self.channels:
                    self.channels[name] = np.full(self.log.time_us.shape, np.nan)
                self.channels[name][rows, iteration] = column

    def rollout(self, b: int) -> Rollout:
        """The record of scenario b, which ran to its end: N - 1 samples (the last iteration is never simulated). Raises
        SameIdError."""
        s, n = self.log.scenarios[b], int(self.log.count[b]) - 1
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
                steps.append(step)
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
