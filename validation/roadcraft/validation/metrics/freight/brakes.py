"""Hot brakes, energy, and rolling back."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from roadcraft.core.driving.motion.drivetrain import START_DEGC
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.types import Event, MetricResult, Series
from roadcraft.validation.metrics.common.events import runs
from roadcraft.validation.metrics.common.frames import frames
from roadcraft.validation.metrics.freight.common.channels import channel
from roadcraft.validation.metrics.freight.common.thresholds import BrakeHeatConfig, EnergyConfig, RollbackConfig
from roadcraft.validation.metrics.freight.common.units import units


class BrakeHeat(Metric):
    """Weight 3. The highest temperature of the service brakes: 1 up to ``warn_degC``, 0 from ``limit_degC`` on, linear
    between. No score where they never get ``rise_K`` hotter than they began, or without a vehicle model with
    brakes."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 3.0

    def __init__(self, config: BrakeHeatConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, vehicle = self.config, "brake_heat", context.rollout.vehicle
        hot, brake = channel(context, "brake_temperature"), channel(context, "brake")
        if hot is None or brake is None or vehicle.brakes is None:
            return MetricResult(name, None)
        mass, speed = sum(m.mass_kg for m in vehicle.masses), np.abs(units(context).speed[:, 0])
        power = brake * mass * speed
        total = float(power.sum())
        most = float(hot.max())
        stats: dict[str, float | int | bool | None] = {
            "max_brake_temperature_[degC]": most,
            f"share_of_time_above_{c.warn_degC:g}_degC": float(np.mean(hot > c.warn_degC)),
            "share_of_retarder": float(np.minimum(power, vehicle.brakes.retarder_W).sum()) / total
            if total > 0.0
            else None,
        }
        score = 1.0 - min(max((most - c.warn_degC) / (c.limit_degC - c.warn_degC), 0.0), 1.0)
        events = (Event(int(hot.argmax()), f"brakes of {most:.0f} degrees C"),) if most > c.warn_degC else ()
        risen = most - max(float(hot[0]), START_DEGC) >= c.rise_K or most > c.warn_degC
        return MetricResult(name, score if risen else None, stats, Series(frames(context).time_us, hot, "degC"), events)


class Energy(Metric):
    """Reported only: fuel in liters per 100 km, of the power at the wheels through driveline and engine, and what runs
    beside; and the energy that service brakes and retarder turn into heat."""

    def __init__(self, config: EnergyConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        c, name, vehicle, u = self.config, "energy", context.rollout.vehicle, units(context)
        drive, brake = channel(context, "drive"), channel(context, "brake")
        if drive is None or brake is None or not vehicle.masses:
            return MetricResult(name, None)
        mass, speed = sum(m.mass_kg for m in vehicle.masses), np.abs(u.speed[:, 0])
        seconds = u.dt_s * len(speed)
        fuel = np.maximum(drive * mass * speed, 0.0) / (c.driveline * c.engine) + c.idle_W
        liters = float(fuel.mean()) * seconds / c.fuel_Jpl
        way = float(speed.mean()) * seconds
        hundred = liters / way * 1e5 if way > 1.0 else None
        stats: dict[str, float | int | bool | None] = {
            "fuel_[l_per_100_km]": hundred,
            "fuel_[l_per_t_km]": None if hundred is None else hundred / 100.0 / (mass / 1000.0),
            "brake_energy_[kWh]": float((brake * mass * speed).mean()) * seconds / 3.6e6,
        }
        return MetricResult(name, hundred, stats)


class Rollback(Metric):
    """Reported only: the longest way that unit 0 moves backward although the plan of the time does not say so (as on a
    start uphill)."""

    def __init__(self, config: RollbackConfig) -> None:
        self.config = config

    def compute(self, context: MetricContext) -> MetricResult:
        name, u, plans = "rollback", units(context), context.rollout.plans
        speed, wanted = u.speed[:, 0], np.zeros(len(u.seconds), np.bool_)
        among = np.concatenate([[0], np.cumsum(plans.states[:, 3] < 0.0)])
        backward = among[plans.offsets[1:]] > among[plans.offsets[:-1]]
        if len(backward):
            last = np.searchsorted(plans.step, np.arange(len(speed)), side="right") - 1
            wanted = backward[np.maximum(last, 0)] & (last >= 0)
        most, at = 0.0, 0
        for a, b in zip(*runs(np.asarray((speed < 0.0) & ~wanted)), strict=True):
            way = float(-speed[a : b + 1].sum()) * u.dt_s
            if way > most:
                most, at = way, int(a)
        events = (Event(at, f"rolls back by {most:.2f} m"),) if most > self.config.most_m else ()
        stats = {"max_rollback_[meters]": most, "within_bound": most <= self.config.most_m}
        return MetricResult(name, most, stats, events=events)
