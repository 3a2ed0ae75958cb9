"""Situation: a long downgrade with a curve at its bottom, taken at the speed that the brakes can hold or at any."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.driving.motion.closed_forms import Slope, brake_temperature
from roadcraft.core.driving.motion.drivetrain import AMBIENT_DEGC, START_DEGC
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface, centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.situations.loop_ramp import CAR_LATERAL_MPS2
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap, lay_highway, put_truck
from roadcraft.scenario_io.synthetic.roads.chain import Chain
from roadcraft.scenario_io.synthetic.roads.curves import bends, smoothstep

WARM_DEGC = 200.0
"""Temperature that the brakes may come to at the bottom."""


def downgrade(stage: Stage) -> None:
    rng, vehicle = stage.rng, stage.vehicle
    fall, reach = float(rng.uniform(0.04, 0.08)), float(rng.uniform(2000.0, 10_000.0))
    advised = advised_speed(vehicle, fall, reach)
    limit = float(np.clip(1.1 * advised, 14.0, 25.0))
    speed = min(advised, 0.95 * limit)
    radius, bank, side = float(rng.uniform(70.0, 130.0)), float(rng.uniform(0.03, 0.06)), float(rng.choice((-1, 1)))
    before, arc = 110.0 + 34.0 * speed, float(rng.uniform(0.7, 1.2)) * radius
    points, heading = bends([(before, 0.0), (arc, side / radius), (700.0, 0.0)], ramp=0.6 * radius)
    chain = Chain(points, heading)

    def tilted(s: F64) -> F64:
        there = smoothstep((np.asarray(s) - before + 0.3 * radius) / (0.6 * radius))
        return side * bank * there * (1.0 - smoothstep((np.asarray(s) - before - arc + 0.3 * radius) / (0.6 * radius)))

    def falling(s: F64) -> F64:
        return -fall * (1.0 - smoothstep((np.asarray(s) - before - arc) / 120.0))

    stage.surface = Surface(falling, tilted)
    road = lay_highway(stage, chain, 2, limit)
    lane = 1
    put_truck(stage, road, lane, 110.0, speed, 50.0)
    populate(stage, road.paths, 0.85, ahead=240.0)
    middle = course_along(chain, road.middle(lane), stage.surface)
    kept = course_along(chain, centered(chain, road.middle(lane), vehicle), stage.surface)
    cap = curve_cap(kept, stage.threshold, 0.4, speed)
    stage.own = list(stage.scene.paths[stage.route].route.segments)
    stage.experts = [Intent(kept, cap, Manner(decel=0.6), lane=middle)]
    hasty = np.sqrt(CAR_LATERAL_MPS2 / np.maximum(np.abs(middle.curvature), 1e-6))
    stage.mistakes = [Intent(middle, np.minimum(hasty, max(1.25 * limit, 22.0)), CAR_DRIVER, minds=False)]


def advised_speed(vehicle: Vehicle, fall: float, reach: float) -> float:
    """Highest speed, m/s, at which the brakes come to no more than ``WARM_DEGC`` on a downgrade of so many m."""
    engine, brakes, mass = vehicle.powertrain, vehicle.brakes, sum(m.mass_kg for m in vehicle.masses)
    assert engine is not None
    assert brakes is not None
    speeds = np.arange(8.0, 25.0, 0.5)
    ends = [
        brake_temperature(mass, START_DEGC, Slope(fall, reach, v, AMBIENT_DEGC), engine, brakes).temperature
        for v in speeds.tolist()
    ]
    cool = np.flatnonzero(np.array(ends) <= WARM_DEGC)
    return float(speeds[cool[-1]]) if len(cool) else 8.0
