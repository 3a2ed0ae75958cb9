"""Judges a rollout: all metrics of a challenge, and the scenario's score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roadcraft.core.errors import DataError
from roadcraft.core.interfaces import Metric, MetricResult
from roadcraft.core.registry import create
from roadcraft.core.rollout import Rollout
from roadcraft.validation.metrics.challenges import CHALLENGE_METRICS
from roadcraft.validation.metrics.context import RolloutContext
from roadcraft.validation.simulation.isolation import is_fault, told


@dataclass(frozen=True)
class ScenarioResult:
    """One judged scenario: token, log, type; metrics in the order they were computed; score in [0, 1]."""

    token: str
    log: str
    type: str
    metrics: tuple[MetricResult, ...]
    score: float

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
) -> ScenarioResult:
    """All metrics of the challenge (or the given ``metrics``, built once by ``challenge_metrics``), then the ``further`` ones.

    ``further`` metrics are scored by their own role: a 'report' never changes the score; one that bears the name of a challenge's metric replaces it.
    Raises DataError naming metric and scenario where a metric fails; as in the reference the whole scenario then counts as failed.
    """
    every = {**(challenge_metrics(challenge) if metrics is None else metrics), **(further or {})}
    context = RolloutContext(rollout)
    results = []
    for name, metric in every.items():
        try:
            results.append(metric.compute(context))
        except BaseException as e:
            if not is_fault(e):
                raise
            raise DataError(
                f"metric {name} failed: {e if isinstance(e, DataError) else told(e)}",
                where=f"{rollout.scenario.log}: scenario {rollout.scenario.token}",
            ) from e
    scenario = rollout.scenario
    score = scenario_score(zip(every.values(), results, strict=True))
    return ScenarioResult(scenario.token, scenario.log, scenario.type, tuple(results), score)


def scenario_score(judged: Iterable[tuple[Metric, MetricResult]]) -> float:
    """Product of the multipliers times the weighted mean of the weighted metrics; those without a score do not count.

    Reference: nuplan-devkit e924167, weighted_average_metric_aggregator.py, which adds in the order of names.
    """
    factor, total, weights = 1.0, 0.0, 0.0
    for metric, result in sorted(judged, key=lambda pair: pair[1].name):
        if result.score is None or metric.role == "report":
            continue
        if metric.role == "multiplier":
            factor *= result.score
        else:
            total += metric.weight * result.score
            weights += metric.weight
    return factor * (total / weights if weights else 0.0)
