"""Each metric on a small made-up world: what it answers when all is well, when ego fails, and where the reference's
corner cases lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.arrays import Ragged, offsets_of
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import PlanLog, Rollout
from roadcraft.core.data.scenario import Ego, ObjectFrames, ObjectKind
from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import Metric, MetricContext
from roadcraft.core.plugins.registry import registry
from roadcraft.core.testing import MetricConformance, made_up_rollout, made_up_scenario
from roadcraft.core.testing.world import LIMIT_MPS, ORIGIN
from roadcraft.core.types import MetricResult
from roadcraft.validation import metrics
from roadcraft.validation.metrics import RolloutContext, aggregate, evaluate, scenario_score
from roadcraft.validation.metrics.common.aggregation import Entry
from roadcraft.validation.metrics.common.challenges import CHALLENGE_METRICS
from roadcraft.validation.metrics.common.specs import metric_specs

CLOSED, OPEN = "closed_loop_nonreactive_agents", "open_loop_boxes"
NAMES = [s.name for s in metric_specs() if ".freight." not in s.target]


def with_plans(rollout: Rollout, seconds: float = 8.0, sideways_m: float = 0.0) -> Rollout:
    """The rollout with a plan at every step: straight on at the present speed."""
    drive, n = rollout.drive, len(rollout)
    dt = np.arange(0.0, seconds + 0.01, 0.5)
    states = np.zeros((n, len(dt), 4))
    states[:, :, 0] = drive.ego[:, None, Ego.X] + drive.ego[:, None, Ego.VX] * dt
    states[:, :, 1] = drive.ego[:, None, Ego.Y] + sideways_m * (dt > 0)
    states[:, :, 3] = drive.ego[:, None, Ego.VX]
    times = drive.time_us[:, None] + np.round(dt * 1e6).astype(np.int64)
    plans = PlanLog(np.arange(n), offsets_of([len(dt)] * n), times.ravel(), states.reshape(-1, 4))
    return replace(rollout, plans=plans)


def moved(rollout: Rollout, **columns: Any) -> Rollout:
    """The rollout with other ego columns."""
    ego = rollout.drive.ego.copy()
    for name, values in columns.items():
        ego[:, Ego[name.upper()]] = values
    return replace(rollout, drive=replace(rollout.drive, ego=ego))


def without_objects(rollout: Rollout) -> Rollout:
    objects = ObjectFrames(
        np.zeros(len(rollout) + 1, np.int64), np.zeros(0, np.int64), np.zeros((0, 5)), np.zeros((0, 2))
    )
    return replace(rollout, drive=replace(rollout.drive, objects=objects))


def judged(name: str, rollout: Rollout, **params: Any) -> MetricResult:
    metric: Metric = create("metric", name, params)
    return metric.compute(RolloutContext(rollout))


def other_map(rollout: Rollout, **lanes: Any) -> Rollout:
    """The rollout on a map whose lanes differ."""
    s = rollout.scenario
    changed = replace(s.map, lanes=replace(s.map.lanes, **lanes))
    return replace(rollout, scenario=replace(s, map=changed))


@pytest.mark.parametrize("name", NAMES)
class TestEveryMetric(MetricConformance):
    """The plugin contract, for every metric of nuPlan's."""

    name: ClassVar[str] = ""

    @pytest.fixture
    def metric(self, name: str) -> Metric:
        self.name = name  # type: ignore[misc]
        found: Metric = create("metric", name)
        return found

    def context(self, rollout: Rollout) -> Any:
        return RolloutContext(with_plans(rollout))


def test_registered_and_named_alike() -> None:
    known = registry().names("metric")
    assert set(NAMES) <= set(known)
    for challenge in CHALLENGE_METRICS.values():
        assert set(challenge) <= set(NAMES)
    for name in metrics.__all__:
        assert getattr(metrics, name) is not None


def test_a_good_drive_scores_one() -> None:
    result = evaluate(made_up_rollout(made_up_scenario(speed_mps=8.0)), CLOSED)
    assert [m.name for m in result.metrics] == list(CHALLENGE_METRICS[CLOSED])
    # ego's history lacks the last step, so a little progress is always missing
    progress = result.scores["ego_progress_along_expert_route"]
    assert 0.99 < progress < 1.0
    assert result.score == pytest.approx((5 * progress + 5 + 4 + 2) / 16)
    assert all(v == 1.0 for k, v in result.scores.items() if k != "ego_progress_along_expert_route")
    assert result.token == "00000000000000aa"


def test_hitting_a_car_from_behind_is_ego_s_fault() -> None:
    s = made_up_scenario(speed_mps=8.0)
    rollout = made_up_rollout(s)
    t = (rollout.drive.time_us - rollout.drive.time_us[0]) * 1e-6
    fast = moved(rollout, x=rollout.drive.ego[:, Ego.X] + 4.0 * t, vx=12.0)
    result = judged("no_ego_at_fault_collisions", fast)
    assert result.score == 0.0
    assert result.stats["number_of_at_fault_collisions_with_vehicles"] == 1
    assert result.stats["max_collision_energy_with_vehicles"] == pytest.approx(0.5 * 4.0)
    assert result.events[0].what == "hit a vehicle with the front"
    assert result.events[0].object_id == int(rollout.drive.tracks.id[0])
    seconds = judged("time_to_collision_within_bound", fast)
    assert seconds.score == 0.0
    assert seconds.stats["min_time_to_collision"] == 0.0
    assert any("would hit a vehicle within" in e.what for e in seconds.events)
    assert judged("no_ego_at_fault_collisions", rollout).score == 1.0


def test_a_cone_costs_half_and_a_second_one_the_rest() -> None:
    rollout = made_up_rollout(made_up_scenario(lane=1))
    objects = rollout.drive.objects
    cone = rollout.drive.tracks.kind[objects.track] == ObjectKind.TRAFFIC_CONE
    for count, score in ((1, 0.5), (2, 0.0)):
        box = objects.box.copy()
        chosen = cone & (np.cumsum(cone) % 2 == 1) if count == 1 else cone
        box[chosen, 1] = ORIGIN[1] - 1.8
        hit = replace(rollout, drive=replace(rollout.drive, objects=replace(objects, box=box)))
        result = judged("no_ego_at_fault_collisions", hit)
        assert result.score == score
        assert result.stats["number_of_at_fault_collisions_with_objects"] == count
        assert result.events[0].what == "drove into a standing traffic cone"


def test_standing_ego_is_never_at_fault() -> None:
    rollout = made_up_rollout()
    standing = moved(rollout, x=rollout.drive.objects.box[0, 0], y=rollout.drive.objects.box[0, 1], vx=0.0)
    result = judged("no_ego_at_fault_collisions", standing)
    assert result.score == 1.0
    assert result.stats["number_of_all_at_fault_collisions"] == 0


def test_leaving_the_road() -> None:
    for sideways, score in ((0.0, 1.0), (-0.9, 1.0), (-1.2, 0.0), (-30.0, 0.0)):
        rollout = made_up_rollout(made_up_scenario(lane=1), sideways_m=sideways)
        result = judged("drivable_area_compliance", rollout)
        assert result.score == score, sideways
        assert bool(result.events) == (score == 0.0)
    far = judged("corners_in_drivable_area", made_up_rollout(sideways_m=-0.9))
    assert far.score is None
    assert far.stats["corners_in_drivable_area"] == 0.0


def test_driving_backwards_against_the_traffic() -> None:
    rollout = made_up_rollout(made_up_scenario(speed_mps=0.0))
    t = (rollout.drive.time_us - rollout.drive.time_us[0]) * 1e-6
    for speed, score in ((1.0, 1.0), (3.0, 0.5), (8.0, 0.0)):
        x = ORIGIN[0] + 200.0 - speed * np.minimum(t, 8.0)
        result = judged("driving_direction_compliance", moved(rollout, x=x, vx=-speed))
        assert result.score == score
        # as many intervals as the horizon has samples: n + 1 entries of progress
        assert result.stats["min_progress_along_driving_direction_in_1_second_interval"] == pytest.approx(
            -1.1 * speed, abs=0.2 * speed
        )
        assert bool(result.events) == (score < 1.0)


def test_progress_ratio_and_its_floor() -> None:
    rollout = made_up_rollout(made_up_scenario(speed_mps=8.0))
    start = rollout.drive.ego[0, Ego.X]
    half = moved(rollout, x=start + 0.5 * (rollout.drive.ego[:, Ego.X] - start), vx=4.0)
    assert judged("ego_progress_along_expert_route", half).score == pytest.approx(0.5, abs=0.01)
    assert judged("ego_is_making_progress", half).score == 1.0
    still = moved(rollout, x=start, vx=0.0)
    result = judged("ego_progress_along_expert_route", still)
    assert result.score == pytest.approx(2.0 / result.stats["expert_total_progress_along_route"])
    assert judged("ego_is_making_progress", still).events[0].step == len(rollout) - 1
    back = moved(rollout, x=start - np.linspace(0.0, 5.0, len(rollout)), vx=-0.3)
    assert judged("ego_progress_along_expert_route", back).score == 0.0
    parked = made_up_rollout(made_up_scenario(speed_mps=0.0))
    assert judged("ego_progress_along_expert_route", parked).score == 1.0


def test_expert_without_lanes_gives_full_progress() -> None:
    rollout = made_up_rollout()
    s = rollout.scenario
    ego = s.drive.ego.copy()
    ego[:, Ego.Y] += 500.0  # a car park far from any lane
    away = replace(rollout, scenario=replace(s, drive=replace(s.drive, ego=ego)))
    away = moved(away, y=away.drive.ego[:, Ego.Y] + 500.0)
    result = judged("ego_progress_along_expert_route", away)
    assert (result.score, result.series) == (1.0, None)
    assert result.stats == {"expert_total_progress_along_route": 0.0, "ego_expert_progress_along_route_ratio": 1.0}
    assert judged("driving_direction_compliance", away).score == 1.0
    assert judged("speed_limit_compliance", away).score == 1.0
    assert judged("ego_lane_change", away).stats["number_of_ego_lane_change"] == 0
    assert evaluate(away, CLOSED).score == 0.0


def test_speeding() -> None:
    over = 1.0
    rollout = made_up_rollout(made_up_scenario(speed_mps=LIMIT_MPS + over))
    result = judged("speed_limit_compliance", rollout)
    n = len(rollout)
    assert result.score == pytest.approx(1.0 - over * n / (n - 1) / 2.23)
    assert result.stats["number_of_violations_of_speed_limit_compliance"] == 1
    assert result.stats["mean_violation_of_speed_limit_compliance"] == pytest.approx(over)
    assert "above the limit of 13.00 m/s" in result.events[0].what
    lanes = rollout.scenario.map.lanes
    unknown = other_map(rollout, has_speed_limit=np.zeros(len(lanes), bool))
    assert judged("speed_limit_compliance", unknown).score == 1.0
    zero = other_map(rollout, speed_limit_mps=np.zeros(len(lanes)))
    assert judged("speed_limit_compliance", zero).score == 1.0
    loose = other_map(rollout, successors=Ragged.build([[]] * 6), predecessors=Ragged.build([[]] * 6))
    with pytest.raises(DataError, match="joins no lanes"):
        judged("speed_limit_compliance", loose)


def test_violation_in_the_last_step_alone_has_no_mean() -> None:
    rollout = made_up_rollout(made_up_scenario(speed_mps=8.0))
    speed = np.full(len(rollout), 8.0)
    speed[-1] = LIMIT_MPS + 1.0
    result = judged("speed_limit_compliance", moved(rollout, vx=speed))
    assert result.stats["mean_violation_of_speed_limit_compliance"] is None


@pytest.mark.parametrize(
    ("metric", "column", "values"),
    [
        ("ego_lon_acceleration", "ax", -5.0),
        ("ego_lat_acceleration", "ay", 5.0),
        ("ego_jerk", "ax", np.linspace(0.0, 150.0, 150)),
        ("ego_lon_jerk", "ax", np.linspace(0.0, 80.0, 150)),
        ("ego_yaw_rate", "heading", np.linspace(0.0, 15.0, 150)),
        ("ego_yaw_acceleration", "heading", 0.01 * np.arange(150.0) ** 2),
    ],
)
def test_discomfort(metric: str, column: str, values: Any) -> None:
    rollout = made_up_rollout()
    assert len(rollout) == 150
    rough = moved(rollout, **{column: values})
    result = judged(metric, rough)
    assert result.stats[f"abs_{metric}_within_bounds"] is False
    assert result.score is None
    assert len(result.events) == 1
    comfort = judged("ego_is_comfortable", rough)
    assert comfort.score == 0.0
    assert comfort.events
    assert judged("ego_is_comfortable", rollout).score == 1.0


def test_lane_change_back_and_forth() -> None:
    rollout = made_up_rollout(made_up_scenario(lane=1))
    base = rollout.drive.ego[:, Ego.Y]
    over = moved(rollout, y=base + np.clip((np.arange(len(rollout)) - 20) * 0.1, 0.0, 3.6))
    done = judged("ego_lane_change", over)
    assert done.stats["number_of_ego_lane_change"] == 1
    assert done.stats["ratio_of_failed_ego_lane_change"] == 0.0
    assert done.stats["ego_lane_change_fail_rate_below_threshold"] is True
    ramp = np.arange(len(rollout)) * 0.1
    back = moved(rollout, y=base + np.clip(np.minimum(ramp, 6.0 - ramp), 0.0, 1.8))
    failed = judged("ego_lane_change", back)
    assert failed.stats["ratio_of_failed_ego_lane_change"] == 1.0
    assert failed.events
    unfinished = moved(rollout, y=base + np.clip((np.arange(len(rollout)) - 120) * 0.1, 0.0, 1.8))
    assert judged("ego_lane_change", unfinished).stats["ratio_of_failed_ego_lane_change"] == 1.0


def test_nobody_about() -> None:
    result = evaluate(without_objects(made_up_rollout()), CLOSED)
    assert result.scores["no_ego_at_fault_collisions"] == 1.0
    assert result.scores["time_to_collision_within_bound"] == 1.0


def test_overlapping_lanes_fail_the_scenario() -> None:
    rollout = made_up_rollout()
    polygons = rollout.scenario.map.lanes.polygons
    points = polygons.points.copy()
    points[: len(points) // 6, 1] -= 3.0  # the left lane now lies over the right one
    with pytest.raises(DataError, match=r"ego_lane_change failed: .*two lanes overlap"):
        evaluate(other_map(rollout, polygons=replace(polygons, points=points)), CLOSED)


@pytest.mark.parametrize("steps", [1, 2])
def test_too_short_a_drive_fails_the_scenario(steps: int) -> None:
    rollout = made_up_rollout()
    d = rollout.drive
    cut = replace(d.objects, offsets=d.objects.offsets[: steps + 1])
    short = replace(rollout, drive=replace(d, time_us=d.time_us[:steps], ego=d.ego[:steps], objects=cut))
    with pytest.raises(DataError, match=r"metric ego_jerk failed: .*steps are too few"):
        evaluate(short, CLOSED)


def test_open_loop() -> None:
    rollout = made_up_rollout(made_up_scenario(speed_mps=8.0))
    exact = evaluate(with_plans(rollout), OPEN)
    assert exact.score == pytest.approx(1.0, abs=1e-6)
    off = evaluate(with_plans(rollout, sideways_m=4.0), OPEN)
    assert off.scores["planner_expert_average_l2_error_within_bound"] == pytest.approx(0.5)
    assert off.score == pytest.approx((0.5 + 0.5 + 2 + 2) / 6)
    miss = evaluate(with_plans(rollout, sideways_m=7.0), OPEN)
    assert miss.score == 0.0
    assert "stray over 6 m within 3 s" in miss.metrics[2].events[0].what
    early = evaluate(with_plans(rollout, seconds=7.5), OPEN)
    assert early.score == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(DataError, match="is shorter than 8 s by more than a second"):
        evaluate(with_plans(rollout, seconds=5.0), OPEN)
    with pytest.raises(DataError, match="no plan was recorded at step 0"):
        evaluate(rollout, OPEN)


def test_unknown_challenge() -> None:
    with pytest.raises(DataError, match="no challenge 'x'"):
        evaluate(made_up_rollout(), "x")


class Lucky(Metric):
    """A third party's metric."""

    def __init__(self, role: str, score: float | None) -> None:
        self.role, self.weight, self.score = role, 16.0, score  # type: ignore[misc]

    def compute(self, context: MetricContext) -> MetricResult:
        return MetricResult("lucky", self.score)


def test_further_metrics_score_by_their_role() -> None:
    rollout = made_up_rollout()
    plain = evaluate(rollout, CLOSED).score
    assert evaluate(rollout, CLOSED, {"lucky": Lucky("report", 0.0)}).score == plain
    assert evaluate(rollout, CLOSED, {"lucky": Lucky("multiplier", 0.5)}).score == pytest.approx(0.5 * plain)
    assert evaluate(rollout, CLOSED, {"lucky": Lucky("weighted", 0.0)}).score == pytest.approx(0.5 * plain)
    assert evaluate(rollout, CLOSED, {"lucky": Lucky("weighted", None)}).score == plain
    assert scenario_score([]) == 0.0


def test_aggregation_counts_failures_as_zero_beside_nuplans_score() -> None:
    entries = [
        Entry("a", "log", "turn", {"m": 1.0, "n": 0.5}, 0.8),
        Entry("b", "log", "turn", {"m": 0.0, "n": None}, 0.4),
        Entry("c", "log", "stop", {"m": 1.0, "n": 1.0}, 0.6),
        Entry("d", "log", "stop"),
        Entry("e", "log", "lost"),
    ]
    table = aggregate(entries)
    assert [r.scenario for r in table.rows] == ["a", "b", "c", "turn", "stop", "lost", "final_score"]
    turn, stop, lost = table.types
    assert (turn.score, turn.number, dict(turn.metrics)) == (
        pytest.approx(0.6),
        2,
        {"m": 1.0, "n": 0.5},
    )  # sums, not means
    assert (stop.score, stop.counted, stop.failed) == (pytest.approx(0.6), pytest.approx(0.3), 1)
    assert (lost.score, lost.counted, lost.number) == (None, 0.0, 0)
    assert table.nuplan_score == pytest.approx(0.6)
    assert table.score == pytest.approx(1.8 / 5)
    assert table.failed == 2
    assert dict(table.rows[-1].metrics) == {"m": pytest.approx(2 / 3), "n": pytest.approx(0.5)}
    assert (aggregate([]).score, aggregate([]).nuplan_score) == (0.0, None)
    assert aggregate(entries[3:]).nuplan_score is None
