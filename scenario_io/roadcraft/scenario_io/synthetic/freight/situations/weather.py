"""Situations of bad weather: a slippery curve for an empty truck."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface, centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.situations.loop_ramp import CAR_LATERAL_MPS2
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap, lay_highway, put_truck
from roadcraft.scenario_io.synthetic.roads.chain import Chain
from roadcraft.scenario_io.synthetic.roads.curves import bends, smoothstep

DRY = 0.8
"""Friction beside the slippery stretch."""
FOLDED_RAD = 0.6
"""Joint that no road asks for."""
_EDGE_M = 20.0  # length over which the friction changes


def low_mu_curve_brake(stage: Stage) -> None:
    rng, vehicle = stage.rng, stage.vehicle
    friction = float(rng.uniform(0.2, 0.4))
    grip = friction * GRAVITY_MPS2
    radius = float(rng.uniform(100.0, min(300.0, 25.0**2 / (1.4 * grip))))
    speed = float(np.clip(np.sqrt(1.5 * grip * radius), 15.0, 25.0))
    held = np.sqrt(0.25 * grip * radius)  # a quarter of what the tires have
    side, arc, start = float(rng.choice((-1, 1))), float(rng.uniform(0.7, 1.1)) * radius, 110.0
    icy = start + 9.5 * speed + (speed * speed - held * held) / 1.6 + float(rng.uniform(40.0, 90.0))
    before = icy + float(rng.uniform(20.0, 60.0)) + 0.25 * radius
    points, heading = bends([(before, 0.0), (arc, side / radius), (600.0, 0.0)], ramp=0.5 * radius)
    chain, end = Chain(points, heading), before + arc + 0.25 * radius + 10.0

    def slippery(s: F64) -> F64:
        there = smoothstep((np.asarray(s) - icy) / _EDGE_M) * (1.0 - smoothstep((np.asarray(s) - end) / _EDGE_M))
        return DRY - (DRY - friction) * there

    stage.surface = Surface(friction=slippery)
    lanes = int(rng.integers(1, 3))
    road = lay_highway(stage, chain, lanes, speed / 0.95)
    lane = int(rng.integers(lanes))
    put_truck(stage, road, lane, start, speed, 50.0)
    populate(stage, road.paths, 0.85, ahead=300.0)
    middle = course_along(chain, road.middle(lane), stage.surface)
    kept = course_along(chain, centered(chain, road.middle(lane), vehicle), stage.surface)
    stage.own = list(stage.scene.paths[stage.route].route.segments)
    slow = (kept.station > icy - 10.0) & (kept.station < end + sum(u.length_m for u in vehicle.units))
    cap = curve_cap(kept, stage.threshold, 0.4, np.where(slow, held, speed))
    stage.experts = [Intent(kept, cap, Manner(accel=0.6, decel=0.8), lane=middle)]
    hasty = np.minimum(np.sqrt(CAR_LATERAL_MPS2 / np.maximum(np.abs(middle.curvature), 1e-6)), speed)
    late = CAR_DRIVER._replace(hard=4.0, sight=75.0)  # brakes hard within the curve
    stage.mistakes = [Intent(middle, hasty, late, minds=False, halt=before + 0.4 * arc + 75.0)]
    stage.wrong = _folded


def _folded(driven: TruckDrive) -> str:
    """Whether a joint folds."""
    return "a joint folds" if driven.joints.size and np.abs(driven.joints).max() > FOLDED_RAD else ""
