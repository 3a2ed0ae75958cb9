"""Public names of this room, loaded on first use (PEP 562)."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME: dict[str, str] = {  # public name -> module that defines it
    "Failure": "roadcraft.validation.simulation.loop",
    "SimulationConfig": "roadcraft.validation.config",
    "demo": "roadcraft.validation.demonstration.run",
    "report": "roadcraft.validation.reporting.write",
    "compare": "roadcraft.validation.comparing.compare",
    "rescore": "roadcraft.validation.scoring.rescore",
    "score": "roadcraft.validation.scoring.score",
    "write_junit": "roadcraft.validation.scoring.junit",
    "ScoreConfig": "roadcraft.validation.config",
    "describe_run": "roadcraft.validation.inspection.show",
    "simulate": "roadcraft.validation.simulation.loop",
    "evaluate": "roadcraft.validation.metrics.common.evaluation",
    "conformance": "roadcraft.validation.golden.run",
    "aggregate": "roadcraft.validation.metrics.common.aggregation",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
