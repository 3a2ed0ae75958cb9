"""nuPlan's metrics and scores, one metric per file, and what they share. Public names are loaded on first use."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME: dict[str, str] = {  # public name -> module that defines it
    "aggregate": "roadcraft.validation.metrics.common.aggregation",
    "Entry": "roadcraft.validation.metrics.common.aggregation",
    "Table": "roadcraft.validation.metrics.common.aggregation",
    "evaluate": "roadcraft.validation.metrics.common.evaluation",
    "ScenarioResult": "roadcraft.validation.metrics.common.evaluation",
    "challenge_metrics": "roadcraft.validation.metrics.common.evaluation",
    "scenario_score": "roadcraft.validation.metrics.common.evaluation",
    "RolloutContext": "roadcraft.validation.metrics.common.context",
    "CHALLENGE_METRICS": "roadcraft.validation.metrics.common.challenges",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
