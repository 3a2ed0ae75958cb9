"""Conformance of metrics."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from roadcraft.core.arrays import read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.interfaces import Metric
from roadcraft.core.testing.world import made_up_rollout, made_up_scenario
from roadcraft.core.types import MetricResult


class MetricConformance:
    """Subclass it, set ``name`` (and ``params``): a score in [0, 1] (any finite number where it is only reported) or
    None, finite statistics, a series as long as the rollout, determinism, and a rollout left as it was (it is
    read-only)."""

    name: ClassVar[str]
    """Name of the plugin under test."""
    params: ClassVar[dict[str, Any]] = {}
    """Its settings."""
    always_scores: ClassVar[bool] = True
    """Whether it has a score for every drive; a metric of certain situations has none in others."""

    @pytest.fixture
    def metric(self) -> Metric:
        """The metric under test."""
        metric: Metric = create("metric", self.name, self.params)
        return metric

    def context(self, rollout: Rollout) -> Any:
        """What the metric is given; override where it needs more than the rollout and a memo."""
        return RolloutContext(rollout)

    @pytest.mark.parametrize("sideways_m", [0.0, 2.0, 30.0])
    def test_result_keeps_the_contract(self, metric: Metric, sideways_m: float) -> None:
        rollout = read_only(made_up_rollout(sideways_m=sideways_m))  # as the simulator shows it
        result = metric.compute(self.context(rollout))
        assert isinstance(result, MetricResult)
        assert result.name == self.name, "a result bears the metric's own name"
        assert metric.role in ("multiplier", "weighted", "report")
        assert result.score is None or np.isfinite(result.score)
        if metric.role != "report":
            assert result.score is not None or not self.always_scores, "a metric that counts needs a score"
            assert result.score is None or 0.0 <= result.score <= 1.0
        for key, value in result.stats.items():
            assert value is None or isinstance(value, (int, float, bool, np.integer, np.floating, np.bool_)), key
            assert value is None or np.isfinite(value), f"{key}: None says that there is no such value"
        if result.series is not None:
            assert len(result.series.time_us) == len(result.series.values)
        for event in result.events:
            assert 0 <= event.step < len(rollout)
            assert isinstance(event.what, str)

    def test_same_answer_twice(self, metric: Metric) -> None:
        rollout = made_up_rollout(made_up_scenario(speed_mps=11.0))
        first, again = metric.compute(self.context(rollout)), metric.compute(self.context(rollout))
        assert (first.score, dict(first.stats)) == (again.score, dict(again.stats))
