"""What a metric of a third party may answer, what happens when it answers something else, and how it enters the
score."""

from __future__ import annotations

import json
import math
import sys
from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.config.factory import create
from roadcraft.core.config.load import load_config, to_tree
from roadcraft.core.errors import ConfigError, PluginError
from roadcraft.core.interfaces import Metric
from roadcraft.core.plugins.hookspecs import MetricRef
from roadcraft.core.testing import made_up_rollout
from roadcraft.core.types import Event, MetricResult
from roadcraft.validation.config import ScoreConfig
from roadcraft.validation.metrics import RolloutContext, evaluate
from roadcraft.validation.metrics.common.evaluation import MetricError
from roadcraft.validation.metrics.common.result_check import check_role

CLOSED = "closed_loop_nonreactive_agents"


class Answers(Metric):
    """Answers what it is told to."""

    role: ClassVar[str] = "weighted"
    weight: ClassVar[float] = 10.0

    def __init__(self, result: Any) -> None:
        self.result = result

    def compute(self, context: Any) -> Any:
        return self.result(context) if callable(self.result) else self.result


def _exit(context: Any) -> Any:
    sys.exit(1)


def _write(context: Any) -> Any:
    context.rollout.drive.ego[:] = 0.0


def _write_shared(context: Any) -> Any:
    context.shared("roadcraft.validation.metrics.common.dynamics._accelerations", lambda: 0)[:] = 0.0


def _write_map(context: Any) -> Any:
    context.rollout.scenario.map.lanes.speed_limit_mps[:] = 0.0


def result(score: Any = 0.5, stats: Any = None, events: Any = (), name: Any = "mine") -> MetricResult:
    return MetricResult(name, score, stats or {}, events=events)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (result(math.nan), "score = nan is no finite number; None says that there is none"),
        (result(np.float32("inf")), "score = inf is no finite number; None says that there is none"),
        (result(2.0), r"score = 2.0 lies outside \[0, 1\] \(role weighted\)"),
        (result(-1), r"score = -1 lies outside \[0, 1\] \(role weighted\)"),
        (result("good"), "score is str 'good', expected a number"),
        (result(np.zeros(2)), r"score is ndarray array\(\[0., 0.\]\), expected a number"),
        (result(stats={"x": np.arange(2)}), r"stats\['x'\] is ndarray array\(\[0, 1\]\), expected a number"),
        (result(stats={"x": math.inf}), r"stats\['x'\] = inf is no finite number"),
        (result(stats={"x": np.float64("nan")}), r"stats\['x'\] = nan is no finite number"),
        (result(stats={"x": "much"}), r"stats\['x'\] is str 'much', expected a number"),
        (
            result(stats={"x": 10**30}),
            r"stats\['x'\] is a whole number of 100 bits, expected at most 63 \(or a float\)",
        ),
        (result(stats={3: 1.0}), "stats have the key int 3, expected text"),
        (result(stats=[1.0]), r"stats are list \[1.0\], expected a map of named numbers"),
        (
            result(name="ego_is_comfortable"),
            "its result is called str 'ego_is_comfortable', expected its own name 'mine'",
        ),
        (result(events=(3,)), r"events\[0\] is int 3, expected an Event"),
        (result(events="none"), "events are str 'none', expected a tuple of Event"),
        (result(events=(Event(10_000, "late"),)), r"events\[0\].step is int 10000, expected a whole number from 0 to "),
        (result(events=(Event(1.5, "half"),)), r"events\[0\].step is float 1.5"),  # type: ignore[arg-type]
        (result(events=(Event(1, None),)), r"events\[0\].what is NoneType None, expected text"),  # type: ignore[arg-type]
        (result(events=(Event(1, "x", -3),)), r"events\[0\].object_id is int -3, expected a track id or None"),
        (0.5, "it returns float 0.5, expected a MetricResult"),
        (None, "it returns NoneType None, expected a MetricResult"),
        (_exit, "SystemExit: 1"),
        (_write, r"ValueError: .* is read-only \(what a plugin is shown is shared: copy"),
        (_write_shared, r"ValueError: .* is read-only"),
        (_write_map, r"ValueError: .* is read-only"),
    ],
)
def test_nonsense_is_named_and_nuplans_score_stands(answer: Any, said: str) -> None:
    rollout = made_up_rollout()
    with pytest.raises(MetricError, match=f"scenario {rollout.scenario.token}: metric mine failed: {said}") as caught:
        evaluate(rollout, CLOSED, {"mine": Answers(answer)})
    assert caught.value.nuplan_score == evaluate(made_up_rollout(), CLOSED).score


def test_numbers_of_numpy_are_plain_afterwards() -> None:
    answer = result(
        np.float32(0.25), {"a": np.int64(3), "b": np.bool_(True), "c": None}, [Event(np.int64(2), "x", np.uint64(7))]
    )
    got = evaluate(made_up_rollout(), CLOSED, {"mine": Answers(answer)}).metrics[-1]
    assert (got.score, dict(got.stats), got.events) == (0.25, {"a": 3, "b": True, "c": None}, (Event(2, "x", 7),))
    json.dumps([got.score, dict(got.stats), [(e.step, e.object_id) for e in got.events]], allow_nan=False)


def test_rounding_errors_of_a_score_are_forgiven() -> None:
    assert evaluate(made_up_rollout(), CLOSED, {"mine": Answers(result(1.0 + 1e-12))}).metrics[-1].score == 1.0


def test_a_reported_score_may_be_any_finite_number() -> None:
    metric = Answers(result(7.5))
    metric.role = "report"  # type: ignore[misc]
    judged = evaluate(made_up_rollout(), CLOSED, {"mine": metric})
    assert judged.metrics[-1].score == 7.5
    assert judged.score == judged.nuplan_score


def test_a_further_metric_moves_the_score_and_never_nuplans() -> None:
    plain = evaluate(made_up_rollout(), CLOSED)
    judged = evaluate(made_up_rollout(), CLOSED, {"mine": Answers(result(0.0))})
    assert plain.score == plain.nuplan_score == judged.nuplan_score > 0.0
    assert judged.score == pytest.approx(plain.score * 16 / 26)  # the weights of nuPlan's metrics add up to 16
    assert judged.counting["mine"] == ("weighted", 10.0)
    assert judged.counting["ego_is_comfortable"] == ("weighted", 2.0)
    assert judged.counting["drivable_area_compliance"] == ("multiplier", 1.0)


def test_a_metric_of_nuplans_with_other_settings_moves_the_score_alone() -> None:
    strict = create("metric", "ego_is_comfortable", {"max_lon_acceleration": -0.5})
    plain, judged = (
        evaluate(made_up_rollout(), CLOSED),
        evaluate(made_up_rollout(), CLOSED, {"ego_is_comfortable": strict}),
    )
    assert judged.nuplan_score == plain.score
    assert judged.score < plain.score
    assert [m.name for m in judged.metrics].count("ego_is_comfortable") == 1


@pytest.mark.parametrize(
    ("role", "weight", "said"),
    [
        ("multiplicator", 1.0, "metric 'mine' has role 'multiplicator', expected one of multiplier, weighted, report"),
        ("weighted", -1.0, "metric 'mine' has weight -1.0, expected a finite number not below 0"),
        ("weighted", math.nan, "metric 'mine' has weight nan"),
        ("weighted", "5", "metric 'mine' has weight '5'"),
    ],
)
def test_a_role_or_weight_that_means_nothing_is_refused(role: Any, weight: Any, said: str) -> None:
    metric = Answers(result())
    metric.role, metric.weight = role, weight  # type: ignore[misc]
    with pytest.raises(PluginError, match=said):
        check_role("mine", metric)


def test_nothing_a_metric_reads_can_be_changed() -> None:
    rollout = made_up_rollout()
    context = RolloutContext(rollout)
    evaluate(rollout, CLOSED)
    assert context.shared("mine", lambda: {"a": [np.zeros(3)]})["a"][0].flags.writeable is False
    for part in (
        rollout.drive,
        rollout.drive.tracks,
        rollout.plans,
        rollout.scenario.drive.objects,
        rollout.scenario.map.lanes,
    ):
        arrays = [v for v in vars(part).values() if isinstance(v, np.ndarray)]
        assert arrays
        assert not any(a.flags.writeable for a in arrays)
    assert not rollout.channels.flags.writeable
    assert not rollout.scenario.expert.flags.writeable


def config_of(metrics: str) -> ScoreConfig:
    return load_config(ScoreConfig, [f"metrics={metrics}"], short=ScoreConfig.SHORT).config


def test_role_and_weight_of_any_metric_are_set_in_the_configuration() -> None:
    config = config_of("[{name: ego_mean_speed, role: weighted, weight: 3}, {name: ego_jerk, bound: 9}]")
    assert config.metrics == (
        MetricRef("ego_mean_speed", {}, "weighted", 3.0),
        MetricRef("ego_jerk", {"bound": 9.0}),
    )
    tree = to_tree(config)["metrics"]
    assert tree[1] == {"name": "ego_jerk", "params": {"bound": 9.0}}
    assert load_config(ScoreConfig, [f"metrics={json.dumps(tree)}"]).config.metrics == config.metrics


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("[{name: ego_jerk, role: wieghted}]", r"metrics\[0\].role .*did you mean 'weighted'"),
        ("[{name: ego_jerk, weight: -1}]", r"metrics\[0\] .*weight must be a finite number not below 0, is -1.0"),
        ("[{name: ego_jerk, role: report, weight: 2}]", "weight = 2 has no meaning with role = report: leave it out"),
        ("[ego_jerk, ego_jerk]", "must name each metric once, 'ego_jerk' is there twice"),
    ],
)
def test_a_wrong_role_is_told_before_anything_runs(metrics: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config_of(metrics)
