"""Agent policies: every object of the golden drives, independence of the batch, and the reactive agents' slow twin."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest
import shapely

from roadcraft.core.arrays import to_arrays
from roadcraft.core.config.factory import create
from roadcraft.core.data.scenario import LightState, ObjectKind, Scenario
from roadcraft.core.driving.geometry.arc_path import clamp_progress, rest_of_rail
from roadcraft.core.driving.geometry.corridor import exact_corridor, unfolded_span
from roadcraft.core.driving.held import Held
from roadcraft.core.vehicles.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.nuplan import NuplanSource
from roadcraft.validation.agents import idm
from roadcraft.validation.agents.agent_batch import BEGINS, DONE, EGO, FREE, STILL
from roadcraft.validation.agents.configs import IdmAgentsConfig
from roadcraft.validation.agents.ego_units import place_ego, room_for_ego
from roadcraft.validation.agents.idm_exact import ExactInput, exact_leads
from roadcraft.validation.agents.idm_lead import Scene, World, find_lead, unfolded_way
from roadcraft.validation.agents.idm_step import memory_of
from roadcraft.validation.agents.rails import room_of
from roadcraft.validation.agents.way import Way

PACIFICA = load_vehicle("pacifica")
KEYS = np.zeros(0, np.uint64)


@dataclass
class Seen:
    """As much of an observation as agents look at."""

    iteration: np.ndarray
    ego: np.ndarray
    vehicle: Vehicle = PACIFICA
    joints: np.ndarray | None = None


@pytest.fixture(scope="module")
def golden(shared: Path):
    """``golden(pattern)``: the drives whose file names match, and their scenarios from the logs."""
    folder = shared / "golden" / "nuplan"
    source, drives = NuplanSource(folder / "logs", folder / "maps"), {}

    def load(pattern: str) -> list[tuple[dict[str, Any], Scenario]]:
        out = []
        for path in sorted((folder / "drives").glob(pattern)):
            d = json.loads(gzip.decompress(path.read_bytes()))
            log = drives.setdefault(d["log"], source.drive(d["log"]))
            first, last = np.searchsorted(log.time_us, [d["expert"][0][0], d["expert"][-1][0]])
            s = Scenario(d["token"], d["scenario_type"], (), "", log, source.map(d["log"]), int(first), int(last), 2)
            out.append((d, s))
        return out

    return load


def egos_of(drive: dict[str, Any]) -> np.ndarray:
    return np.array([row[1:11] for row in drive["ego"]], float)


def compare(objects, b: int, rows: list[Any]) -> float:
    """Largest difference of one scenario's boxes from the golden ones; ids, order and kinds must agree."""
    r = objects.rows(b)
    assert [f"{int(i):016x}" for i in objects.id[r]] == [row[0] for row in rows]
    want = np.array([row[1:6] for row in rows], float).reshape(-1, 5)
    off = np.abs(want - objects.box[r])
    off[:, 2] = np.abs((off[:, 2] + np.pi) % (2 * np.pi) - np.pi)
    speed = np.array([[v or 0.0 for v in row[6:8]] for row in rows], float).reshape(-1, 2)
    assert np.abs(speed - objects.velocity[r]).max(initial=0.0) < 1e-6
    return float(off.max(initial=0.0))


def test_logged_agents_are_the_golden_ones(golden) -> None:
    pairs = golden("closed_loop_nonreactive_agents.*log_future*")
    policy, scenarios = create("agents", "log"), [s for _, s in pairs]
    state, objects = policy.start(scenarios, PACIFICA, KEYS)
    for i in range(149):
        assert max(compare(objects, b, d["objects"][i]) for b, (d, _) in enumerate(pairs)) == 0.0
        seen = Seen(np.full(len(pairs), i), np.zeros((len(pairs), 10)))
        if i + 1 < 149:
            state, objects = policy.step(scenarios, seen, state, KEYS)


def test_reactive_agents_are_the_golden_ones(golden) -> None:
    """All reactive drives, ego as the reference drove it."""
    pairs = golden("closed_loop_reactive_agents.*")
    assert len(pairs) == 27
    policy, scenarios = create("agents", "idm"), [s for _, s in pairs]
    egos = [egos_of(d) for d, _ in pairs]
    state, objects = policy.start(scenarios, PACIFICA, KEYS)
    worst = 0.0
    for i in range(149):
        worst = max(worst, *(compare(objects, b, d["objects"][i]) for b, (d, _) in enumerate(pairs)))
        if i + 1 < 149:
            seen = Seen(np.full(len(pairs), i), np.stack([e[i] for e in egos]))
            state, objects = policy.step(scenarios, seen, state, KEYS)
    assert worst < 1e-6


def exact_lead(world: World, scene: Scene, a: int) -> tuple[int, float]:
    """The slow twin: lead (an agent's row, or FREE, STILL, EGO - u) of agent ``a`` and the gap to it, from buffers and
    a search tree of everything, as the reference builds them."""
    agents, size, low = world.agents, world.constants.size, int(world.agents.rail_low[a])
    count = int(agents.rail_count[a])
    progress, points, heading = (v[low : low + count] for v in world.rails[1:4])
    rest, unused = np.empty((count + 1, 2)), np.empty(count + 1)
    now = clamp_progress(progress, count, agents.progress[a])
    n = rest_of_rail(progress, points, heading, count, now, rest, unused)
    path = exact_corridor(rest[:n], 0.5 * size[a, 1])

    def footprint(e: int) -> Any:
        box, feet = shapely.Polygon(agents.box_corners[e]), int(agents.foot_count[e])
        if feet < 2:
            return box
        return shapely.union(exact_corridor(agents.foot_points[e, :feet], 0.5 * size[e, 1]), box)

    shapes = {e: footprint(e) for e in range(scene.low, scene.high) if agents.alive[e] and e != a}
    shapes |= {EGO - u: shapely.Polygon(c) for u, c in enumerate(scene.ego_corners)}
    still = [shapely.Polygon(c) for c in world.constants.corners[slice(*scene.objects)]]
    lights = slice(*scene.lights)
    lanes = world.constants.light_lane[lights][world.constants.light_state[lights] == LightState.RED]
    route = agents.route[a, : agents.route_length[a]]
    roads = world.roads
    stops = {int(i) for r in route if r in lanes for i in roads.stop_values[slice(*roads.stop_offsets[r : r + 2])]}
    for row in stops:
        cuts = roads.area_rings[roads.area_offsets[row] : roads.area_offsets[row + 1] + 1]
        rings = [roads.area_points[cuts[i] : cuts[i + 1]] for i in range(len(cuts) - 1)]
        still.append(shapely.Polygon(rings[0], rings[1:]))
    shapes |= {10**6 + k: shape for k, shape in enumerate(still)}
    met = {e: s for e, s in shapes.items() if s.intersects(path)}
    if not met:
        return FREE, 0.0
    own = footprint(a)
    nearest = list(met)[int(shapely.STRtree(list(met.values())).nearest(own))]
    return STILL if nearest >= 10**6 else nearest, float(own.distance(met[nearest]))


@pytest.mark.parametrize(
    ("name", "drives", "steps", "least"), [("pacifica", "[59]", 60, (1000, 100)), ("us_twins_28", "5", 60, (500, 60))]
)
def test_the_kernels_and_their_exact_decisions_find_the_lead_that_geos_finds(
    golden, monkeypatch, name: str, drives: str, steps: int, least: tuple[int, int]
) -> None:
    """Step for step in the busiest drives, for every agent as it stands before the step."""
    agreed, left_open, exact, leads = 0, 0, 0, Counter[int]()
    step_agents = idm.step_agents

    def both(agents: Held, before: Held, fixed: Held, ahead: int) -> int:
        nonlocal agreed, left_open, exact
        turns, world = fixed.turns, World(agents.fields, fixed.rails, fixed.constants, fixed.roads)
        if ahead and turns.status[0] == BEGINS:
            moment = fixed.moment
            units = room_for_ego(1, len(fixed.chain.hitch))
            place_ego(moment.ego, moment.joints, fixed.chain, units)
            frame = int(moment.iteration[0]) + 1
            objects, lights = (tuple(low[frame : frame + 2].tolist()) for low in world.constants[2:4])
            ego = tuple(v[0] for v in units)
            scene = Scene(0, len(world.agents.alive), *ego, objects, lights, 0, 0, 0.1)
            found, scratch, _ = memory_of(world, turns.candidates.shape[1])
            for a in np.flatnonzero(world.agents.alive):
                lead, gap = exact_lead(world, scene, int(a))
                leads[lead] += 1
                status, sure, far, count = find_lead(world, scene, int(a), found, scratch)
                if status == DONE:
                    # GEOS may drop an end segment shorter than a thousandth of the half width
                    assert (sure, far) == (lead, pytest.approx(gap, abs=1e-4))
                    agreed += 1
                else:
                    left_open += 1
                asked = turns._replace(agent=np.array([a]), lead=np.zeros(1, np.int64), gap=np.array([far]))
                asked = asked._replace(count=np.array([count]))
                asked.candidates[0, :count], asked.bounds[0, :count] = found.which[:count], found.bound[:count]
                if status != DONE or a % 5 == 0:
                    exact_leads(world, ExactInput(moment.iteration, units), asked, np.zeros(1, np.int64))
                    if status != DONE or lead != FREE:
                        assert (asked.lead[0], asked.gap[0]) == (lead, gap)
                        exact += 1
        return step_agents(agents, before, fixed, ahead)

    monkeypatch.setattr(idm, "step_agents", both)
    policy = create("agents", "idm")
    vehicle, rng = load_vehicle(name), np.random.default_rng(0)
    for d, s in golden(f"closed_loop_reactive_agents.idm_r.{drives}*"):
        state, _ = policy.start([s], vehicle, KEYS)
        egos = egos_of(d)
        for i in range(steps):
            joints = rng.uniform(-1.0, 1.0, (1, vehicle.joints))
            state, _ = policy.step([s], Seen(np.array([i]), egos[i : i + 1], vehicle, joints), state, KEYS)
    assert agreed > least[0]
    assert left_open < 0.1 * agreed
    assert exact > least[1]
    assert any(leads[EGO - u] for u in range(1, 4)) if vehicle.joints else leads[EGO]


def test_the_ends_of_a_way_are_folded_as_those_of_its_whole_path() -> None:
    """Whatever part of the path is looked at: short and long ones, with sharp bends and very short segments."""
    rng, rest, folded = np.random.default_rng(5), np.empty((80, 2)), 0
    for _ in range(2000):
        count = int(rng.integers(2, 40))
        heading = np.cumsum(rng.normal(0.0, rng.choice([0.01, 0.3, 1.0]), count))
        step = rng.uniform(0.0, rng.choice([0.2, 1.0, 3.0]), (count, 1))
        points = np.cumsum(np.c_[np.cos(heading), np.sin(heading)] * step, axis=0)
        segment, head, unused = int(rng.integers(count - 1)), np.zeros((3, 2)), np.zeros((1, 5))
        head[0] = points[segment] + rng.uniform(0.0, 1.0) * (points[segment + 1] - points[segment])
        whole = np.concatenate([head[:1], points[segment + 1 :]])
        half = float(rng.uniform(0.3, 1.5))
        way = Way(points, count, segment, half, head, unused, np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4))
        low, high = unfolded_span(whole, len(whole), half)
        part = unfolded_way(way, rest, np.zeros((3, 2)))
        assert (part.segment, part.count) == (segment + low, segment + high + 1)
        shown = min(3, len(whole) - low)
        assert part.head[:shown].tolist() == whole[low : low + shown].tolist()
        folded += low > 0 or high < len(whole) - 1
    assert 200 < folded < 1800


def test_results_do_not_depend_on_the_batch_and_states_are_never_changed(golden) -> None:
    pairs = golden("closed_loop_reactive_agents.speeder_r.*")
    policy, scenarios = create("agents", "idm"), [s for _, s in pairs]
    egos = np.stack([egos_of(d)[:20] for d, _ in pairs])
    together, _ = policy.start(scenarios, PACIFICA, KEYS)
    alone = [policy.start([s], PACIFICA, KEYS)[0] for s in scenarios]
    for i in range(19):
        before = [[a.copy() for a in s.agents] for s in together]
        after, objects = policy.step(scenarios, Seen(np.full(len(pairs), i), egos[:, i]), together, KEYS)
        for s, kept in zip(together, before, strict=True):
            assert all((a == b).all() for a, b in zip(s.agents, kept, strict=True))
        for b, s in enumerate(scenarios):
            alone[b], single = policy.step([s], Seen(np.array([i]), egos[b : b + 1, i]), alone[b], KEYS)
            assert single.box.tobytes() == objects.box[objects.rows(b)].tobytes()
        together = after


def test_scenarios_leave_a_batch_and_join_another(golden) -> None:
    """As when some end earlier, or an environment begins anew: each goes on as if it were alone."""
    pairs = golden("closed_loop_reactive_agents.speeder_r.*")[:3]
    policy, scenarios = create("agents", "idm"), [s for _, s in pairs]
    egos = np.stack([egos_of(d)[:40] for d, _ in pairs])
    alone = [policy.start([s], PACIFICA, KEYS)[0] for s in scenarios]
    mixed, _ = policy.start(scenarios, PACIFICA, KEYS)
    at = np.zeros(3, np.int64)
    for turn in range(30):
        who = [[0, 1, 2], [2, 0], [1], [2, 1, 0]][turn % 4]
        if turn == 9:
            (mixed[1],), _ = policy.start([scenarios[1]], PACIFICA, KEYS)
            alone[1], at[1] = policy.start([scenarios[1]], PACIFICA, KEYS)[0], 0
        seen = Seen(at[who], egos[who, at[who]])
        after, objects = policy.step([scenarios[b] for b in who], seen, [mixed[b] for b in who], KEYS)
        for k, b in enumerate(who):
            mixed[b] = after[k]
            alone[b], single = policy.step([scenarios[b]], Seen(at[b : b + 1], egos[b, at[b]][None]), alone[b], KEYS)
            assert single.box.tobytes() == objects.box[objects.rows(k)].tobytes()
            assert single.id.tolist() == objects.id[objects.rows(k)].tolist()
        at[who] += 1


def test_threads_may_step_the_same_states(golden, monkeypatch) -> None:
    """Both add rails to one store, so one of them at a time moves its agents."""
    pairs = golden("closed_loop_reactive_agents.speeder_r.*")
    policy, scenarios = create("agents", "idm"), [s for _, s in pairs]
    egos = np.stack([egos_of(d)[:30] for d, _ in pairs])
    first, _ = policy.start(scenarios, PACIFICA, KEYS)
    at_once, moving, step_agents = [], [], idm.step_agents

    def slowly(*args: Any) -> int:
        moving.append(1)
        sleep(0.001)
        at_once.append(len(moving))
        left = step_agents(*args)
        moving.pop()
        return left

    def run(_: int) -> list[bytes]:
        state, out = first, []
        for i in range(29):
            state, objects = policy.step(scenarios, Seen(np.full(len(pairs), i), egos[:, i]), state, KEYS)
            out.append(objects.box.tobytes())
        return out

    alone = run(0)
    monkeypatch.setattr(idm, "step_agents", slowly)
    with ThreadPoolExecutor(4) as pool:
        assert all(together == alone for together in pool.map(run, range(4)))
    assert set(at_once) == {1}


def test_a_batch_of_none() -> None:
    for name in ("log", "idm"):
        state, objects = create("agents", name).start([], PACIFICA, KEYS)
        assert (state, len(objects)) == ([], 0)


def tiny_scenario(tiny_world, **changes: Any) -> Scenario:
    m = tiny_world.make_map()
    drive = replace(tiny_world.make_drive(m), **changes)
    return Scenario("0" * 16, "unknown", (), "", drive, m, 40, 240, 2)


def test_maps_without_junction_areas_and_cars_off_the_lanes(tiny_world) -> None:
    s = tiny_scenario(tiny_world)
    policy = create("agents", "idm")
    state, objects = policy.start([s], PACIFICA, KEYS)
    cars = objects.kind == ObjectKind.VEHICLE
    assert 0 < cars.sum() <= 2
    assert (objects.kind != ObjectKind.BICYCLE).all()
    away = s.drive.objects.box.copy()
    away[:, 1] += 1000.0
    lost = tiny_scenario(tiny_world, objects=replace(s.drive.objects, box=away))
    state, objects = policy.start([lost], PACIFICA, KEYS)
    assert (objects.kind != ObjectKind.VEHICLE).all()
    seen = Seen(np.zeros(1, np.int64), lost.expert[:1])
    state, objects = policy.step([lost], seen, state, KEYS)
    assert len(objects.id) == 3


def test_agents_far_from_ego_leave_for_good(tiny_world) -> None:
    s = tiny_scenario(tiny_world)
    policy = create("agents", "idm", {"radius_m": 30.0})
    state, _ = policy.start([s], PACIFICA, KEYS)
    away = s.expert[:1].copy()
    away[0, 0] += 500.0
    state, objects = policy.step([s], Seen(np.zeros(1, np.int64), away), state, KEYS)
    assert (objects.kind != ObjectKind.VEHICLE).all()
    state, objects = policy.step([s], Seen(np.ones(1, np.int64), s.expert[1:2]), state, KEYS)
    assert (objects.kind != ObjectKind.VEHICLE).all()


def test_a_new_store_of_rails_holds_none_of_agents_that_have_left(golden) -> None:
    _, s = golden("closed_loop_reactive_agents.idm_r.*")[0]
    world = create("agents", "idm").start([s], PACIFICA, KEYS)[0][0].batch.world
    before = world.agents._replace(alive=np.arange(len(world.agents.alive)) % 2 == 0)
    after = idm._with_room(world._replace(agents=before), 0)
    here = np.flatnonzero(before.alive)
    assert len(here) < len(before.alive)
    assert after.rails.used[0] == sum(room_of(n) for n in before.rail_count[here])
    for a in here:
        rails = [(w.rails, w.agents.rail_low[a], w.agents.rail_count[a]) for w in (world, after)]
        old, new = ([r.progress[low : low + n], r.points[low : low + n]] for r, low, n in rails)
        assert all((p == q).all() and len(p) > 1 for p, q in zip(old, new, strict=True))


def test_a_car_of_unknown_speed_drives_as_fast_as_ego(tiny_world) -> None:
    s = tiny_scenario(tiny_world)
    unknown = tiny_scenario(
        tiny_world, objects=replace(s.drive.objects, velocity=np.full_like(s.drive.objects.velocity, np.nan))
    )
    state, _ = create("agents", "idm").start([unknown], PACIFICA, KEYS)
    assert state[0].agents.speed == pytest.approx(np.hypot(s.expert[0, 3], s.expert[0, 4]))


def test_long_drives_outgrow_their_first_arrays(tiny_world) -> None:
    """Routes and speeds that need wider arrays than the first lane suggested: nothing is lost, and all stays finite."""
    s = tiny_scenario(tiny_world)
    policy = create("agents", "idm", {"target_speed_mps": 30.0, "headway_s": 30.0, "radius_m": 1e4})
    state, objects = policy.start([s], PACIFICA, KEYS)
    store, room = len(state[0].batch.world.rails.progress), state[0].agents.foot_points.shape[1]
    for i in range(99):
        state, objects = policy.step([s], Seen(np.array([i]), s.expert[i : i + 1]), state, KEYS)
    assert np.isfinite(objects.box).all()
    assert len(state[0].batch.world.rails.progress) > store
    assert state[0].agents.foot_points.shape[1] > room
    assert to_arrays(s.drive)[0]


def test_footprints_that_need_several_times_their_first_room_are_the_same(
    tiny_world, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = tiny_scenario(tiny_world)
    policy = create("agents", "idm", {"headway_s": 20.0, "radius_m": 1e4})
    seen: list[list[Any]] = []
    for room in (2, 512):
        monkeypatch.setattr("roadcraft.validation.agents.idm_place.FOOT_ROOM", room)
        state, _ = policy.start([s], PACIFICA, KEYS)
        seen.append([])
        for i in range(20):
            state, objects = policy.step([s], Seen(np.array([i]), s.expert[i : i + 1]), state, KEYS)
            n = int(state[0].agents.foot_count.max())
            seen[-1].append((objects.box, objects.velocity, state[0].agents.extent, state[0].agents.foot_points[:, :n]))
    assert max(v[3].shape[1] for v in seen[0]) > 4
    for few, many in zip(*seen, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(few, many, strict=True))


def test_a_step_beyond_the_last_and_one_of_nobody(tiny_world) -> None:
    s = tiny_scenario(tiny_world)
    policy = create("agents", "idm")
    state, _ = policy.start([s], PACIFICA, KEYS)
    last = len(s) - 1
    with pytest.raises(IndexError, match="have no next one"):
        policy.step([s], Seen(np.array([last]), s.expert[last:]), state, KEYS)
    policy.step([s], Seen(np.array([last - 1]), s.expert[last - 1 : last]), state, KEYS)
    assert policy.step([], Seen(np.zeros(0, np.int64), s.expert[:0]), [], KEYS[:0])[0] == []


def test_wrong_settings_are_told() -> None:
    with pytest.raises(ValueError, match=r"replayed\[0\] must be among pedestrian, bicycle, .*got 'tree'"):
        IdmAgentsConfig(replayed=("tree",))
    with pytest.raises(ValueError, match="radius_m"):
        IdmAgentsConfig(radius_m=0.0)
