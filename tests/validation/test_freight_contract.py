"""Every metric of heavy vehicles keeps the contract of metrics, and cars do not pay for them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from command_line import process
from made_freight import drive, loaded, quiet

from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.interfaces import Metric
from roadcraft.core.testing import MetricConformance, made_up_rollout
from roadcraft.validation.metrics.common.evaluation import evaluate
from roadcraft.validation.metrics.common.specs import FREIGHT_TABLE

NAMES = [name for name, *_ in FREIGHT_TABLE]


@pytest.mark.parametrize("name", NAMES)
class TestEveryFreightMetric(MetricConformance):
    """The contract, on the path of the made-up log driven by a truck."""

    name: ClassVar[str] = ""
    always_scores: ClassVar[bool] = False

    @pytest.fixture
    def metric(self, name: str) -> Metric:
        self.name = name  # type: ignore[misc]
        found: Metric = create("metric", name)
        return found

    def context(self, rollout: Rollout) -> Any:
        ego = np.array(rollout.drive.ego)
        ego[:, 0] += 30.0  # the trailer begins on the road
        return RolloutContext(drive(ego, loaded(), channels=quiet(n=len(ego))))

    def test_a_car_is_judged_as_well(self, metric: Metric) -> None:
        result = metric.compute(RolloutContext(made_up_rollout()))
        assert result.score is None or 0.0 <= result.score <= 1.0 or metric.role == "report"

    def test_it_stands_beside_nuplan_s(self, metric: Metric) -> None:
        rollout = made_up_rollout()
        result = evaluate(rollout, "closed_loop_nonreactive_agents", {self.name: metric})
        assert result.nuplan_score == evaluate(rollout, "closed_loop_nonreactive_agents").score


def test_scoring_a_car_loads_nothing_of_them() -> None:
    code = (
        "import sys; from roadcraft.core.testing import made_up_rollout; from roadcraft.validation import evaluate; "
        "evaluate(made_up_rollout(), 'closed_loop_nonreactive_agents'); "
        "print([m for m in sys.modules if '.freight' in m])"
    )
    done = process(code=code)
    assert done.stdout.strip() == "[]", done.stderr
