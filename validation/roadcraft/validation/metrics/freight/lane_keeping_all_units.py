"""All units of ego stay in the lanes that unit 0 uses."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64, I64, Mask
from roadcraft.core.data.scenario import LAST_MOVING, Ego
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.events import object_event, runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.lines import steps_at
from roadcraft.validation.metrics.freight.common.outlines import OutlineDepartures, outline_departures
from roadcraft.validation.metrics.freight.common.thresholds import LaneKeepingConfig
from roadcraft.validation.metrics.freight.common.units import unit_name
from roadcraft.validation.metrics.freight.pull_over import told_to_pull_over

_SIDES = ("opposing", "same_direction", "shoulder")
_LANE_M = 2.0  # farthest that an oncoming road user's center is from the point in its lane, across


class LaneKeepingAllUnits(Metric):
    """Weight 3. The excess is the largest distance of any outline point from the union of the lanes that unit 0's route
    uses at the time (during a lane change both). 1 without excess, 0 from ``max_m`` on, linear between; 0 where a unit
    is in the opposing lanes by more than ``noticed_m`` while somebody comes along there within ``oncoming_s``. What is
    beside all lanes is no excess from when on ego is told to pull over. No score where unit 0 never is on a lane."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: LaneKeepingConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, f = self.config, "lane_keeping_all_units", frames(context)
        found = _from_lanes(context)
        values = np.stack([d.most[:, 2] for d in found], 1)
        known = ~np.isnan(values[:, 0])
        if not known.any():
            return MetricResult(name, None)
        values = np.nan_to_num(values)
        worst = values.max(axis=1)
        most = dict.fromkeys(_SIDES, 0.0)
        met = (-1, -1)
        if worst.max() > 0.0:
            most, met = self._sides(context, found)
        stats: dict[str, float | int | bool | None] = {
            f"max_{name}_[meters]": float(worst.max()),
            f"share_of_time_beyond_{c.noticed_m:g}_m": float(np.mean(worst[known] > c.noticed_m)),
            "met_oncoming": met[0] >= 0,
            **{f"max_towards_{side}_[meters]": v for side, v in most.items()},
            **{f"max_of_unit_{i}_[meters]": float(v) for i, v in enumerate(values.max(axis=0))},
        }
        score = 0.0 if met[0] >= 0 else 1.0 - min(float(worst.max()) / c.max_m, 1.0)
        events = []
        for a, b in zip(*runs(np.asarray(worst > c.noticed_m)), strict=True):
            step, unit = divmod(int(values[a : b + 1].argmax()), values.shape[1])
            what = f"{unit_name(unit)} {values[a + step, unit]:.2f} m out of its lanes, "
            events.append(Event(int(a) + step, what + span_text(f.time_us, int(a), int(b))))
        if met[0] >= 0:
            events.append(object_event(context, met[0], "in the opposing lane of a {kind} that comes along", met[1]))
        names = tuple(unit_name(i) for i in range(len(found)))
        return MetricResult(name, score, stats, Series(f.time_us, values, "meters", names), tuple(events))

    def _sides(
        self, context: MetricContext, found: tuple[OutlineDepartures, ...]
    ) -> tuple[dict[str, float], tuple[int, int]]:
        """Largest excess towards each side, and step and row of the first oncoming road user in whose lane a unit is,
        else -1."""
        most, met = dict.fromkeys(_SIDES, 0.0), (-1, -1)
        heading = frames(context).ego[:, Ego.HEADING]
        for d in found:
            some = np.flatnonzero(d.most[:, 2] > 0.0)
            if not len(some):
                continue
            steps, points = np.nonzero(d.excess[some, : d.tires] > 0.0)
            steps = some[steps]
            excess, places, other = d.excess[steps, points], d.points[steps, points], d.other[steps, points]
            opposing = _against(context, other, places, heading[steps])
            groups = {"opposing": opposing, "same_direction": (other >= 0) & ~opposing, "shoulder": other < 0}
            for side, chosen in groups.items():
                most[side] = max(most[side], float(excess[chosen].max(initial=0.0)))
            serious = opposing & (excess > self.config.noticed_m)
            if serious.any():
                hit = self._oncoming(context, steps[serious], places[serious])
                if hit[0] >= 0 and (met[0] < 0 or hit[0] < met[0]):
                    met = hit
        return most, met

    def _oncoming(self, context: MetricContext, steps: I64, places: F64) -> tuple[int, int]:
        """The first of the steps, and an object's row, at which somebody comes along towards a place."""
        f = frames(context)
        heading, speed, o = f.ego[:, Ego.HEADING], f.ego[:, Ego.VX], f.objects
        for step, place in zip(steps.tolist(), places, strict=True):
            rows = np.arange(o.offsets[step], o.offsets[step + 1])
            c, s = np.cos(heading[step]), np.sin(heading[step])
            away, turn = o.box[rows, :2] - place, o.box[rows, 2] - heading[step]
            along, across = away[:, 0] * c + away[:, 1] * s, away[:, 1] * c - away[:, 0] * s
            closing = max(float(speed[step]), 0.0) - o.speed[rows] * np.cos(turn)
            comes = (o.kind[rows] <= LAST_MOVING) & (np.cos(turn) < -0.5) & (np.abs(across) <= _LANE_M)
            comes &= (along > 0.0) & (along <= closing * self.config.oncoming_s)
            if comes.any():
                return step, int(rows[np.argmax(comes)])
        return -1, -1


def _from_lanes(context: MetricContext) -> tuple[OutlineDepartures, ...]:
    """The departures of each unit; none towards the shoulder from when on ego is told to pull over."""
    found, told = outline_departures(context), told_to_pull_over(context)
    if told is None:
        return found
    later, out = np.arange(len(frames(context)))[:, None] >= told, []
    for d in found:
        excess, most = np.where(later & (d.other < 0), 0.0, d.excess), d.most.copy()
        most[:, 2] = excess[:, : d.tires].max(axis=1)
        out.append(d._replace(excess=excess, most=most))
    return tuple(out)


def _against(context: MetricContext, rows: I64, places: F64, heading: F64) -> Mask:
    """Whether each lane (Q,), where there is one, leads against a heading at a place (Q, 2)."""
    lines = context.rollout.scenario.map.lanes.centerlines
    out = np.zeros(len(rows), np.bool_)
    for row in np.unique(rows[rows >= 0]).tolist():
        line, mine = lines[row], np.flatnonzero(rows == row)
        if len(line) < 2:
            continue
        along = steps_at(line, places[mine])
        out[mine] = along[:, 0] * np.cos(heading[mine]) + along[:, 1] * np.sin(heading[mine]) < 0.0
    return out
