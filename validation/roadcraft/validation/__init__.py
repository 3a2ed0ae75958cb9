"""Public names of this room, loaded on first use (PEP 562)."""

from __future__ import annotations

from roadcraft.core.lazy import lazy

_HOME: dict[str, str] = {  # public name -> module that defines it
    "Failure": "roadcraft.validation.simulation.loop",
    "SimulationConfig": "roadcraft.validation.config",
    "demo": "roadcraft.validation.demonstration",
    "report": "roadcraft.validation.reporting.write",
    "compare": "roadcraft.validation.comparison",
    "rescore": "roadcraft.validation.rescoring",
    "score": "roadcraft.validation.scoring.score",
    "write_junit": "roadcraft.validation.junit",
    "ScoreConfig": "roadcraft.validation.config",
    "describe_run": "roadcraft.validation.show",
    "simulate": "roadcraft.validation.simulation.loop",
    "evaluate": "roadcraft.validation.metrics.evaluation",
    "conformance": "roadcraft.validation.conforming.run",
    "aggregate": "roadcraft.validation.metrics.aggregation",
}

__all__ = list(_HOME)

__getattr__, __dir__ = lazy(__name__, _HOME)
