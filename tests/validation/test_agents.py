"""Agent policies: every object of the golden drives, independence of the batch, and the reactive agents' slow twin."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roadcraft.core.arrays import to_arrays
from roadcraft.core.factory import create
from roadcraft.core.scenario import ObjectKind, Scenario
from roadcraft.core.vehicle import Vehicle, load_vehicle
from roadcraft.scenario_io.nuplan import NuplanSource
from roadcraft.validation.agents import idm, idm_lead, idm_step
from roadcraft.validation.agents.configs import IdmAgentsConfig
from roadcraft.validation.agents.idm_exact import exact_lead

PACIFICA = load_vehicle("pacifica")
KEYS = np.zeros(0, np.uint64)


@dataclass
class Seen:
    """As much of an observation as agents look at."""

    iteration: np.ndarray
    ego: np.ndarray
    vehicle: Vehicle = PACIFICA


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


def test_the_kernel_finds_the_lead_that_geos_finds(golden, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step for step in the busiest drives: where the kernel is sure, exact geometry agrees."""
    agreed, left_open = 0, 0

    def both(fleet, size, roads, surroundings, params, first, settled, own_rails):
        nonlocal agreed, left_open
        if not own_rails:
            return idm_step.WANTS_RAILS, first
        room = fleet.rail_points.shape[1]
        scratch = np.empty((room + 2, 2)), np.empty(room + 2), np.empty((room // 8 + 2, 5))
        for a in range(first, len(fleet.alive)):
            if not fleet.alive[a]:
                continue
            if idm_step._plan_route(fleet, roads, surroundings, params, a, own_rails) < 0:
                return idm_step.WANTS_ROOM, a
            lead, gap = exact_lead(fleet, size, roads, surroundings, a)
            status, sure, far = idm_lead.find_lead(fleet, size, roads, surroundings, a, *scratch)
            if status == idm_lead.DONE:
                # GEOS may drop an end segment shorter than a thousandth of the half width
                assert (sure, far) == (lead, pytest.approx(gap, abs=1e-4))
                agreed += 1
            else:
                left_open += 1
            idm_step._follow(fleet, size, roads, surroundings, params, a, lead, gap)
            if not idm_step.sweep(fleet, size, params.headway, a):
                return idm_step.WANTS_SWEEP, a
        return idm_lead.DONE, len(fleet.alive)

    monkeypatch.setattr(idm, "step_agents", both)
    policy = create("agents", "idm")
    for d, s in golden("closed_loop_reactive_agents.idm_r.[59]*"):
        state, _ = policy.start([s], PACIFICA, KEYS)
        egos = egos_of(d)
        for i in range(60):
            state, _ = policy.step([s], Seen(np.array([i]), egos[i : i + 1]), state, KEYS)
    assert agreed > 1000
    assert left_open < 0.1 * agreed


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
    policy = create("agents", "idm", {"target_speed_mps": 30.0, "headway_s": 8.0, "radius_m": 1e4})
    state, objects = policy.start([s], PACIFICA, KEYS)
    room = state[0].agents.rail_points.shape[1]
    for i in range(99):
        state, objects = policy.step([s], Seen(np.array([i]), s.expert[i : i + 1]), state, KEYS)
    assert np.isfinite(objects.box).all()
    assert state[0].agents.rail_points.shape[1] >= room
    assert to_arrays(s.drive)[0]


def test_wrong_settings_are_told() -> None:
    with pytest.raises(ValueError, match=r"replayed\[0\] must be among pedestrian, bicycle, .*got 'tree'"):
        IdmAgentsConfig(replayed=("tree",))
    with pytest.raises(ValueError, match="radius_m"):
        IdmAgentsConfig(radius_m=0.0)
