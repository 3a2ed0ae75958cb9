"""Situation: a structure over the road, with room below for the truck or without."""

from __future__ import annotations

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.route_places import height_under
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface, centered, course_along
from roadcraft.scenario_io.synthetic.freight.driving.pace import CAR_DRIVER, Manner
from roadcraft.scenario_io.synthetic.freight.driving.wheel import TruckDrive
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.stage import Intent, Stage, curve_cap, lay_highway, put_truck
from roadcraft.scenario_io.synthetic.situations.grounds import winding

ROOM_M = 0.1
"""Room that a truck wants above it."""
FITS = 0.25
"""Share of the worlds in which the truck fits."""
_HALF_M = 30.0  # half of the length of the sag


def low_bridge(stage: Stage) -> None:
    rng, scene, vehicle = stage.rng, stage.scene, stage.vehicle
    speed = float(rng.uniform(13.0, min(21.0, stage.top_speed)))
    lanes, start, radius = int(rng.integers(1, 3)), 120.0, float(rng.uniform(500.0, 3000.0))
    sign = start + float(rng.uniform(19.0, 24.0)) * speed
    low = sign + 12.0 + float(rng.uniform(20.0, 60.0))  # the lane under it begins behind the connectors at its sign
    need = height_under(vehicle, radius) + ROOM_M
    fits = rng.random() < FITS
    clearance = need + float(rng.uniform(0.02, 0.4)) if fits else float(rng.uniform(3.4, min(4.3, need - 0.02)))
    chain = winding(rng, sign + 26.0 * speed + 300.0, 1 / 2000, calm=100.0)

    def sagging(s: F64) -> F64:
        """Down to the middle of the structure and up again."""
        off = np.asarray(s) - low - 8.0
        return np.clip(off, -_HALF_M, _HALF_M) / radius * np.clip(4.0 - np.abs(off) / _HALF_M, 0.0, 1.0)

    stage.surface = Surface(sagging)
    road = lay_highway(stage, chain, lanes, max(1.1 * speed, 15.6), sign)
    lane = int(rng.integers(lanes))
    put_truck(stage, road, lane, start, speed, 46.0)
    under = [p for p in stage.pieces if p.begin == sign + 12.0]
    for piece in under:
        span = (low - piece.begin, low - piece.begin + 16.0)
        scene.sketch.places.append(RoadPlace(PlaceKind.CLEARANCE, piece.segment, span, clearance, radius))
    populate(stage, road.paths, 0.85, ahead=220.0)
    stage.own = list(scene.paths[stage.route].route.segments)
    kept = course_along(chain, centered(chain, road.middle(lane), vehicle), stage.surface)
    cap = curve_cap(kept, stage.threshold, 0.4, speed)
    middle = course_along(chain, road.middle(lane), stage.surface)
    steady, gate, front = np.full(len(middle.s), speed), kept.arc(sign), vehicle.body.front_m
    stage.experts = [Intent(kept, cap, Manner(decel=1.1), halt=np.inf if fits else sign)]
    stage.mistakes = [Intent(middle, steady, CAR_DRIVER, halt=start + 12.0 * speed if fits else np.inf)]

    def wrong(driven: TruckDrive) -> str:
        beyond = driven.s[-1] + front > gate
        if fits:
            return "" if beyond else "stops before a structure that it fits under"
        stands = abs(float(driven.ego[-1, Ego.VX])) < 0.05
        return "drives under a structure that is too low" if beyond else "" if stands else "does not stand before it"

    stage.wrong = wrong
