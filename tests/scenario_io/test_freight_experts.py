"""Why experts of freight worlds find ways: roads that do not meet themselves, gaps that are there when they come, and
who is ahead of a plan rather than of one that waits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import shapely

from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.config import SynthConfig
from roadcraft.scenario_io.synthetic.freight.driving.script import told_by_plan
from roadcraft.scenario_io.synthetic.freight.play import _alone, _among, _clear
from roadcraft.scenario_io.synthetic.freight.situations.loop_ramp import CAR_LATERAL_MPS2, loop_ramp
from roadcraft.scenario_io.synthetic.freight.situations.ramps import on_ramp_merge
from roadcraft.scenario_io.synthetic.freight.stage import Stage, stage_of
from roadcraft.scenario_io.synthetic.synthesize import world_of


def staged(builder, seed: int, vehicle: str = "us_sleeper_53") -> Stage:
    stage = stage_of(np.random.default_rng(seed), load_vehicle(vehicle, load="loaded"))
    builder(stage)
    return stage


def test_a_loop_does_not_meet_the_road_that_leads_to_it() -> None:
    for seed in range(12):
        stage = staged(loop_ramp, seed)
        roads = [shapely.Polygon(s.ring).buffer(2.0) for s in stage.scene.sketch.segments]
        begins = np.array([p.begin for p in stage.pieces])
        order = [stage.pieces[k].segment for k in np.argsort(begins)]
        for i, j in itertools.combinations(range(len(order)), 2):
            if j > i + 1:
                assert not roads[order[i]].intersects(roads[order[j]]), seed


def test_a_loop_s_limit_lets_a_driver_make_the_mistake() -> None:
    for seed in range(12):
        stage = staged(loop_ramp, seed)
        hasty = stage.mistakes[0]
        bent = float(np.abs(hasty.course.curvature).max())
        assert hasty.cap.min() == pytest.approx(np.sqrt(CAR_LATERAL_MPS2 / bent), rel=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("vehicle", ["us_sleeper_53", "se_a_double"])
def test_there_is_a_gap_when_the_truck_comes_to_the_merge(vehicle: str, seed: int) -> None:
    """Whatever the engine makes of the grade on the way there."""
    stage = staged(on_ramp_merge, seed, vehicle)
    assert stage.ghost is not None
    frames = 2 * round(stage.seconds / 0.1) + 1
    motion = stage.scene.run(told_by_plan(stage.ghost.course, _alone(stage, stage.ghost), stage.vehicle, frames))
    plan = _among(stage, stage.experts[0], motion, _alone(stage, stage.experts[0]).s)
    assert _clear(stage, stage.experts[0], motion, plan)


def test_who_follows_into_a_roundabout_is_not_ahead() -> None:
    """Here ring traffic passes the line at which the truck may wait, once it is on its way around."""
    world = world_of(SynthConfig(suite="freight", seed=6, situations=("roundabout",)), 2)
    assert world.dropped == ()
    driven = world.played.expert
    assert driven.ego[:, 3].min() > 0.5, "it does not stand behind nobody"
