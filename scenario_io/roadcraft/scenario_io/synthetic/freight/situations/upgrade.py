"""Situation: a long upgrade that a loaded truck climbs slowly, behind one that is slower still."""

from __future__ import annotations

import numpy as np

from roadcraft.core.driving.motion.drivetrain import drivetrain_of
from roadcraft.core.vehicles.vehicle import GRAVITY_MPS2, Vehicle
from roadcraft.scenario_io.synthetic.freight.changes import hasty_changes
from roadcraft.scenario_io.synthetic.freight.driving.course import Surface
from roadcraft.scenario_io.synthetic.freight.driving.pace import ENGINE_SHARE, Manner
from roadcraft.scenario_io.synthetic.freight.populate import populate
from roadcraft.scenario_io.synthetic.freight.situations.highway import along_lane
from roadcraft.scenario_io.synthetic.freight.stage import Stage, lay_highway, put_truck
from roadcraft.scenario_io.synthetic.situations.grounds import winding


def upgrade_climb(stage: Stage) -> None:
    rng, scene = stage.rng, stage.scene
    rise, limit, lanes = float(rng.uniform(0.03, 0.07)), float(rng.uniform(25.0, 30.0)), int(rng.integers(2, 4))
    stage.surface = Surface(rise)
    speed = min(0.97 * crawl_speed(stage.vehicle, rise), 20.0)
    start = 420.0
    chain = winding(rng, start + 52.0 * speed + 500.0, 1 / 2000, calm=100.0)
    road = lay_highway(stage, chain, lanes, limit)
    lane = lanes - 1
    put_truck(stage, road, lane, start, speed, 44.0)
    leader = start + stage.vehicle.body.front_m + float(rng.uniform(4.5, 6.0)) * speed + 12.0
    slow = float(rng.uniform(0.75, 0.92)) * speed
    scene.driver(
        road.paths[lane], leader, slow, length=12.0, width=2.5, changes=0, noise=0.0, speed_factor=1.0, top_speed=slow
    )
    populate(stage, road.paths[:-1], 0.9, changes=False)
    along_lane(stage, road, lane, speed, Manner(headway=3.0), Manner())
    stage.mistakes = hasty_changes(stage, road, (lane, lane - 1), np.arange(9.5, 30.0, 0.5))
    stage.own = [p.segment for p in stage.pieces]


def crawl_speed(vehicle: Vehicle, rise: float) -> float:
    """Speed m/s that a truck keeps up a grade with the share of its power that a plan counts on."""
    d = drivetrain_of(vehicle)
    speeds = np.arange(2.0, 35.0, 0.1)
    climbing = rise / np.sqrt(1.0 + rise * rise)
    need = (d.mass * GRAVITY_MPS2 * (d.rolling + climbing) + d.drag * speeds**2) * speeds
    return float(speeds[np.flatnonzero(need <= ENGINE_SHARE * d.power)[-1]])
