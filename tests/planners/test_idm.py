"""The IDM planner: golden plans, its slow twin, batches, and routes that lead nowhere."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import Polylines, Ragged, offsets_of
from roadcraft.core.config.factory import create
from roadcraft.core.data.map import MapData
from roadcraft.core.data.rollout import Lights, Objects, ObservationBatch
from roadcraft.core.data.scenario import LightState, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.core.vehicles.vehicle import load_vehicle
from roadcraft.planners.idm import planner as idm
from roadcraft.planners.idm.config import IdmConfig
from roadcraft.scenario_io.nuplan import NuplanSource

KEYS = np.zeros(0, np.uint64)


@pytest.fixture(scope="module")
def maps(shared: Path):
    source = NuplanSource(shared / "golden" / "nuplan" / "logs", shared / "golden" / "nuplan" / "maps")
    return source.map


@pytest.fixture(scope="module")
def golden(shared: Path, maps):
    def load(pattern: str) -> list[tuple[dict[str, Any], MapData]]:
        paths = sorted((shared / "golden" / "nuplan" / "drives").glob(pattern))
        drives = [json.loads(gzip.decompress(p.read_bytes())) for p in paths]
        return [(d, maps(d["log"])) for d in drives]

    return load


def observe(pairs: list[tuple[dict[str, Any], MapData]], i: int) -> ObservationBatch:
    """What the reference's planner saw at step i of each drive."""
    frames = [d["objects"][i] for d, _ in pairs]
    rows = [row for frame in frames for row in frame]
    kinds = [d["object_types"][row[0]] for (d, _), frame in zip(pairs, frames, strict=True) for row in frame]
    lights = [[e for step, e in d["traffic_lights"] if step <= i][-1] for d, _ in pairs]
    n, r = len(pairs), len(rows)
    return ObservationBatch(
        token=tuple(d["token"] for d, _ in pairs),
        iteration=np.full(n, i),
        time_us=np.array([d["ego"][i][0] for d, _ in pairs], np.int64),
        interval_s=np.full(n, 0.1),
        ego_past=np.array([[d["ego"][i][1:11]] for d, _ in pairs], float),
        ego_past_us=np.zeros((n, 1), np.int64),
        ego_past_valid=np.ones((n, 1), bool),
        joints=np.zeros((n, 0)),
        objects=Objects(
            offsets_of([len(f) for f in frames]),
            np.array([int(row[0], 16) for row in rows], np.uint64),
            np.array([ObjectKind[k.upper()] for k in kinds], np.uint8),
            np.arange(r, dtype=np.int64),
            np.zeros(r, np.uint8),
            np.array([row[1:6] for row in rows], float).reshape(-1, 5),
            np.array([[v or 0.0 for v in row[6:8]] for row in rows], float).reshape(-1, 2),
        ),
        lights=Lights(
            offsets_of([len(e) for e in lights]),
            np.array([int(lane) for e in lights for lane, _ in e], np.int64),
            np.array([LightState[s] for e in lights for _, s in e], np.uint8),
        ),
        maps=tuple(m for _, m in pairs),
        route=Ragged.build([[int(b) for b in d["route_roadblock_ids"]] for d, _ in pairs]),
        goal=np.zeros((n, 3)),
        has_goal=np.zeros(n, bool),
        vehicle=load_vehicle("pacifica"),
    )


def test_plans_are_the_golden_ones(golden) -> None:
    """All thirteen drives of the reference's IDM planner, each stored plan."""
    pairs = golden("*.idm*.*")
    assert len(pairs) == 13
    planner, worst = create("planner", "idm"), 0.0
    state = planner.start(observe(pairs, 0), KEYS)
    for i in range(0, 149, 10):
        plan, state = planner.plan(observe(pairs, i), state, KEYS)
        for b, (d, _) in enumerate(pairs):
            want = np.array(dict(d["plans"])[i], float)
            off = np.abs(plan.states[b, 0, :, :4] - want[:, 1:])
            off[:, 2] = np.abs((off[:, 2] + np.pi) % (2 * np.pi) - np.pi)
            worst = max(worst, float(off.max()))
            assert (plan.time_us[b] == want[:, 0]).all()
    assert worst < 1e-6
    assert sum(s.exact for s in state) < 5


def test_the_kernel_plans_as_geos_does(golden, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = golden("*nonreactive*.idm.*")
    planner, fast = create("planner", "idm"), idm.plan_batch
    state = planner.start(observe(pairs, 0), KEYS)

    def all_left_open(*args: Any) -> np.ndarray:
        return np.zeros_like(fast(*args))  # red lanes are found all the same

    for i in range(5, 149, 24):
        obs = observe(pairs, i)
        # Full width of the lane blocked, and everybody a little nearer: decisions the drives themselves do not hold.
        obs.objects.box[::3, :2] += 0.35 * (obs.ego[0, :2] - obs.objects.box[::3, :2]) % 7.0
        quick, _ = planner.plan(obs, state, KEYS)
        monkeypatch.setattr(idm, "plan_batch", all_left_open)
        slow, after = planner.plan(obs, state, KEYS)
        monkeypatch.setattr(idm, "plan_batch", fast)
        assert all(s.exact == t.exact + 1 for s, t in zip(after, state, strict=True))
        np.testing.assert_allclose(quick.states, slow.states, rtol=0, atol=1e-5)


def test_results_do_not_depend_on_the_batch(golden) -> None:
    pairs = golden("*.idm_r.*")
    planner, obs = create("planner", "idm"), observe(pairs, 30)
    state = planner.start(observe(pairs, 0), KEYS)
    whole, _ = planner.plan(obs, state, KEYS)
    for b in range(len(pairs)):
        alone = planner.start(observe(pairs, 0).select([b]), KEYS)
        plan, _ = planner.plan(obs.select([b]), alone, KEYS)
        assert plan.states[0].tobytes() == whole.states[b].tobytes()


def tiny(tiny_world, seed: int = 0, frame: int = 40) -> ObservationBatch:
    m = tiny_world.make_map()
    return tiny_world.observe([tiny_world.make_drive(m, seed)], m, [frame])


def test_it_stops_behind_what_blocks_its_lane(tiny_world) -> None:
    obs = tiny(tiny_world)
    planner = create("planner", "idm")
    state = planner.start(obs, KEYS)
    ego, ahead = obs.ego[0], obs.ego[0].copy()
    ahead[:2] += 20.0 * np.array([np.cos(ego[2]), np.sin(ego[2])])
    wall = replace(obs.objects, box=obs.objects.box.copy(), velocity=np.zeros_like(obs.objects.velocity))
    wall.box[0] = [*ahead[:3], 0.5, 8.0]
    plan, _ = planner.plan(replace(obs, objects=wall), state, KEYS)
    gone = np.hypot(*(plan.states[0, 0, :, :2] - plan.states[0, 0, 0, :2]).T)
    assert gone[-1] < 20.0
    assert plan.states[0, 0, -1, 3] < 0.5


def test_an_object_of_unknown_speed_is_braked_for(tiny_world) -> None:
    obs = tiny(tiny_world)
    unknown = replace(obs.objects, velocity=np.full_like(obs.objects.velocity, np.nan))
    planner = create("planner", "idm")
    state = planner.start(obs, KEYS)
    plan, _ = planner.plan(replace(obs, objects=unknown), state, KEYS)
    seen, _ = planner.plan(obs, state, KEYS)
    assert np.isfinite(plan.states).all()
    assert plan.states[0, 0, -1, 3] <= seen.states[0, 0, -1, 3]


def test_a_batch_of_none_has_no_plans(tiny_world) -> None:
    obs = tiny(tiny_world).select([])
    plan, state = create("planner", "idm").plan(obs, [], KEYS[:0])
    assert (len(plan.states), state) == (0, [])


def test_off_the_route_the_nearest_lane_is_taken(tiny_world) -> None:
    obs = tiny(tiny_world)
    past = obs.ego_past.copy()
    past[..., 1] -= 40.0
    planner = create("planner", "idm")
    plan, _ = planner.plan(obs, planner.start(replace(obs, ego_past=past), KEYS), KEYS)
    assert np.isfinite(plan.states).all()


def test_a_route_of_one_block_is_driven_to_its_end(tiny_world) -> None:
    obs = tiny(tiny_world)
    planner = create("planner", "idm")
    one = replace(obs, route=Ragged.build([obs.route[0][:1]]))
    plan, _ = planner.plan(one, planner.start(one, KEYS), KEYS)
    assert np.isfinite(plan.states).all()


def test_routes_that_lead_nowhere_are_told(tiny_world) -> None:
    obs = tiny(tiny_world)
    planner = create("planner", "idm")
    with pytest.raises(DataError, match="needs a route"):
        planner.start(replace(obs, route=Ragged.build([[]])), KEYS)
    with pytest.raises(DataError, match="needs a route"):
        planner.start(replace(obs, route=Ragged.build([[987654321]])), KEYS)
    m = obs.maps[0]
    bare = replace(m, lanes=replace(m.lanes, centerlines=Polylines.build([np.zeros((1, 2))] * len(m.lanes))))
    with pytest.raises(DataError, match="no center lines"):
        planner.start(replace(obs, maps=(bare,)), KEYS)


def test_wrong_settings_are_told() -> None:
    with pytest.raises(ValueError, match="min_gap_m"):
        IdmConfig(min_gap_m=0.0)
    with pytest.raises(ValueError, match="poses"):
        IdmConfig(poses=0)
