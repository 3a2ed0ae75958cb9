"""Made-up vehicles with trailers and masses."""

from __future__ import annotations

import numpy as np

from roadcraft.core.vehicles.vehicle import Brakes, Powertrain, RigidUnit, UnitLoad, Vehicle, VehicleLoad


def truck(rng: np.random.Generator, units: int) -> Vehicle:
    """A random vehicle whose axle groups all carry load: a tractor, and semitrailers and dollies in turn behind it."""
    rows = []
    for i in range(units):
        dolly = i == 2
        base = rng.uniform(3.4, 6.4) if i == 0 else rng.uniform(2.0, 4.6) if dolly else rng.uniform(6.0, 12.5)
        last = i == units - 1
        hitch = 0.0 if last or dolly else rng.uniform(0.0, 0.5) if i == 0 else rng.uniform(-2.5, -0.3)
        mass = rng.uniform(7e3, 1e4) if i == 0 else rng.uniform(1e3, 3e3) if dolly else rng.uniform(1e4, 3e4)
        cog = base * (rng.uniform(0.4, 0.6) if i == 0 else rng.uniform(0.3, 0.45))
        load = UnitLoad(
            mass, cog, rng.uniform(1.0, 2.0), mass * base**2 * rng.uniform(0.15, 0.3), None if dolly else 0.35
        )
        kind = "tractor" if i == 0 else "dolly" if dolly else "semitrailer"
        rows.append(
            RigidUnit(base + 1.0, 1.2, 2.55, 3.9, base, hitch, kind, track_m=1.9, loads={"loaded": load})  # type: ignore[arg-type]
        )
    return Vehicle(
        "made_up",
        tuple(rows),
        max_steering_rad=0.7,
        accel_lag_s=0.2,
        steering_lag_s=0.15,
        max_steering_rate_radps=0.4,
        loads={"loaded": VehicleLoad(4.5, 1.0)},
        powertrain=Powertrain(335_000.0),
        brakes=Brakes(),
    )
