"""Situation: a yard with docks, one of them free, between trailers that stand close."""

from __future__ import annotations

from math import cos, pi, radians, sin
from typing import TYPE_CHECKING

import numpy as np

from roadcraft.core.arrays import F64
from roadcraft.core.data.map import AreaKind
from roadcraft.core.data.places import PlaceKind, RoadPlace
from roadcraft.core.data.scenario import ObjectKind
from roadcraft.core.vehicles.geometry import length_of
from roadcraft.core.vehicles.vehicle import Vehicle
from roadcraft.scenario_io.synthetic.freight.driving.dock_legs import DockTask
from roadcraft.scenario_io.synthetic.freight.driving.dock_search import Goal, Yard

if TYPE_CHECKING:
    from roadcraft.scenario_io.synthetic.freight.stage import Stage

KINDS = {"alley": 0.5 * pi, "angled": 0.75 * pi, "straight": 0.5 * pi}
"""Kinds of docks: heading of a docked trailer; the yard's traffic goes to -x, with the docks on its left."""
GAP_M = 0.12
"""Gap at which the expert stands."""
VEHICLES = ("us_straight_26", "eu_4x2_13m6", "us_daycab_53", "us_sleeper_53")
"""Trucks that dock where none are named: vehicles with at most one trailer."""
_LEAST_APRON_M, _MOST_APRON_M, _LENGTHS = 25.0, 45.0, 1.5
_SIDES, _FACE_M, _FLOOR_M, _LIMIT_MPS = 3, 3.0, 1.2, 4.2
_ENDS_M = -60.0, 75.0


def dock_reverse(stage: Stage) -> None:
    rng, vehicle = stage.rng, stage.vehicle
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    heading, length, last = KINDS[kind], length_of(vehicle), vehicle.units[-1]
    least = max(_LEAST_APRON_M, _LENGTHS * length)
    apron = float(rng.uniform(least, max(_MOST_APRON_M, least)))
    ahead, across = np.array([cos(heading), sin(heading)]), np.array([sin(heading), -cos(heading)])
    trailers, faces = [], []
    docks = [np.zeros(2)]
    for side in (-1.0, 1.0):
        off = 0.0
        for k in range(_SIDES):
            off += last.width_m + float(rng.uniform(0.6, 1.0))
            dock = np.array([side * off / sin(heading), 0.0])
            docks.append(dock)
            if k == 0 or rng.random() < 0.7:
                at = dock + (GAP_M + 0.5 * last.length_m) * ahead
                trailers.append(np.array([*at, heading, last.length_m, last.width_m]))
    for dock in docks:
        faces.append(np.array([*(dock - 0.2 * ahead), heading, 0.4, _FACE_M]))
        pose = (float(dock[0]), float(dock[1]), heading)
        stage.scene.sketch.places.append(RoadPlace(PlaceKind.DOCK, value=_FLOOR_M, pose=pose))
    low = -0.05 - 0.5 * (last.width_m + 0.6) * abs(cos(heading))
    yard = Yard(np.array(trailers), np.array(faces), (*_ENDS_M, low, apron), (0.0, 0.0, heading))
    if kind == "straight":
        goal, speed = _before_the_dock(rng, apron, vehicle, ahead, across), 0.0
    else:
        noses = (GAP_M + last.length_m) * sin(heading) + 0.5 * last.width_m * abs(cos(heading))
        room = apron - noses - vehicle.body.width_m
        y = noses + 0.5 * vehicle.body.width_m + min(float(rng.uniform(0.8, 2.5)), 0.4 * room)
        goal, speed = Goal(float(rng.uniform(2.0, 12.0)), y, pi, 3.0), float(rng.uniform(1.0, 1.5))
    stage.dock = DockTask(kind, yard, goal, speed)
    for box in trailers:
        stage.scene.thing(ObjectKind.VEHICLE, box[:2], heading, box[3], box[4], last.height_m)
    for box in faces:
        stage.scene.thing(ObjectKind.BARRIER, box[:2], heading, box[3], box[4], 4.0)
    _lay_apron(stage, yard)


def _before_the_dock(rng: np.random.Generator, apron: float, vehicle: Vehicle, ahead: F64, across: F64) -> Goal:
    """A truck that stands before the dock, somewhat beside it and turned: less where it stands between the others."""
    out = apron - float(rng.uniform(1.5, 3.0)) - vehicle.body.front_m
    inside = GAP_M + vehicle.units[-1].length_m - (out + vehicle.body.front_m - length_of(vehicle))
    most = 0.15 if inside > 0.0 else 0.4
    at = out * ahead + most * float(rng.uniform(-1.0, 1.0)) * across
    turned = min(radians(2.0), 0.15 / max(inside, 0.01)) * float(rng.uniform(-1.0, 1.0))
    return Goal(float(at[0]), float(at[1]), 0.5 * pi + turned, -100.0, 1.6)


def _lay_apron(stage: Stage, yard: Yard) -> None:
    """The apron is one lane towards the docks, so that progress is what is made towards them."""
    (x0, x1, y0, y1), scene = yard.edge, stage.scene
    y = np.linspace(y1, y0, 40)
    left, middle, right = (np.stack([np.full(len(y), x), y], 1) for x in (x1, 0.0, x0))
    rows = scene.sketch.lanes([left, right], [middle], _LIMIT_MPS)
    scene.sketch.area(AreaKind.CARPARK, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))
    scene.find_routes()
    stage.own, stage.route = rows, scene.path_from(rows[0])
