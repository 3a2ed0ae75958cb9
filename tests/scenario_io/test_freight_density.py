"""How dense the traffic of freight worlds is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from freight_worlds import freight_world

from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.scenario_io.synthetic.freight.density import density_of
from roadcraft.scenario_io.synthetic.freight.populate import lay_traffic, populate
from roadcraft.scenario_io.synthetic.freight.stage import lay_highway, put_truck, stage_of
from roadcraft.scenario_io.synthetic.freight.world import BUILDERS
from roadcraft.scenario_io.synthetic.recording.tags import WARM_UP
from roadcraft.scenario_io.synthetic.situations.grounds import winding
from roadcraft.scenario_io.synthetic.traffic.drivers import FRONT, REAR, SPAWN, S


def test_what_stands_on_the_lanes_is_counted() -> None:
    """Two lanes: 12 vehicles, two of them trucks, beside what is in a queue, comes later, or is the truck itself."""
    rng = np.random.default_rng(3)
    stage = stage_of(rng, load_vehicle("us_sleeper_53", load="loaded"))
    road = lay_highway(stage, winding(rng, 2000.0, 1 / 2000, calm=100.0), 2, 25.0)
    put_truck(stage, road, 1, 120.0, 20.0, 40.0)
    assert density_of(stage) is None, "nothing is populated"
    stage.populated += road.paths
    assert density_of(stage) == (0.0, 0.0)
    for k in range(12):
        stage.scene.driver(road.paths[k % 2], 100.0 + 60.0 * k, 20.0, length=12.0 if k < 2 else 4.5)
    stage.scene.driver(road.paths[0], 1700.0, 0.0, spawn=-1.0)
    stage.scene.driver(road.paths[0], 4.0, 20.0, spawn=10.0)
    found = density_of(stage)
    assert found is not None
    assert found.per_km == pytest.approx(12.0 / (2.0 * 1.988), rel=1e-3), "without the connectors between two pieces"
    assert found.trucks == pytest.approx(2.0 / 12.0)


def test_a_queue_and_its_stretch_do_not_count() -> None:
    rng = np.random.default_rng(3)
    stage = stage_of(rng, load_vehicle("us_sleeper_53", load="loaded"))
    road = lay_highway(stage, winding(rng, 2000.0, 1 / 2000, calm=100.0), 1, 25.0)
    stage.populated += road.paths
    for k in range(10):
        stage.scene.driver(road.paths[0], 1200.0 + 40.0 * k, 0.0, spawn=-1.0, length=10.0)
        stage.scene.driver(road.paths[0], 100.0 + 50.0 * k, 20.0)
    found = density_of(stage)
    assert found is not None
    assert found.per_km == pytest.approx(10.0 / (1.988 - 0.37), rel=1e-3)


@pytest.mark.parametrize("situation", [s for s in BUILDERS if s != "dock_reverse"])
def test_every_draw_is_as_dense_as_is_said(situation: str) -> None:
    """8 to 25 vehicles per km and lane, 5 to 30 % of them trucks, in whatever is drawn."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        stage = stage_of(rng, load_vehicle("us_sleeper_53", load="loaded"))
        BUILDERS[situation](stage)
        found = density_of(stage)
        assert found is not None
        assert 8.0 <= found.per_km <= 25.0
        assert 0.05 <= found.trucks <= 0.3


def test_nobody_begins_within_another() -> None:
    rng = np.random.default_rng(6)
    stage = stage_of(rng, load_vehicle("us_sleeper_53", load="loaded"))
    road = lay_highway(stage, winding(rng, 2000.0, 1 / 2000, calm=100.0), 2, 25.0)
    stage.scene.reserve(stage.scene.paths[road.paths[1]], 300.0, 50.0, 150.0)
    lay_traffic(stage, road.paths, 0.9, inflow=False)
    scene = stage.scene
    for path in road.paths:
        rows = [k for k, p in enumerate(scene.path_of) if p == path and scene.consts[k][SPAWN] == 0.0]
        spans = sorted(
            (scene.states[k][S] - scene.consts[k][REAR], scene.states[k][S] + scene.consts[k][FRONT]) for k in rows
        )
        assert len(spans) > 5
        assert all(b[0] - a[1] > 16.0 for a, b in itertools.pairwise(spans))
        if path == road.paths[1]:
            assert all(high < 250.0 or low > 450.0 for low, high in spans)


def test_denser_traffic_is_denser() -> None:
    found = []
    for traffic in (0.6, 1.0):
        rng = np.random.default_rng(4)
        stage = stage_of(rng, load_vehicle("us_sleeper_53", load="loaded"), traffic)
        road = lay_highway(stage, winding(rng, 2000.0, 1 / 2000, calm=100.0), 3, 25.0)
        put_truck(stage, road, 1, 120.0, 20.0, 40.0)
        populate(stage, road.paths, 0.85)
        found.append(density_of(stage))
    assert 0.0 < found[0].per_km < found[1].per_km


@pytest.mark.parametrize("situation", ["lane_drop", "on_ramp_merge", "cut_in_hard_brake"])
def test_worlds_hold_as_many_as_is_said(situation: str) -> None:
    """8 to 25 vehicles per km and lane, and the traffic that is played begins with those that are counted."""
    w = freight_world(situation)
    found = density_of(w.stage)
    assert found is not None
    assert 8.0 <= found.per_km <= 25.0
    assert 0.05 <= found.trucks <= 0.3
    laid = sum(c[SPAWN] == 0.0 for c in w.stage.scene.consts[1:])
    active = int(w.played.motion.active[WARM_UP, 1 : len(w.stage.scene.consts)].sum())
    assert active >= 0.8 * laid
