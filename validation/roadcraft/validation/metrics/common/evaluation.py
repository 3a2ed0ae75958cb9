"""Judges a rollout: all metrics of a challenge, and the scenario's score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from roadcraft.core.arrays import read_only
from roadcraft.core.config.factory import create
from roadcraft.core.data.rollout import Rollout
from roadcraft.core.data.rollout_context import RolloutContext
from roadcraft.core.errors import DataError, RoadcraftError
from roadcraft.core.interfaces import Metric
from roadcraft.core.types import MetricResult
from roadcraft.validation.metrics.common.challenges import CHALLENGE_METRICS
from roadcraft.validation.metrics.common.result_check import check_role, checked
from roadcraft.validation.metrics.common.specs import FREIGHT_TABLE
from roadcraft.validation.simulation.isolation import error_text, is_fault


class MetricError(DataError):
    """A metric failed on a scenario."""

    nuplan_score: float | None = None
    """nuPlan's score of the scenario; None where one of nuPlan's own metrics failed."""


@dataclass(frozen=True)
class ScenarioResult:
    """One scored scenario."""

    token: str
    """The scenario's token."""
    log: str
    """Its log."""
    type: str
    """Its scenario type."""
    metrics: tuple[MetricResult, ...]
    """Results of the metrics, in the order in which they were computed."""
    score: float
    """In [0, 1], of all metrics by their roles."""
    nuplan_score: float
    """In [0, 1], of the challenge's own metrics with nuPlan's settings alone."""
    counting: Mapping[str, tuple[str, float]]
    """Role and weight of each metric, by name."""

    @property
    def scores(self) -> dict[str, float]:
        """Scores by metric, of those that have one."""
        return {m.name: m.score for m in self.metrics if m.score is not None}


def challenge_metrics(challenge: str) -> dict[str, Metric]:
    """The metrics of one of nuPlan's challenges, by name, in its order. Raises DataError for an unknown challenge."""
    if challenge not in CHALLENGE_METRICS:
        raise DataError(f"no challenge {challenge!r}", remedy=f"known: {', '.join(CHALLENGE_METRICS)}")
    return {name: create("metric", name) for name in CHALLENGE_METRICS[challenge]}


def evaluate(
    rollout: Rollout,
    challenge: str,
    further: Mapping[str, Metric] | None = None,
    *,
    metrics: Mapping[str, Metric] | None = None,
    roles: Mapping[str, tuple[str, float]] | None = None,
) -> ScenarioResult:
    """All metrics of the challenge (or the given ``metrics``, built once by ``challenge_metrics``), then the
    ``further`` ones.

    ``further`` metrics are scored by their own role: a 'report' never changes the score; one that bears the name of a
    challenge's metric replaces it. ``roles``: role and weight of challenge's metrics in the score where they are not
    nuPlan's; ``freight_metrics()`` and ``FREIGHT_ROLES`` make the freight score. Metrics read the rollout, its arrays
    are marked read-only. Raises MetricError naming metric and scenario where a metric fails or answers what is no
    result; as in the reference the whole scenario then counts as failed.
    """
    own, more = dict(challenge_metrics(challenge) if metrics is None else metrics), further or {}
    context = RolloutContext(read_only(rollout))
    results = {name: _computed(name, metric, context) for name, metric in own.items()}
    nuplan_score = scenario_score((own[name], r) for name, r in results.items())
    try:
        results |= {name: _computed(name, metric, context) for name, metric in more.items()}
    except MetricError as e:
        e.nuplan_score = nuplan_score
        raise
    own |= {name: _in_role(own[name], *role) for name, role in (roles or {}).items() if name in own}
    every, scenario = own | dict(more), rollout.scenario
    score = scenario_score((every[name], r) for name, r in results.items()) if more or roles else nuplan_score
    counting = {name: (m.role, float(m.weight)) for name, m in every.items()}
    return ScenarioResult(
        scenario.token, scenario.log, scenario.type, tuple(results.values()), score, nuplan_score, counting
    )


def freight_metrics() -> dict[str, Metric]:
    """The metrics of heavy and articulated vehicles, by name."""
    return {name: create("metric", name) for name, *_ in FREIGHT_TABLE}


def _in_role(metric: Metric, role: str, weight: float) -> Metric:
    """The metric with another role and weight."""
    other: Any = copy(metric)
    other.role, other.weight = role, weight
    found: Metric = other
    return found


def _computed(name: str, metric: Metric, context: RolloutContext) -> MetricResult:
    rollout = context.rollout
    try:
        check_role(name, metric)
        return checked(name, metric, metric.compute(context), len(rollout))
    except BaseException as e:
        if not is_fault(e):
            raise
        said = str(e) if isinstance(e, RoadcraftError) else error_text(e)
        where = f"{rollout.scenario.log}: scenario {rollout.scenario.token}"
        raise MetricError(f"metric {name} failed: {said}", where=where) from e


def scenario_score(metric_results: Iterable[tuple[Metric, MetricResult]]) -> float:
    """Product of the multipliers times the weighted mean of the weighted metrics; those without a score do not count.

    Reference: nuplan-devkit e924167, weighted_average_metric_aggregator.py, which adds in the order of names.
    """
    factor, total, weights = 1.0, 0.0, 0.0
    for metric, result in sorted(metric_results, key=lambda pair: pair[1].name):
        if result.score is None or metric.role == "report":
            continue
        if metric.role == "multiplier":
            factor *= result.score
        else:
            total += metric.weight * result.score
            weights += metric.weight
    return factor * (total / weights if weights else 0.0)
