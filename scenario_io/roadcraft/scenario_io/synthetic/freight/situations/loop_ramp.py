"""Situation: a loop ramp, taken too fast by who brakes by a car's comfort."""

from __future__ import annotations

import numpy as np

from roadcraft.core.driving.motion.chain import chain_of
from roadcraft.core.driving.motion.closed_forms import steady_circle
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface, centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap, lay_way
from roadcraft.scenario_io.synthetic.roads.chain import Chain
from roadcraft.scenario_io.synthetic.roads.curves import bends, smoothstep

CAR_LATERAL_MPS2 = 4.89
"""What nuPlan's comfort metric allows."""
AWAY_M, STRAIGHT_RAD = 400.0, np.radians(172.0)
"""Radius of the bend after a loop that turns farther than this, by which it leads away again."""


def loop_ramp(stage: Stage) -> None:
    rng, scene, vehicle = stage.rng, stage.scene, stage.vehicle
    radius, turned = float(rng.uniform(30.0, 90.0)), float(np.radians(rng.uniform(150.0, 200.0)))
    bank, grade = float(rng.uniform(0.02, 0.08)), float(rng.uniform(-0.05, 0.03))
    before, spiral = float(rng.uniform(430.0, 490.0)), float(rng.uniform(0.5, 0.8)) * radius
    away = AWAY_M * max(turned - STRAIGHT_RAD, 0.0)  # bends back, so that it does not meet the road that leads to it
    pieces = [(before, 0.0), (radius * turned, -1.0 / radius), (30.0, 0.0), (away, 1.0 / AWAY_M), (420.0 - away, 0.0)]
    points, heading = bends([p for p in pieces if p[0] > 1.0], ramp=spiral)
    chain = Chain(points, heading)
    width = max(4.6, design_width(radius) + 0.9)
    hasty = float(np.sqrt(CAR_LATERAL_MPS2 * radius))  # a limit below it would keep everybody from the mistake
    limit = float(rng.choice([x for x in (20.1, 22.4, 24.6) if 0.95 * x > hasty]))
    loop = before, before + radius * turned

    def tilted(s: np.ndarray) -> np.ndarray:
        up = smoothstep((np.asarray(s) - loop[0] + 0.5 * spiral) / spiral)
        return -bank * up * (1.0 - smoothstep((np.asarray(s) - loop[1] + 0.5 * spiral) / spiral))

    def sloped(s: np.ndarray) -> np.ndarray:
        return grade * smoothstep((np.asarray(s) - loop[0] + 60.0) / 60.0)

    stage.surface = Surface(sloped, tilted)
    rows = lay_way(stage, chain, (0.5 * width, -0.5 * width), (1.2, 2.4), (before - 150.0, loop[1] + 60.0), limit)
    scene.find_routes()
    stage.own = [p.segment for p in stage.pieces]
    stage.start, stage.seconds = (90.0, 0.9 * limit), 48.0
    stage.route = scene.path_from(rows[0][0])
    populate(stage, [stage.route], 0.85, ahead=300.0)  # nobody slow is met before the loop
    kept = course_along(chain, centered(chain, 0.0, vehicle), stage.surface)
    middle = course_along(chain, 0.0, stage.surface)
    cap = curve_cap(kept, stage.threshold, 0.42, 0.95 * limit)
    stage.experts = [Intent(kept, cap, Manner(decel=0.9), lane=middle)]
    fast = np.sqrt(CAR_LATERAL_MPS2 / np.maximum(np.abs(middle.curvature), 1e-6))
    stage.mistakes = [Intent(middle, np.minimum(fast, 0.95 * limit), CAR_DRIVER)]


def design_width(radius: float) -> float:
    """What the longest semitrailer of US highways sweeps on a circle, m: lanes of ramps are laid out for it."""
    design = load_vehicle("us_sleeper_53")
    circle = steady_circle(chain_of(design), float(np.arctan(design.body.wheel_base_m / radius)))
    assert circle is not None
    return circle.swept_m
