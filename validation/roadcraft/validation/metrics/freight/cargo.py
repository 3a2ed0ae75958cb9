"""What the payload of each unit feels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle
from roadcraft.validation.metrics.common.dynamics import smoothed
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.channels import channels
from roadcraft.validation.metrics.freight.common.thresholds import CargoConfig
from roadcraft.validation.metrics.freight.common.units import unit_name, units


class Cargo(Metric):
    """Weight 2. Acceleration at the payload's center of every unit that carries one, filtered as nuPlan's comfort
    metrics are: braking, lateral acceleration and longitudinal jerk each score 1 up to their good bound and 0 from
    their bad one on, linear between; the least of them. No score for an empty vehicle, or without a vehicle model that
    slips."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 2.0

    def __init__(self, config: CargoConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, vehicle, u = self.config, "cargo", context.rollout.vehicle, units(context)
        places = payloads(vehicle)
        ay = channels(context, "ay", vehicle.joints + 1) if places else None
        if ay is None:
            return MetricResult(name, None)
        rows = sorted(places)
        lever = np.array([places[i] - vehicle.masses[i].cog_m for i in rows])
        turning = np.gradient(u.yaw_rate[:, rows], u.seconds, axis=0)
        raw = np.concatenate([np.gradient(u.speed[:, rows], u.seconds, axis=0), ay[:, rows] + lever * turning], axis=1)
        felt: F64 = smoothed(context, np.ascontiguousarray(raw.T), 8, 2, 0)
        along, across = felt[: len(rows)], felt[len(rows) :]
        jerk = np.abs(smoothed(context, along, 15, 2, 1))
        parts = {
            "braking": (-along / GRAVITY_MPS2, c.braking_good_g, c.braking_bad_g),
            "lateral": (np.abs(across) / GRAVITY_MPS2, c.lateral_good_g, c.lateral_bad_g),
            "jerk": (jerk, c.jerk_good, c.jerk_bad),
        }
        scores, stats, events = list[float](), dict[str, float | int | bool | None](), list[Event]()
        for part, (values, good, bad) in parts.items():
            unit, step = divmod(int(values.argmax()), values.shape[1])
            most = float(values[unit, step])
            scores.append(1.0 - min(max((most - good) / (bad - good), 0.0), 1.0))
            kind = "m_per_s3" if part == "jerk" else "g"
            stats[f"max_{part}_[{kind}]"] = most
            if most > good:
                events.append(Event(step, f"{part} of {most:.2f} {kind} at the payload of {unit_name(rows[unit])}"))
        series = Series(frames(context).time_us, across.T / GRAVITY_MPS2, "g", tuple(unit_name(i) for i in rows))
        return MetricResult(name, min(scores), stats, series, tuple(events))


def payloads(vehicle: Vehicle) -> dict[int, float]:
    """Where the payload's center is, m ahead of the axle, of every unit that the driven load makes heavier than the
    first one."""
    if not vehicle.masses:
        return {}
    out, first = {}, next(iter(vehicle.loads))
    for i, (unit, now) in enumerate(zip(vehicle.units, vehicle.masses, strict=True)):
        empty = unit.loads[first]
        more = now.mass_kg - empty.mass_kg
        if more > 0.0:
            out[i] = (now.mass_kg * now.cog_m - empty.mass_kg * empty.cog_m) / more
    return out
