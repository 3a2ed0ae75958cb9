"""Gaps to who drives ahead: whether ego could stop, how hard it must brake, and its headway."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64, Mask
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.memo import memo
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.validation.metrics.common.events import object_event, runs, span_text
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.leaders import (
    Leaders,
    brakes_available,
    leader_brakes,
    leaders,
    stopping_distances,
)
from roadcraft.validation.metrics.freight.common.thresholds import (
    BrakeDemandConfig,
    HeadwayConfig,
    StoppingMarginConfig,
)
from roadcraft.validation.metrics.freight.common.units import units

_FOOT_M, _FORTY_MPH, _FIFTY_KMH = 0.3048, 17.8816, 50.0 / 3.6


class StoppingMargin(Metric):
    """Weight 5. The share of time in which ego could stop behind its leader if that braked fully at once: gap and
    stopping distance of the leader against that of ego with its load, the road's grade and friction, and brakes as hot
    as they are, after a reaction. The leader is the nearest object in the band of unit 0's path. No score without
    masses or a leader. How far ego can see is not known; the end of the mapped road is no obstacle."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 5.0

    def __init__(self, config: StoppingMarginConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, brake = self.config, "stopping_margin", brakes_available(context)
        if brake is None:
            return MetricResult(name, None)
        found, time_us = leaders(context), frames(context).time_us
        way = stopping_distances(context, brake, c.reaction_s)
        margin = found.gap + found.speed**2 / (2.0 * leader_brakes(context, c.car_mps2, c.truck_mps2)) - way
        led = found.row >= 0
        if not led.any():
            return MetricResult(name, None, {"share_of_time_with_leader": 0.0})
        short = led & (margin < 0.0)
        score = 1.0 - float(np.mean(short))
        least = float(margin[led].min()) if led.any() else None
        stats: dict[str, float | int | bool | None] = {
            "min_stopping_margin_[meters]": least if least is None or np.isfinite(least) else None,
            "max_stopping_distance_[meters]": float(way.max()) if np.isfinite(way).all() else None,
            "share_of_time_with_leader": float(np.mean(led)),
            name: score,
        }
        events = []
        for a, b in zip(*runs(np.asarray(short)), strict=True):
            step = int(a) + int(margin[a : b + 1].argmin())
            what = f"{-margin[step]:.1f} m too near to stop behind a {{kind}}, {span_text(time_us, int(a), int(b))}"
            events.append(object_event(context, step, what, int(found.row[step])))
        series = Series(time_us, np.where(led & np.isfinite(margin), margin, np.nan), "meters")
        return MetricResult(name, score, stats, series, tuple(events))


class BrakeDemand(Metric):
    """Reported only: the constant deceleration that keeps ego from hitting its leader if that keeps its speed, over
    what the brakes can do; the largest. Above 1 a contact is unavoidable."""

    def __init__(self, config: BrakeDemandConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, brake = "brake_demand", brakes_available(context)
        if brake is None:
            return MetricResult(name, None)
        found, speed = leaders(context), units(context).speed[:, 0]
        closing = np.maximum(speed - found.speed, 0.0)
        demand = closing**2 / (2.0 * np.maximum(found.gap, 0.01)) / brake
        most = float(demand.max())
        step = int(demand.argmax())
        stats: dict[str, float | int | bool | None] = {
            f"max_{name}": most,
            "good": most <= self.config.good,
            "unavoidable": most > 1.0,
        }
        events: tuple[Event, ...] = ()
        if most > self.config.good:
            events = (
                object_event(context, step, f"needs {most:.2f} of its brakes for a {{kind}}", int(found.row[step])),
            )
        return MetricResult(name, most, stats, Series(frames(context).time_us, demand, "share"), events)


class Headway(Metric):
    """Weight 2. The time gap behind a leader above ``above_mps`` over that which the chosen law asks for, at most 1, on
    average; the ``grace_s`` after somebody cut in do not count. No score where there is no leader. All laws are told.

    cdl: manuals for commercial drivers in the US, one second per 10 ft of length, and one more above 40 mph; germany:
    50 m above 50 km/h (StVO 4(3), there on motorways)."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 2.0

    def __init__(self, config: HeadwayConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, found = self.config, "headway", leaders(context)
        speed = units(context).speed[:, 0]
        follows = (found.row >= 0) & (speed > c.above_mps) & ~_cut_in(context, found, c.grace_s)
        v, vehicle = np.maximum(speed, 0.1), context.rollout.vehicle
        long = memo(vehicle, "length", lambda: length_of(vehicle))
        laws = {
            "cdl": long / (10.0 * _FOOT_M) + (v > _FORTY_MPH),
            "germany": np.where(v > _FIFTY_KMH, 50.0 / v, 0.0),
        }
        gap = np.maximum(found.gap, 0.0) / v
        shares = {law: _kept(gap, wanted, follows) for law, wanted in laws.items()}
        least = float(gap[follows].min()) if follows.any() else None
        stats: dict[str, float | int | bool | None] = {
            "min_headway_[s]": least,
            "share_of_time": float(np.mean(follows)),
        }
        stats |= {f"kept_{law}": share for law, share in shares.items()}
        score, events = shares[c.law], list[Event]()
        if score is not None and score < 1.0:
            worst = np.where(follows, gap / np.maximum(laws[c.law], 0.1), np.inf)
            step = int(worst.argmin())
            what = f"{gap[step]:.1f} s behind a {{kind}}, {laws[c.law][step]:.1f} s are asked for"
            events.append(object_event(context, step, what, int(found.row[step])))
        series = Series(frames(context).time_us, np.where(follows, gap, np.nan), "s")
        return MetricResult(name, score, stats, series, tuple(events))


def _kept(gap: F64, wanted: F64, follows: Mask) -> float | None:
    """Mean share of the wanted time gaps, at most 1 each."""
    if not follows.any():
        return None
    return float(np.mean(np.minimum(gap / np.maximum(wanted, 1e-9), 1.0)[follows]))


def _cut_in(context: MetricContext, found: Leaders, grace_s: float) -> Mask:
    """(n,) whether somebody cut in less than ``grace_s`` ago: another leader, nearer than the one before."""
    f = frames(context)
    track = np.where(found.row >= 0, f.objects.track[found.row], -1) if len(f.objects.track) else found.row
    cut = np.flatnonzero((track[1:] != track[:-1]) & (found.row[1:] >= 0) & (found.gap[1:] < found.gap[:-1] - 1.0)) + 1
    out = np.zeros(len(f), np.bool_)
    for step in cut.tolist():
        out |= (f.time_us >= f.time_us[step]) & (f.time_us < f.time_us[step] + round(grace_s * 1e6))
    return out
