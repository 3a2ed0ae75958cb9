"""nuPlan's metrics and scores, one metric per file, and what they share. Public names are loaded on first use."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME: dict[str, str] = {  # public name -> module that defines it
    "aggregate": "roadcraft.validation.metrics.aggregation",
    "Entry": "roadcraft.validation.metrics.aggregation",
    "Table": "roadcraft.validation.metrics.aggregation",
    "evaluate": "roadcraft.validation.metrics.evaluation",
    "ScenarioResult": "roadcraft.validation.metrics.evaluation",
    "challenge_metrics": "roadcraft.validation.metrics.evaluation",
    "scenario_score": "roadcraft.validation.metrics.evaluation",
    "RolloutContext": "roadcraft.validation.metrics.context",
    "CHALLENGE_METRICS": "roadcraft.validation.metrics.challenges",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
