"""What holds of guard whatever the wrapped planner proposes, by random proposals on a straight road with and without a
parked car."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import shapely
import tiny_world
from hypothesis import assume, given, settings, strategies as st

from roadcraft.core.arrays import Polygons
from roadcraft.core.data.plan import Plan
from roadcraft.core.data.rollout import ObservationBatch
from roadcraft.core.data.scenario import Ego
from roadcraft.core.driving.geometry.boxes import box_corners, ego_box
from roadcraft.core.driving.motion.bicycle import motion_of
from roadcraft.core.driving.motion.lqr import NUPLAN, simulate_proposals
from roadcraft.core.interfaces import Planner
from roadcraft.planners.guard.config import GuardConfig
from roadcraft.planners.guard.planner import Guard

START = tiny_world.START + np.array([30.0, 0.0])
LENGTH, HARD_MPS2, HORIZON_S = 4.5, 6.0, 4.0


class Scene(NamedTuple):
    """Speed of ego, m/s; distance to a parked car's center, m (None: the road is free); candidates (speed, slope to the
    left, opinion)."""

    speed: float
    ahead_m: float | None
    candidates: list[tuple[float, float, float]]

    def observation(self) -> ObservationBatch:
        """Ego in the right lane of the tiny world, of which only the lanes are drivable here."""
        world = tiny_world.make_map()
        far = tiny_world.START + 900.0 + np.array([[0, 0], [1, 0], [1, 1], [0, 0]])
        world = replace(world, areas=replace(world.areas, polygons=Polygons.build([[far]] * len(world.areas))))
        obs = tiny_world.observe([tiny_world.make_drive(world, 0)], world, [60])
        obs.ego_past[:] = 0.0
        obs.ego_past[..., :2], obs.ego_past[..., 3] = START, self.speed
        obs.objects.box[:, :2] += 500.0
        obs.objects.velocity[:] = 0.0
        if self.ahead_m is not None:
            obs.objects.box[0] = [START[0] + self.ahead_m, START[1], 0.0, LENGTH, 1.9]
        return obs


class Fan(Planner):
    """Straight lines from where ego is, at given speeds and slopes to the side."""

    def __init__(self, candidates: Any) -> None:
        self.candidates = candidates

    def plan(self, obs: ObservationBatch, state: Any, keys: Any) -> tuple[Plan, Any]:
        t = 0.5 * np.arange(17)
        states = np.zeros((1, len(self.candidates), 17, 10))
        for k, (speed, slope, _) in enumerate(self.candidates):
            states[0, k] = obs.ego[0]
            states[0, k, :, 0] += t * speed
            states[0, k, :, 1] += t * speed * slope
            states[0, k, :, 3] = speed
        scores = np.array([[opinion for _, _, opinion in self.candidates]])
        return Plan(obs.time_us[:, None] + (t * 1e6).astype(np.int64), states, scores), state


def driven(scene: Scene, candidates: Any = None, **config: Any) -> Plan:
    guard, obs = Guard(GuardConfig(**config), Fan(candidates or scene.candidates)), scene.observation()
    keys = np.zeros(1, np.uint64)
    return guard.plan(obs, guard.start(obs, keys), keys)[0]


def poses(plan: Plan) -> np.ndarray:
    """x, y and heading every 0.1 s over the horizon."""
    n = int(plan.length[0])
    t = (plan.time_us[0, :n] - plan.time_us[0, 0]) * 1e-6
    at = np.arange(0.0, min(HORIZON_S, t[-1]) + 1e-6, 0.1)
    return np.stack([np.interp(at, t, plan.states[0, 0, :n, k]) for k in range(3)], 1)


def followed(scene: Scene, wanted: np.ndarray) -> list[shapely.Polygon]:
    """Footprints of a vehicle that follows the given poses, as long as it moves (nuPlan: faster than 5 cm/s)."""
    obs = scene.observation()
    motion, gains = motion_of(obs.vehicle), NUPLAN._replace(interval_s=0.1)
    (states,), _ = simulate_proposals(np.ascontiguousarray(obs.ego[0]), wanted[None], len(wanted), motion, gains)
    return [shapely.Polygon(box_corners(*ego_box(s, obs.vehicle.box))) for s in states if s[Ego.VX] > 0.05]


def hits(scene: Scene, wanted: np.ndarray) -> bool:
    """Whether it moves into the parked car."""
    car = shapely.Polygon(box_corners(*scene.observation().objects.box[0]))
    return any(f.intersects(car) for f in followed(scene, wanted))


def full_stop(scene: Scene) -> np.ndarray:
    """Poses of braking at once, straight on, as hard as the guard may."""
    t = np.minimum(np.arange(0.0, HORIZON_S + 1e-6, 0.1), scene.speed / HARD_MPS2)
    x = START[0] + scene.speed * t - 0.5 * HARD_MPS2 * t**2
    return np.stack([x, np.full_like(x, START[1]), np.zeros_like(x)], 1)


def opinions(count: int) -> st.SearchStrategy[list[float]]:
    """Far enough apart that no two candidates are equally good."""
    return st.permutations([0.25 * k for k in range(count)])


@st.composite
def scenes(draw: Any, car: bool | None = None) -> Scene:
    speed = draw(st.floats(1.0, 13.0))
    count = draw(st.integers(1, 5))
    ways = [(draw(st.floats(0.0, 13.0)), draw(st.sampled_from([0.0, 0.0, -0.4, -0.1, 0.1, 0.3]))) for _ in range(count)]
    with_car = draw(st.booleans()) if car is None else car
    ahead_m = draw(st.floats(8.0, 60.0)) if with_car else None
    return Scene(speed, ahead_m, [(*w, o) for w, o in zip(ways, draw(opinions(count)), strict=True)])


@settings(max_examples=40, deadline=None)
@given(scenes(car=True))
def test_never_worse_than_braking(scene: Scene) -> None:
    """Where a full stop in the lane keeps clear of the parked car, whatever is driven does; and it stays on the
    road."""
    way_m = scene.speed**2 / (2 * HARD_MPS2)
    assume(any(slope == 0.0 and HORIZON_S * speed > way_m for speed, slope, _ in scene.candidates))
    assume(not hits(scene, full_stop(scene)))
    wanted = poses(driven(scene))
    assert not hits(scene, wanted)
    x, y = tiny_world.START
    road = shapely.box(x, y - 0.5 * tiny_world.WIDTH, x + 300.0, y + 1.5 * tiny_world.WIDTH)
    assert all(f.buffer(-0.16).within(road) for f in followed(scene, wanted))


@settings(max_examples=40, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_proposals_does_not_matter(scene: Scene, random: Any) -> None:
    shuffled = random.sample(scene.candidates, len(scene.candidates))
    one, two = driven(scene), driven(scene, shuffled)
    assert one.states.tobytes() == two.states.tobytes()
    assert one.scores == two.scores
    assert {k: v.tolist() for k, v in one.debug.items()} == {k: v.tolist() for k, v in two.debug.items()}


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_what_it_lets_pass_is_the_proposal_itself(scene: Scene) -> None:
    """Bit for bit; and a choice is called changed exactly where it is not the planner's favourite."""
    plan, obs = driven(scene), scene.observation()
    raw, _ = Fan(scene.candidates).plan(obs, None, None)
    favourite = int(np.argmax(raw.scores[0]))
    n = int(plan.length[0])
    same = [n == 17 and np.array_equal(plan.states[0, 0, :17], raw.states[0, k]) for k in range(len(scene.candidates))]
    assert plan.debug["guard_changed"].tolist() == [float(not same[favourite])]
    if plan.debug["guard_braked"][0]:
        assert not any(same)


@settings(max_examples=40, deadline=None)
@given(st.floats(4.0, 12.0), st.floats(-1.0, 1.0))
def test_a_faultless_favourite_is_never_changed(speed: float, faster: float) -> None:
    """On a free road, in the lane, at about the speed that ego has and below the limit."""
    scene = Scene(speed, None, [(speed + 0.1 * faster, 0.0, 1.0), (0.5 * speed, 0.0, 0.0)])
    assert driven(scene).debug["guard_changed"].tolist() == [0.0]


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_a_bad_proposal_more_takes_no_good_one_away(scene: Scene) -> None:
    """One that leaves the road at once never makes the guard brake where it did not, however well it is liked."""
    more = [*scene.candidates, (8.0, -0.8, 5.0)]
    before, after = (driven(scene, c, planner_score_weight=1.9) for c in (scene.candidates, more))
    assert after.debug["guard_braked"][0] <= before.debug["guard_braked"][0]


@settings(max_examples=40, deadline=None)
@given(scenes(), st.floats(0.5, 3.0))
def test_opinions_count_by_their_differences_alone(scene: Scene, shift: float) -> None:
    moved = [(speed, slope, opinion + 0.25 * round(4 * shift)) for speed, slope, opinion in scene.candidates]
    assert driven(scene).states.tobytes() == driven(scene, moved).states.tobytes()


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.9])
@settings(max_examples=30, deadline=None)
@given(scenes(car=True))
def test_no_opinion_outweighs_a_collision(weight: float, scene: Scene) -> None:
    """Whatever the weight below two, what is driven without braking keeps clear of the car."""
    plan = driven(scene, planner_score_weight=weight)
    assert plan.debug["guard_braked"][0] == 1.0 or not hits(scene, poses(plan))
