"""pdm_closed against the plans that the reference stored, and its own contract."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest
import tiny_world

from roadcraft.core.arrays import Ragged
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.data.scenario import LightState, ObjectKind
from roadcraft.core.testing import PlannerConformance
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.pdm.config import PdmClosedConfig
from roadcraft.planners.pdm.route import corrected_route

DRIVES = [
    "closed_loop_nonreactive_agents.pdm_closed.6d2081228762481c",
    "closed_loop_nonreactive_agents.pdm_closed.960514ed2053286e",
    "closed_loop_nonreactive_agents.pdm_closed.f9bfeb6725332197",
    "closed_loop_reactive_agents.pdm_closed_r.9b59f56c35575686",
    "closed_loop_reactive_agents.pdm_closed_r.a6f7d800ddf9bf22",
]


@pytest.fixture(scope="module")
def source(shared):
    pytest.importorskip("pyogrio")
    from roadcraft.scenario_io.nuplan.source import NuplanSource

    return NuplanSource(shared / "golden" / "nuplan" / "logs", shared / "golden" / "nuplan" / "maps")


def observations(golden, map_data):
    changes, held = dict(golden["traffic_lights"]), []
    kinds = {t: int(ObjectKind[k.upper()]) for t, k in golden["object_types"].items()}
    route = Ragged.build([[int(r) for r in golden["route_roadblock_ids"]]])
    for step, row in enumerate(golden["ego"]):
        held = changes.get(step, held)
        seen = golden["objects"][step]
        n, ego = len(seen), np.array(row[1:11])
        values = np.array([[v or 0.0 for v in o[1:]] for o in seen]).reshape(n, 7)
        objects = Objects(
            np.array([0, n]),
            np.array([int(o[0], 16) for o in seen], np.uint64),
            np.array([kinds[o[0]] for o in seen], np.uint8),
            np.arange(n),
            np.zeros(n, np.uint8),
            np.ascontiguousarray(values[:, :5]),
            np.ascontiguousarray(values[:, 5:]),
        )
        states = np.array([int(LightState[s]) for _, s in held], np.uint8)
        lights = Lights(np.array([0, len(held)]), np.array([int(i) for i, _ in held], np.int64), states)
        yield ObservationBatch(
            (golden["token"],),
            np.array([step]),
            np.array([row[0]]),
            np.array([0.1]),
            np.tile(ego, (1, 22, 1)),
            np.full((1, 22), row[0]),
            np.ones((1, 22), bool),
            np.zeros((1, 0)),
            objects,
            lights,
            (map_data,),
            route,
            np.zeros((1, 3)),
            np.zeros(1, bool),
            load_vehicle(),
        )


@pytest.mark.parametrize("name", DRIVES)
def test_plans_equal_the_reference_s(shared, source, name):
    path = shared / "golden" / "nuplan" / "drives" / f"{name}.json.gz"
    golden = json.loads(gzip.decompress(path.read_bytes()))
    planner, state, keys = create("planner", "pdm_closed"), None, np.zeros(1, np.uint64)
    plans, compared = {step: np.array(p) for step, p in golden["plans"]}, 0
    for step, obs in enumerate(observations(golden, source.map(golden["log"]))):
        state = planner.start(obs, keys) if state is None else state
        plan, state = planner.plan(obs, state, keys)
        if step in plans:
            want = plans[step]
            assert np.array_equal(plan.time_us[0], want[:, 0])
            np.testing.assert_allclose(plan.states[0, 0, :, :2], want[:, 1:3], atol=1e-6, rtol=0)
            assert abs(np.sin(plan.states[0, 0, :, 2] - want[:, 3])).max() < 1e-6
            compared += 1
    assert compared == 15


class TestContract(PlannerConformance):
    name = "pdm_closed"


def test_results_do_not_depend_on_the_batch():
    traffic = tiny_world.make_map()
    drives = [tiny_world.make_drive(traffic, seed) for seed in range(4)]
    obs = tiny_world.observe(drives, traffic, [60, 100, 40, 80])
    planner, keys = create("planner", "pdm_closed"), np.zeros(4, np.uint64)
    start = planner.start(obs, keys)
    together, after = planner.plan(obs, start, keys)
    for b in (2, 0, 3, 1):
        alone = obs.select([b])
        fresh = create("planner", "pdm_closed")
        plan, state = fresh.plan(alone, fresh.start(alone, keys[:1]), keys[:1])
        assert np.array_equal(plan.states[0], together.states[b])
        assert plan.scores[0] == together.scores[b]
        assert np.array_equal(state[0].collided, after[b].collided)
    again, _ = planner.plan(obs, start, keys)
    assert np.array_equal(again.states, together.states)


def test_an_object_of_unknown_velocity_is_taken_to_stand():
    traffic = tiny_world.make_map()
    obs = tiny_world.observe([tiny_world.make_drive(traffic, 0)], traffic, [60])
    planner, keys, ego = create("planner", "pdm_closed"), np.zeros(1, np.uint64), obs.ego[0]
    box = obs.objects.box.copy()
    box[0] = [ego[0] + 20.0 * np.cos(ego[2]), ego[1] + 20.0 * np.sin(ego[2]), ego[2], 4.5, 2.0]
    plans = []
    for value in (np.nan, 0.0):
        velocity = obs.objects.velocity.copy()
        velocity[0] = value
        seen = replace(obs, objects=replace(obs.objects, box=box, velocity=velocity))
        plans.append(planner.plan(seen, planner.start(seen, keys), keys)[0])
    assert np.array_equal(plans[0].states, plans[1].states)
    assert plans[0].scores == plans[1].scores
    assert plans[0].states[0, 0, -1, 3] < 0.5  # it stops behind it


def test_it_drives_without_a_route_and_joins_one():
    traffic = tiny_world.make_map()
    drive = tiny_world.make_drive(traffic, 0)
    obs = tiny_world.observe([drive], traffic, [60])
    keys = np.zeros(1, np.uint64)
    for route in ([], [502], [999_999]):
        blind = ObservationBatch(**{**obs.__dict__, "route": Ragged.build([route])})
        planner = create("planner", "pdm_closed")
        plan, _ = planner.plan(blind, planner.start(blind, keys), keys)
        assert np.isfinite(plan.states).all()
        assert plan.states[0, 0, -1, 0] > plan.states[0, 0, 0, 0] + 5.0


def test_a_route_is_joined_backwards_and_linked():
    traffic = tiny_world.make_map()
    pose = np.array([tiny_world.START[0] + 50.0, tiny_world.START[1], 0.0])
    straight = traffic.block_rows(np.array(next(iter(tiny_world.ROUTES.values()))[1]))
    first, middle, last = (int(r) for r in straight)
    assert corrected_route(traffic, [first, middle, last], pose) == [first, middle, last]
    assert corrected_route(traffic, [last], pose) == [first, middle, last]
    assert corrected_route(traffic, [first, last], pose) == [first, middle, last]
    assert corrected_route(traffic, [], pose)[0] == first


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="proposal_steps"):
        PdmClosedConfig(proposal_steps=90)
    with pytest.raises(ValueError, match="radius_m"):
        PdmClosedConfig(radius_m=0.0)
